// Raises an emergency from the page: with the place, if the browser knows it and the user lets it, and a countdown.

import { byId } from './dom.js';
import { t, tCode } from './i18n.js';
import { notice, withdraw } from './notices.js';

/** An emergency waits for no place: it has the second in which the button is held. */
const PLACE_MS = 5000;

export class Raise {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;

  /** @type {{latitude: number, longitude: number, accuracy: number} | null} */
  #location = null;

  /** @param {import('../lib/client.js').SuaraClient} client */
  constructor(client) {
    this.client = client;
    for (const type of ['pointerdown', 'keydown']) byId('emergency').addEventListener(type, () => this.#locate());
  }

  /** The alert goes at once, with the place if it was found while the button was held. */
  async begin() {
    try {
      const { microphoneMs } = await this.client.emergency({ location: this.#location });
      this.#count(Date.now() + microphoneMs);
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      notice('emergency', tCode('emergency.error', code));
    }
  }

  /** It is over, whoever said so. */
  over() {
    this.#stop();
  }

  /** @param {number} until */
  #count(until) {
    this.#stop();
    const button = byId('emergency');
    const show = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) return this.#stop();
      button.textContent = t('emergency.open', { seconds: left });
    };
    button.dataset.open = 'true';
    this.#countdown = setInterval(show, 250);
    withdraw('emergency');
    show();
  }

  #stop() {
    clearInterval(this.#countdown);
    const button = byId('emergency');
    delete button.dataset.open;
    button.textContent = t('emergency.hold');
  }

  #locate() {
    navigator.geolocation?.getCurrentPosition(({ coords: { latitude, longitude, accuracy } }) => {
      this.#location = { latitude, longitude, accuracy };
    }, () => {}, { enableHighAccuracy: true, timeout: PLACE_MS, maximumAge: 60_000 });
  }
}
