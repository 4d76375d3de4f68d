// Emergencies in force: who, when, where, in words; until one has seen it, or it is over. Of one's own also how many hear it, and
// that the microphone is open.

import { bdi, byId, make } from './dom.js';
import { locale, t } from './i18n.js';

/**
 * @typedef {{channel: string, user: string, mine: boolean, over: boolean, name: string, at: number,
 *   location: {latitude: number, longitude: number, accuracy: number | null} | null, text: string | null}} AlertDetail
 *
 * @typedef {object} Page
 * @property {import('../lib/client.js').SuaraClient} client
 * @property {(channel: string) => boolean} mayEnd
 * @property {() => void} onAlert
 * @property {() => string} current the channel that one talks in
 * @property {(channel: string) => Promise<void>} talkIn
 */

export class Alerts {
  /** @type {Map<string, AlertDetail>} by channel and user */
  #alerts = new Map();
  /** When the newest of each was raised: it is told again after each reconnect. @type {Map<string, number>} */
  #told = new Map();
  /** And of those that were put away. @type {Map<string, number>} */
  #seen = new Map();
  #panel = byId('alerts');
  /** Others in the emergency channel; -1 where one isn't there. */
  #heard = -1;
  /** Where the microphone is open by one's own emergency. */
  #open = '';
  /** It is told apart from the rest, which is read aloud whenever it changes. */
  #seconds = make('span', { 'aria-hidden': 'true' });

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {AlertDetail} alert */
  take(alert) {
    const key = `${alert.channel}\n${alert.user}`;
    if (alert.over) {
      this.#alerts.delete(key);
    } else if (this.#seen.get(key) !== alert.at) {
      this.#alerts.set(key, alert);
      if (!alert.mine && this.#told.get(key) !== alert.at) this.page.onAlert();
      this.#told.set(key, alert.at);
    }
    this.draw();
  }

  /** One came into a channel, perhaps again: what is in force there is told next, and what isn't is over. @param {string} channel */
  joined(channel) {
    for (const [key, alert] of this.#alerts) if (alert.channel === channel) this.#alerts.delete(key);
    this.draw();
  }

  /** How many others hear one's own. @param {number} count */
  heard(count) {
    if (count === this.#heard) return;
    this.#heard = count;
    if ([...this.#alerts.values()].some(({ mine }) => mine)) this.draw();
  }

  /** The microphone is open there, or nowhere. @param {string} channel @param {number} seconds */
  open(channel, seconds) {
    this.#seconds.textContent = seconds > 0 ? t('alert.seconds', { seconds }) : '';
    if (channel === this.#open) return;
    this.#open = channel;
    this.draw();
  }

  clear() {
    for (const map of [this.#alerts, this.#told, this.#seen]) map.clear();
    this.#heard = -1;
    this.#open = '';
    this.draw();
  }

  draw() {
    this.#panel.hidden = this.#alerts.size === 0;
    this.#panel.replaceChildren(...[...this.#alerts].map(([key, alert]) => this.#row(key, alert)));
  }

  /** @param {string} key @param {AlertDetail} alert */
  #row(key, alert) {
    const { client, mayEnd, current, talkIn } = this.page;
    /** @type {(string | Node)[]} */
    const parts = [new Date(alert.at).toLocaleTimeString(locale())];
    if (alert.text) parts.push(' · ', alert.text);
    if (alert.location) parts.push(' · ', place(alert.location));
    const talk = act('alert-talk', t('alert.talk', { channel: alert.channel }), () => void talkIn(alert.channel));
    talk.hidden = alert.channel === current();
    const seen = act('', t('alert.seen'), () => {
      this.#alerts.delete(key);
      this.#seen.set(key, alert.at);
      this.draw();
    });
    const end = act('alert-end', t('alert.end'), () => client.cancelEmergency(alert.channel, alert.user));
    end.hidden = !alert.mine && !mayEnd(alert.channel);
    return make('div', { class: 'alert' }, [
      make('strong', {}, [`${t('level.emergency')}: `, bdi(alert.name)]),
      make('span', { class: 'alert-about' }, [make('span', {}, parts), ...alert.mine ? this.#own() : []]), talk, seen, end,
    ]);
  }

  /** What its author has to know. */
  #own() {
    const lines = [];
    if (this.#open) lines.push(make('span', { class: 'alert-open' }, [`${t('alert.open', { channel: this.#open })} `, this.#seconds]));
    if (this.#heard > 0) lines.push(make('span', { class: 'alert-heard' }, [t('alert.heard', { count: this.#heard })]));
    if (this.#heard === 0) lines.push(make('strong', { class: 'alert-heard' }, [t('alert.alone')]));
    return lines;
  }
}

/** @param {string} kind @param {string} text @param {() => void} run */
function act(kind, text, run) {
  const button = make('button', { type: 'button', class: `quiet ${kind}`.trim() }, [text]);
  button.addEventListener('click', run);
  return button;
}

/**
 * A link to a map, which nobody fetches before it is followed.
 * @param {NonNullable<AlertDetail['location']>} where
 */
function place({ latitude, longitude, accuracy }) {
  const [lat, lon] = [latitude.toFixed(5), longitude.toFixed(5)];
  const around = accuracy === null ? '' : ` ±${Math.round(accuracy)} m`;
  const href = `https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=17/${lat}/${lon}`;
  return make('a', { href, target: '_blank', rel: 'noopener noreferrer', title: t('alert.map') }, [`${lat}, ${lon}${around}`]);
}
