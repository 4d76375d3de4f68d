// What can be switched: volume, mute, tap mode, tones, voice processing, language, and leaving.

import { Devices } from './devices.js';
import { byId } from './dom.js';
import { choose, t, use } from './i18n.js';
import { save } from './prefs.js';

/**
 * @param {{client: import('../lib/client.js').SuaraClient, prefs: import('./prefs.js').Prefs,
 *   hold: import('./hold.js').Hold, stage: import('./stage.js').Stage,
 *   microphone: import('./microphone.js').MicrophoneView, redraw: () => void}} page
 */
export function wireSettings({ client, prefs, hold, stage, microphone, redraw }) {
  /** @type {HTMLDialogElement} */
  const dialog = byId('settings');
  const devices = new Devices({ client, prefs, hold, stage, microphone });
  byId('open-settings').addEventListener('click', () => {
    dialog.showModal();
    void devices.draw();
  });
  byId('leave').addEventListener('click', () => void client.disconnect());

  /** @type {HTMLInputElement} */
  const volume = byId('volume');
  const mute = byId('mute');
  const applySound = () => {
    volume.value = String(prefs.volume * 100);
    client.sound.volume = prefs.volume;
    client.sound.muted = prefs.muted;
    mute.setAttribute('aria-pressed', String(prefs.muted));
    mute.textContent = t(prefs.muted ? 'sound.muted' : 'sound.mute');
    document.body.dataset.muted = String(prefs.muted);
  };
  volume.addEventListener('input', () => {
    prefs.volume = Number(volume.value) / 100;
    prefs.muted = false;
    save(prefs);
    applySound();
  });
  mute.addEventListener('click', (event) => {
    prefs.muted = !prefs.muted;
    save(prefs);
    applySound();
    // After a click of the mouse the space bar is to talk again, not to mute.
    if (event.detail > 0) byId('talk').focus();
  });

  checkbox('tap-mode', prefs.tap, (on) => {
    hold.up();
    prefs.tap = hold.tapMode = stage.tapMode = on;
    stage.draw();
  });
  checkbox('queue', prefs.queue, (on) => { prefs.queue = on; });
  checkbox('late-entry', prefs.lateEntry, (on) => {
    prefs.lateEntry = on;
    client.lateEntry = on;
  });
  checkbox('tones', prefs.tones, (on) => { prefs.tones = on; });
  checkbox('processing', prefs.processing, (on) => {
    const changed = prefs.processing !== on;
    prefs.processing = on;
    if (changed && client.sound.microphoneOpen) microphone.open();
  });

  /** @type {HTMLSelectElement} */
  const language = byId('language');
  language.value = prefs.language || choose(navigator.languages);
  language.addEventListener('change', () => {
    prefs.language = language.value;
    save(prefs);
    use(prefs.language);
    applySound();
    redraw();
    void devices.draw();
  });
  applySound();

  /**
   * @param {string} id
   * @param {boolean} initial
   * @param {(on: boolean) => void} apply
   */
  function checkbox(id, initial, apply) {
    /** @type {HTMLInputElement} */
    const box = byId(id);
    box.checked = initial;
    apply(initial);
    box.addEventListener('change', () => {
      apply(box.checked);
      save(prefs);
    });
  }
}
