// The token's end, told before it comes: with a field for a fresh one, so that nobody is cut off in mid-shift.

import { byId } from './dom.js';
import { t, tCode } from './i18n.js';
import { notice } from './notices.js';
import { token as kept } from './prefs.js';

/** Enough to ask somebody for another. */
const FIRST_MS = 600_000;
/** Said once more, whoever put it away. */
const LAST_MS = 60_000;
const LOOK_MS = 2000;

/**
 * Which of the notices is due: 0 none, 1 the first, 2 the last.
 * @param {number} leftMs until the token ends; nothing is due when it should have ended already: then the clocks differ
 */
export function stageOf(leftMs) {
  if (leftMs > FIRST_MS || leftMs <= 0) return 0;
  return leftMs > LAST_MS ? 1 : 2;
}

export class Expiry {
  /** In ms since 1970; 0 while there is no session. */
  #at = 0;
  /** The notice that was put away. */
  #dismissed = 0;
  #form = byId('expiry');
  /** @type {HTMLInputElement} */
  #token = byId('expiry-token');

  /** @param {{client: import('../lib/client.js').SuaraClient, onLast: () => void}} page `onLast`: it is to be heard, too */
  constructor({ client, onLast }) {
    this.client = client;
    this.onLast = onLast;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#renew();
    });
    byId('expiry-later').addEventListener('click', () => {
      this.#dismissed = stageOf(this.#at - Date.now());
      this.draw();
    });
    setInterval(() => this.draw(), LOOK_MS);
  }

  /** @param {import('../lib/client.js').ConnectionState} state */
  state(state) {
    if (state.phase === 'online') this.#begin(state.expires);
    if (state.phase === 'ended') this.#begin(0);
  }

  draw() {
    const left = this.#at - Date.now();
    const due = this.#at ? stageOf(left) : 0;
    const wasLast = !this.#form.hidden && this.#form.dataset.last === 'true';
    this.#form.hidden = due <= this.#dismissed;
    this.#form.dataset.last = String(due === 2);
    if (this.#form.hidden) return;
    if (due === 2 && !wasLast) this.onLast();
    const text = due === 2 ? t('expiry.last') : t('expiry.first', { minutes: Math.ceil(left / 60_000) });
    // It is read aloud: not what was said already.
    if (byId('expiry-text').textContent !== text) byId('expiry-text').textContent = text;
  }

  /** @param {number} expires in seconds since 1970 */
  #begin(expires) {
    if (expires * 1000 !== this.#at) this.#dismissed = 0;
    this.#at = expires * 1000;
    this.draw();
  }

  async #renew() {
    const token = this.#token.value.trim();
    if (!token) return this.#token.focus();
    try {
      const { expires } = await this.client.renew(token);
      kept.set(token);
      this.#token.value = '';
      this.#begin(expires);
      notice('renew', t('expiry.done'));
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      notice('renew', tCode('expiry.error', code));
    }
  }
}
