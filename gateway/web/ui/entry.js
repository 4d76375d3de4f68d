// The way in: a token from the link, from this tab's memory or from the field, and the gesture that unlocks the sound.

import { byId } from './dom.js';
import { nameIn } from './fragment.js';
import { t } from './i18n.js';
import { notice, withdraw } from './notices.js';
import { token as kept } from './prefs.js';

/** What the library can't do without; each by the name that one would search for. */
const NEEDED = ['AudioEncoder', 'AudioDecoder', 'AudioWorkletNode'];

export class Entry {
  /** @type {HTMLTextAreaElement} */
  #token = byId('token');
  /** @type {HTMLInputElement} */
  #channel = byId('entry-channel');
  /** @type {HTMLButtonElement} */
  #enter = byId('enter');
  #busy = false;

  /** @param {(how: {token: string, channel: string}) => Promise<void>} onEnter */
  constructor(onEnter) {
    byId('entry-form').addEventListener('submit', async (event) => {
      event.preventDefault();
      const token = this.#token.value.trim() || kept.get();
      if (!token || this.#busy) return this.#token.focus();
      this.#setBusy(true);
      await onEnter({ token, channel: this.#channel.value.trim() }).finally(() => this.#setBusy(false));
    });
    byId('entry-change').addEventListener('click', () => this.forget());
  }

  /** @param {string} channel to be joined at once */
  preselect(channel) {
    this.#channel.value = channel;
  }

  /** The kept token is wrong, or somebody else's. */
  forget() {
    kept.clear();
    this.draw();
    this.#token.focus();
  }

  draw() {
    const token = kept.get();
    const who = nameIn(token);
    byId('entry-known').hidden = token === '';
    byId('entry-lead').hidden = token !== '';
    byId('entry-token-field').hidden = token !== '';
    byId('entry-known-text').textContent = t('entry.token.known', { who: who && ` (${who})` });
    this.#setBusy(this.#busy);
    this.#check();
  }

  /** @param {boolean} busy */
  #setBusy(busy) {
    this.#busy = busy;
    this.#enter.textContent = t(busy ? 'entry.entering' : 'entry.enter');
  }

  #check() {
    withdraw('browser');
    if (!isSecureContext) return notice('browser', t('entry.insecure'), { label: '×', run: () => {} });
    const missing = NEEDED.filter((name) => !(name in globalThis));
    if (missing.length === 0) return;
    notice('browser', t('entry.unsupported', { what: missing.join(', ') }), { label: '×', run: () => {} });
  }
}
