// What goes beyond the channel that is shown: calls, emergencies, patches. Hears of them, and has their parts draw.

import { Alerts } from './alerts.js';
import { Calls } from './calls.js';
import { byId } from './dom.js';
import { t } from './i18n.js';
import { Monitors } from './monitors.js';
import { Watch } from './watch.js';

/**
 * @typedef {object} Page
 * @property {import('../lib/client.js').SuaraClient} client
 * @property {import('./stage.js').Stage} stage
 * @property {import('./people.js').People} people
 * @property {import('./actions.js').Actions} actions
 * @property {import('./quality.js').Quality} quality
 * @property {import('./prefs.js').Prefs} prefs
 * @property {import('./channels.js').Channels} channels
 * @property {(name: string) => Promise<void>} talkIn
 * @property {(tone: 'queued' | 'alarm') => void} play
 */

export class Beyond {
  /** What one may do in each channel. @type {Map<string, readonly string[]>} */
  #rights = new Map();
  /** Names of what each channel is patched to. @type {Map<string, string[]>} */
  #patched = new Map();
  /** Channels of which one hears a part only. @type {Set<string>} */
  #split = new Set();

  /** @param {Page} page */
  constructor({ client, stage, people, actions, quality, prefs, channels, talkIn, play }) {
    this.client = client;
    this.stage = stage;
    this.quality = quality;
    const current = () => stage.channel;
    const mayEnd = (/** @type {string} */ channel) => this.#rights.get(channel)?.includes('dispatch') ?? false;
    this.calls = new Calls({ client, onRing: () => play('queued') });
    this.alerts = new Alerts({ client, onAlert: () => play('alarm'), mayEnd, current, talkIn });
    this.watch = new Watch({
      client, current, isChosen: (name) => this.monitors.keeps(name), onHeard: (count) => this.alerts.heard(count),
      onRights: (rights) => { actions.alarmRights = rights; },
    });
    this.monitors = new Monitors({ client, prefs, channels, talkIn, current, watch: this.watch });
    actions.raise.onOpen = (channel, seconds) => {
      this.alerts.open(channel, seconds);
      stage.alarm = channel;
    };
    people.onCall = (users) => void this.calls.call(users);
    this.#on('joined', ({ channel, rights, call }) => {
      this.#rights.set(channel, rights);
      this.alerts.joined(channel);
      // What it is patched to is said next, if it is, and so is that it is split.
      this.#patched.delete(channel);
      this.#split.delete(channel);
      if (call) this.calls.add(channel, call);
      else {
        this.watch.joined(channel, rights);
        this.monitors.joined(channel, rights);
      }
    });
    this.#on('left', ({ channel, reason }) => {
      this.#patched.delete(channel);
      this.#split.delete(channel);
      this.calls.remove(channel, reason);
      this.monitors.left(channel);
      this.watch.left(channel);
    });
    this.#on('state', (state) => state.phase === 'online' && void this.watch.online(state.emergencyChannel));
    this.#on('roster', (roster) => {
      if (this.calls.has(roster.channel)) this.calls.roster(roster);
      this.watch.roster(roster);
    });
    this.#on('floor', (floor) => {
      actions.raise.floor(floor);
      this.watch.floor(floor);
      if (this.calls.has(floor.channel)) this.calls.floor(floor);
      else this.monitors.floor(floor);
    });
    this.#on('patched', ({ channel, with: others }) => {
      this.#patched.set(channel, others);
      this.monitors.patched(channel, others);
      this.#drawPatched();
    });
    this.#on('split', ({ channel, split }) => {
      if (split) this.#split.add(channel);
      else this.#split.delete(channel);
      this.#drawPatched();
    });
    this.#on('emergency', (alert) => {
      this.alerts.take(alert);
      this.watch.alert(alert);
      if (alert.over && alert.mine) actions.raise.over();
    });
  }

  clear() {
    this.#patched.clear();
    this.#split.clear();
    this.calls.clear();
    this.alerts.clear();
    this.watch.clear();
    this.monitors.clear();
    this.#drawPatched();
  }

  /** Whether one stays in a channel, wherever one talks. @param {string} name */
  keeps(name) {
    return this.monitors.keeps(name) || this.watch.holds(name);
  }

  draw() {
    this.calls.draw();
    this.alerts.draw();
    this.watch.apply();
    this.watch.draw();
    this.monitors.draw();
    this.#drawPatched();
  }

  #drawPatched() {
    const others = this.#patched.get(this.stage.channel) ?? [];
    byId('patched').hidden = others.length === 0;
    const split = this.#split.has(this.stage.channel);
    this.quality.split = split;
    byId('split').hidden = !split;
    byId('split').textContent = t('channel.split');
    byId('patched').textContent = t('patch.with', { channels: others.join(', ') });
  }

  /**
   * @param {string} type
   * @param {(detail: any) => void} take
   */
  #on(type, take) {
    this.client.addEventListener(type, (event) => take(/** @type {CustomEvent} */ (event).detail));
  }
}
