// What a dispatcher hears besides the channel that it talks in: a line for each channel, with who talks, how loud it is, and
// what it is patched to.

import { byId } from './dom.js';
import { Monitor } from './monitor.js';
import { t, tCode } from './i18n.js';
import { notice } from './notices.js';
import { save } from './prefs.js';

/**
 * @typedef {object} Page
 * @property {import('../lib/client.js').SuaraClient} client
 * @property {import('./prefs.js').Prefs} prefs
 * @property {import('./channels.js').Channels} channels
 * @property {() => string} current the channel that one talks in
 * @property {(name: string) => Promise<void>} talkIn
 * @property {import('./watch.js').Watch} watch
 */

export class Monitors {
  /** Each channel that is heard, but for calls. @type {Map<string, Monitor>} */
  #heard = new Map();
  /** The one that is to be patched to another, which is yet to be chosen. */
  #patching = '';
  #panel = byId('monitors');
  #list = byId('monitor-list');

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    page.channels.onMonitor = (name) => void (this.keeps(name) ? this.#stop(name) : this.#listen(name));
    page.channels.isHeard = (name) => this.keeps(name);
  }

  /** Whether it is heard wherever one talks. @param {string} name */
  keeps(name) {
    return this.page.prefs.monitored.includes(name);
  }

  /** Those that were heard the last time. */
  async resume() {
    for (const name of [...this.page.prefs.monitored]) await this.#join(name);
  }

  /** @param {string} name @param {readonly string[]} rights */
  joined(name, rights) {
    const known = this.#heard.get(name);
    const monitor = known ?? new Monitor(name, {
      onVolume: (volume) => this.page.client.volume(name, volume),
      onTalk: () => void this.page.talkIn(name),
      onStop: () => void this.#stop(name),
      onPatch: () => void this.#patch(name),
      onUnpatch: (other) => void this.#setPatch(name, other, false),
    });
    monitor.rights = rights;
    // What it is patched to is said next, if it is.
    monitor.patched = [];
    this.#heard.set(name, monitor);
    this.draw();
  }

  /** @param {string} name */
  left(name) {
    if (!this.#heard.delete(name)) return;
    // Heard again, it is as loud as any.
    this.page.client.volume(name, 1);
    if (this.#patching === name) this.#patching = '';
    this.draw();
  }

  clear() {
    this.#heard.clear();
    this.#patching = '';
    this.draw();
  }

  /** @param {import('../lib/client.js').FloorDetail} floor */
  floor({ channel, phase, talkers }) {
    const names = talkers.map(({ name }) => name).join(', ');
    this.#heard.get(channel)?.says(phase === 'granted' ? t('call.talking') : names);
  }

  /** @param {string} name @param {string[]} others */
  patched(name, others) {
    const monitor = this.#heard.get(name);
    if (monitor) monitor.patched = others;
    this.draw();
  }

  draw() {
    const { channels, current } = this.page;
    const all = [...this.#heard.values()].filter(({ name }) => !this.page.watch.isQuiet(name));
    channels.mayMonitor = all.some(({ rights }) => rights.includes('dispatch'));
    channels.draw();
    this.#panel.hidden = all.length < 2 && !all.some(({ name }) => this.keeps(name));
    this.#list.replaceChildren(...this.#panel.hidden ? [] : all.map(({ row }) => row));
    const from = this.#heard.get(this.#patching);
    for (const monitor of all) {
      const other = all.some((one) => one !== monitor && one.mayPatch(monitor));
      monitor.draw({ current: current(), from: from && from !== monitor ? from : null, mayPatch: other, patching: from === monitor });
    }
  }

  /** Another channel besides: what one talks in now is heard on, too. @param {string} name */
  async #listen(name) {
    const current = this.page.current();
    for (const one of [current, name]) if (one && !this.keeps(one)) this.page.prefs.monitored.push(one);
    save(this.page.prefs);
    this.page.watch.apply();
    await this.#join(name);
  }

  /** @param {string} name */
  async #join(name) {
    try {
      await this.page.client.join(name);
    } catch (error) {
      this.#forget(name);
      const { code } = /** @type {{code: string}} */ (error);
      notice('channel', tCode('channel.error', code, { channel: name }));
    }
    this.draw();
  }

  /** Where one talks one stays. @param {string} name */
  async #stop(name) {
    this.#forget(name);
    this.page.watch.apply();
    if (name !== this.page.current() && !this.page.watch.holds(name)) await this.page.client.leave(name);
    this.draw();
  }

  /** @param {string} name */
  #forget(name) {
    const { prefs } = this.page;
    prefs.monitored = prefs.monitored.filter((other) => other !== name);
    save(prefs);
  }

  /** The first of two is chosen, or the second. @param {string} name */
  async #patch(name) {
    const first = this.#patching;
    this.#patching = first ? '' : name;
    this.draw();
    if (first && first !== name) await this.#setPatch(first, name, true);
  }

  /**
   * @param {string} one
   * @param {string} other
   * @param {boolean} on
   */
  async #setPatch(one, other, on) {
    try {
      await this.page.client.patch(one, other, on);
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      notice('patch', tCode('patch.error', code));
    }
  }
}
