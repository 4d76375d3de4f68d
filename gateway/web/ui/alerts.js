// Emergencies in force: who, when, where, in words; until one has seen it, or it is over.

import { bdi, byId, make } from './dom.js';
import { t } from './i18n.js';

/**
 * @typedef {{channel: string, user: string, mine: boolean, over: boolean, name: string, at: number,
 *   location: {latitude: number, longitude: number, accuracy: number | null} | null, text: string | null}} AlertDetail
 */

export class Alerts {
  /** @type {Map<string, AlertDetail>} by channel and user */
  #alerts = new Map();
  #panel = byId('alerts');

  /**
   * @param {{client: import('../lib/client.js').SuaraClient, mayEnd: (channel: string) => boolean, onAlert: () => void}} page
   */
  constructor({ client, mayEnd, onAlert }) {
    this.client = client;
    this.mayEnd = mayEnd;
    this.onAlert = onAlert;
  }

  /** @param {AlertDetail} alert */
  take(alert) {
    const key = `${alert.channel}\n${alert.user}`;
    if (alert.over) {
      this.#alerts.delete(key);
    } else {
      const known = this.#alerts.get(key);
      this.#alerts.set(key, alert);
      if (!alert.mine && known?.at !== alert.at) this.onAlert();
    }
    this.draw();
  }

  clear() {
    this.#alerts.clear();
    this.draw();
  }

  draw() {
    this.#panel.hidden = this.#alerts.size === 0;
    this.#panel.replaceChildren(...[...this.#alerts].map(([key, alert]) => this.#row(key, alert)));
  }

  /** @param {string} key @param {AlertDetail} alert */
  #row(key, alert) {
    const about = [new Date(alert.at).toLocaleTimeString(), alert.text, alert.location && place(alert.location)];
    const seen = make('button', { type: 'button', class: 'quiet' }, [t('alert.seen')]);
    seen.addEventListener('click', () => {
      this.#alerts.delete(key);
      this.draw();
    });
    const end = make('button', { type: 'button', class: 'quiet alert-end' }, [t('alert.end')]);
    end.addEventListener('click', () => this.client.cancelEmergency(alert.channel, alert.user));
    end.hidden = !alert.mine && !this.mayEnd(alert.channel);
    return make('div', { class: 'alert' }, [
      make('strong', {}, [`${t('level.emergency')}: `, bdi(alert.name)]),
      make('span', {}, [about.filter(Boolean).join(' · ')]), seen, end,
    ]);
  }
}

/** @param {NonNullable<AlertDetail['location']>} where */
function place({ latitude, longitude, accuracy }) {
  const around = accuracy === null ? '' : ` ±${accuracy} m`;
  return `${latitude.toFixed(5)}, ${longitude.toFixed(5)}${around}`;
}
