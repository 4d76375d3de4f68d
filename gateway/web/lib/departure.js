// The way to another node before this one stops (PROTOCOL.md, section 3.4): a fresh session there is in all the channels
// before the old one ends, so that nobody is deaf in between. Until then all is heard and said on the old one.

import { DEAF, Session } from './session.js';

/**
 * @typedef {import('./road.js').Road} Road
 * @typedef {import('./wire/messages.js').ServerMessage} ServerMessage
 *
 * @typedef {object} DepartureOptions
 * @property {import('./clock.js').Clock} clock
 * @property {number} by when one has to be gone
 * @property {() => Promise<Road>} open the way to a gateway that takes sessions
 * @property {() => {token: string, client: string}} who
 * @property {() => Iterable<string>} channels where one wants to be
 * @property {() => boolean} quiet whether nobody would miss a word now
 * @property {(session: Session, said: ServerMessage[]) => void} onArrived takes the session, and what was said on it so far
 * @property {() => void} onNowhere no other takes one in: this one is to be left, and come back to
 */

/** No node may be ready yet; those that are there answer sooner. */
const AGAIN_MS = 500;
/** After so many tries there is no other node. */
const TRIES = 4;
/** How often one who may not go yet looks whether it is quiet. */
const WAIT_MS = 50;

export class Departure {
  #tries = 0;
  #over = false;
  /** @type {unknown} */
  #timer = null;
  /** @type {Session | null} */
  #session = null;
  /** @type {ServerMessage[]} */
  #said = [];

  /** @param {DepartureOptions} options */
  constructor(options) {
    this.options = options;
    this.#begin();
  }

  stop() {
    this.#over = true;
    this.options.clock.cancel(this.#timer);
    this.#dismiss();
  }

  async #begin() {
    this.#tries++;
    let road;
    try {
      road = await this.options.open();
    } catch {
      return this.#again();
    }
    if (this.#over) return road.close('no longer needed');
    const { clock, who } = this.options;
    this.#said = [];
    const session = new Session(road, {
      ...who(), ...DEAF, clock, onMessage: (message) => this.#said.push(message), onEnd: () => this.#failed(session),
    }, () => this.#enter(session));
    this.#session = session;
  }

  /** Goes where one was. @param {Session} session */
  async #enter(session) {
    const names = [...this.options.channels()];
    // One that it may not enter any more is missed no less later.
    await Promise.allSettled(names.map((channel) => session.ask((request) => ({ type: 'join', request, channel }))));
    this.#wait(session);
  }

  /** @param {Session} session */
  #wait(session) {
    const { clock, by, quiet, onArrived } = this.options;
    if (this.#over || session !== this.#session) return;
    if (!quiet() && clock.now() < by) {
      this.#timer = clock.after(() => this.#wait(session), WAIT_MS);
      return;
    }
    this.#over = true;
    onArrived(session, this.#said);
  }

  /** @param {Session} session */
  #failed(session) {
    if (this.#over || session !== this.#session) return;
    this.options.clock.cancel(this.#timer);
    this.#dismiss();
    this.#again();
  }

  #again() {
    if (this.#over) return;
    const { clock, by } = this.options;
    if (this.#tries < TRIES && clock.now() + AGAIN_MS < by) {
      this.#timer = clock.after(() => this.#begin(), AGAIN_MS);
    } else {
      this.#leave();
    }
  }

  /** There is no other: between two bursts it is left, at the latest when it has to be. */
  #leave() {
    const { clock, by, quiet, onNowhere } = this.options;
    if (quiet() || clock.now() >= by) {
      this.#over = true;
      onNowhere();
    } else {
      this.#timer = clock.after(() => this.#leave(), WAIT_MS);
    }
  }

  #dismiss() {
    const session = this.#session;
    this.#session = null;
    session?.handTo(DEAF);
    session?.close('no longer needed');
  }
}
