// Which microphone, which speaker and which key: what one sits at, so it is this browser's to remember.

import { Sound } from '../lib/sound.js';
import { byId, make } from './dom.js';
import { t } from './i18n.js';
import { notice } from './notices.js';
import { save } from './prefs.js';

/** They mean something in a dialogue, or are held with others. */
const NO_KEYS = ['Escape', 'Tab', 'Enter', 'Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'CapsLock'];

/**
 * @typedef {object} Page
 * @property {import('../lib/client.js').SuaraClient} client
 * @property {import('./prefs.js').Prefs} prefs
 * @property {import('./hold.js').Hold} hold
 * @property {import('./stage.js').Stage} stage
 * @property {import('./microphone.js').MicrophoneView} microphone
 */

export class Devices {
  /** @type {HTMLSelectElement} */
  #microphone = byId('microphone');
  /** @type {HTMLSelectElement} */
  #speaker = byId('speaker');
  #key = byId('talk-key');
  #asking = false;

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    const { client, prefs, microphone } = page;
    byId('speaker-choice').hidden = !Sound.choosesSpeaker;
    this.#microphone.addEventListener('change', () => {
      prefs.microphone = this.#microphone.value;
      save(prefs);
      if (client.sound.microphoneOpen) void microphone.open();
    });
    this.#speaker.addEventListener('change', () => {
      prefs.speaker = this.#speaker.value;
      save(prefs);
      void this.#play();
    });
    this.#key.addEventListener('click', () => this.#ask(!this.#asking));
    this.#key.addEventListener('keydown', (event) => this.#chosen(event));
    this.#key.addEventListener('blur', () => this.#ask(false));
    navigator.mediaDevices?.addEventListener?.('devicechange', () => void this.draw());
    this.#useKey();
    void this.#play();
  }

  /** The devices as they are now; browsers tell their names once the microphone was allowed. */
  async draw() {
    this.#ask(false);
    const devices = await navigator.mediaDevices?.enumerateDevices?.().catch(() => []) ?? [];
    const { prefs } = this.page;
    fill(this.#microphone, devices.filter(({ kind }) => kind === 'audioinput'), prefs.microphone);
    fill(this.#speaker, devices.filter(({ kind }) => kind === 'audiooutput'), prefs.speaker);
  }

  async #play() {
    try {
      await this.page.client.sound.setSpeaker(this.page.prefs.speaker);
    } catch (error) {
      notice('speaker', t('settings.device.error', { code: /** @type {Error} */ (error).name }));
    }
  }

  /** @param {boolean} on the next key is to be the one */
  #ask(on) {
    this.#asking = on;
    this.#key.textContent = on ? t('settings.key.press') : this.page.prefs.key?.name ?? t('settings.key.space');
    this.#key.setAttribute('aria-pressed', String(on));
  }

  /** @param {KeyboardEvent} event */
  #chosen(event) {
    if (!this.#asking || event.repeat) return;
    event.preventDefault();
    event.stopPropagation();
    if (NO_KEYS.includes(event.key) || !event.code) return this.#ask(false);
    const { prefs } = this.page;
    const name = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    prefs.key = event.code === 'Space' ? null : { code: event.code, name };
    save(prefs);
    this.#useKey();
    // The key's own end is a click of the button that one is on.
    this.#key.addEventListener('keyup', (end) => end.preventDefault(), { once: true });
    this.#ask(false);
  }

  #useKey() {
    const { hold, stage, prefs } = this.page;
    hold.up();
    hold.key = prefs.key?.code ?? 'Space';
    stage.key = prefs.key?.name ?? '';
    stage.draw();
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} devices
 * @param {string} chosen
 */
function fill(select, devices, chosen) {
  // Some browsers list their choice as a device, too, and hide ids until they were allowed to tell them.
  const named = devices.filter(({ deviceId }) => deviceId && deviceId !== 'default');
  select.replaceChildren(make('option', { value: '' }, [t('settings.device.usual')]), ...named.map(({ deviceId, label }, i) =>
    make('option', { value: deviceId }, [label || t('settings.device.nameless', { number: i + 1 })])));
  select.value = named.some(({ deviceId }) => deviceId === chosen) ? chosen : '';
}
