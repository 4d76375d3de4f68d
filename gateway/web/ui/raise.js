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
  /** Where the microphone is open, or ''. */
  #channel = '';
  /** Whether the floor was asked for there: when it is no longer, the microphone is closed. */
  #asked = false;
  /** The microphone is open in that channel for so many seconds; in none, it is closed. @type {(channel: string, seconds: number) => void} */
  onOpen = () => {};

  /** @param {import('../lib/client.js').SuaraClient} client */
  constructor(client) {
    this.client = client;
    for (const type of ['pointerdown', 'keydown']) byId('emergency').addEventListener(type, () => this.#locate());
  }

  /** The alert goes at once, with the place if it was found while the button was held. */
  async begin() {
    try {
      const { channel, microphoneMs } = await this.client.emergency({ location: this.#location });
      this.#count(channel, Date.now() + microphoneMs);
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      notice('emergency', tCode('emergency.error', code));
    }
  }

  /** It is over, whoever said so. */
  over() {
    this.#stop();
  }

  /** One talks elsewhere, or was refused: it is closed before its time. @param {import('../lib/client.js').FloorDetail} floor */
  floor({ channel, phase }) {
    if (channel !== this.#channel) return;
    const asks = phase === 'requesting' || phase === 'queued' || phase === 'granted';
    if (this.#asked && !asks) this.#stop();
    else this.#asked = asks;
  }

  /** @param {string} channel @param {number} until */
  #count(channel, until) {
    this.#stop();
    this.#channel = channel;
    const button = byId('emergency');
    const show = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left <= 0) return this.#stop();
      button.textContent = t('emergency.open', { seconds: left });
      this.onOpen(channel, left);
    };
    button.dataset.open = 'true';
    this.#countdown = setInterval(show, 250);
    withdraw('emergency');
    show();
  }

  #stop() {
    clearInterval(this.#countdown);
    this.#channel = '';
    this.#asked = false;
    const button = byId('emergency');
    delete button.dataset.open;
    button.textContent = t('emergency.hold');
    this.onOpen('', 0);
  }

  #locate() {
    navigator.geolocation?.getCurrentPosition(({ coords: { latitude, longitude, accuracy } }) => {
      this.#location = { latitude, longitude, accuracy };
    }, () => {}, { enableHighAccuracy: true, timeout: PLACE_MS, maximumAge: 60_000 });
  }
}
