// The microphone in the page: opened on entering, its level, and clear words when it can't be had.

import { byId } from './dom.js';
import { t, tCode } from './i18n.js';
import { notice, withdraw } from './notices.js';

/** The meter's range: speech at arm's length is about −30 dBFS. */
const FLOOR_DB = -60;
const WIDTH = 240;

export class MicrophoneView {
  #level = byId('level');
  #text = byId('mic-text');
  /** @type {'none' | 'open' | 'lost'} */
  #state = 'none';

  /**
   * @param {import('../lib/client.js').SuaraClient} client
   * @param {import('./prefs.js').Prefs} prefs
   */
  constructor(client, prefs) {
    this.client = client;
    this.prefs = prefs;
    client.addEventListener('level', (event) => this.#meter(/** @type {CustomEvent} */ (event).detail.level));
    client.addEventListener('microphone', (event) => {
      this.#state = /** @type {CustomEvent} */ (event).detail.state;
      if (this.#state === 'lost') this.#complain(t('mic.lost'));
      this.draw();
    });
  }

  async open() {
    withdraw('microphone');
    try {
      await this.client.sound.openMicrophone(this.prefs.processing, this.prefs.microphone);
    } catch (error) {
      const { name } = /** @type {Error} */ (error);
      this.#complain(tCode('mic', WORDS[name] ?? null, { code: name }));
    }
  }

  draw() {
    this.#text.textContent = t(this.#state === 'open' ? 'mic.open' : 'mic.none');
    if (this.#state !== 'open') this.#meter(0);
  }

  /** @param {string} text */
  #complain(text) {
    notice('microphone', text, { label: t('mic.retry'), run: () => this.open() });
  }

  /** @param {number} level root mean square, 0 to 1 */
  #meter(level) {
    const db = 20 * Math.log10(level + 1e-6);
    const share = Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
    this.#level.setAttribute('width', String(Math.round(share * WIDTH)));
  }
}

/** @type {Record<string, string>} */
const WORDS = {
  NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'missing', OverconstrainedError: 'missing',
  NotReadableError: 'busy', AbortError: 'busy',
};
