// The way back from a second-best road: looks from time to time whether the best one works by now, makes a session there,
// joins the same channels, and moves there between two bursts. Until then all is heard and said on the old session, so
// that nothing is lost and nothing comes twice. A session that could be resumed would take this one's place.

import { DEAF, Session } from './session.js';

/**
 * @typedef {import('./wire/messages.js').ServerMessage} ServerMessage
 * @typedef {import('./road.js').Road} Road
 *
 * @typedef {object} MoveOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => Promise<Road>} open the best road
 * @property {() => {token: string, client: string}} who
 * @property {() => string[]} wanted names of the channels that one is in
 * @property {() => boolean} quiet whether the old session may go now: nobody talks there, and nothing is asked
 * @property {(session: Session, messages: ServerMessage[]) => void} onMove takes the session and what was said on it so far
 */

/** The first look: a network that is just coming up may let TCP through before UDP. */
export const FIRST_LOOK_MS = 5000;
/** A look costs a few packets to nowhere. */
export const LONGEST_MS = 300_000;
/** How often a session that is ready looks whether it is quiet. */
const WAIT_MS = 100;
/** Since the last sign of a talker so long: frames of a burst may come behind its end, and the slower road's still later. */
export const STILL_MS = 500;
/** A burst that lasts, or a busy roster: rather another try than a page's memory. */
const MAX_MESSAGES = 2000;

export class Move {
  #stopped = false;
  #delay = FIRST_LOOK_MS;
  /** @type {unknown} */
  #timer = null;
  /** Counts looks: what comes of an older one is too late. */
  #look = 0;
  /** @type {Session | null} */
  #session = null;
  /** @type {ServerMessage[]} */
  #messages = [];
  /** Channels that somebody talks in, on the new session. @type {Set<number>} */
  #talking = new Set();
  /** Of somebody who talks, on the new session. */
  #heardAt = -Infinity;
  /** Names of the channels that are joined, once all are. @type {string[] | null} */
  #joined = null;

  /** @param {MoveOptions} options */
  constructor(options) {
    this.options = options;
    this.#later();
  }

  /** The network changed: look at once. */
  hurry() {
    if (this.#stopped || this.#session) return;
    this.#delay = FIRST_LOOK_MS;
    this.options.clock.cancel(this.#timer);
    this.#begin();
  }

  stop() {
    this.#stopped = true;
    this.#giveUp();
    this.options.clock.cancel(this.#timer);
  }

  #later() {
    if (this.#stopped) return;
    this.#timer = this.options.clock.after(() => this.#begin(), this.#delay);
    this.#delay = Math.min(LONGEST_MS, this.#delay * 2);
  }

  async #begin() {
    const look = ++this.#look;
    const { open, who, clock } = this.options;
    let road;
    try {
      road = await open();
    } catch {
      if (look === this.#look) this.#later();
      return;
    }
    if (this.#stopped || look !== this.#look) return road.close('no longer needed');
    this.#session = new Session(road, {
      ...who(), clock,
      onMessage: (message) => this.#take(message),
      onDatagram: () => { this.#heardAt = clock.now(); },
      onEnd: () => this.#again(),
    }, () => this.#join());
  }

  async #join() {
    const session = this.#session;
    const wanted = this.options.wanted();
    try {
      await Promise.all(wanted.map((channel) => session?.ask((request) => ({ type: 'join', request, channel }))));
    } catch {
      // Full, for oneself is there already, or the session is gone.
      if (session === this.#session) this.#again();
      return;
    }
    if (session !== this.#session) return;
    this.#joined = wanted;
    this.#wait();
  }

  /** @param {ServerMessage} message */
  #take(message) {
    this.#messages.push(message);
    if (message.type === 'floor_taken' || (message.type === 'joined' && message.talking)) this.#talking.add(message.channel);
    // Its voice, or what is still under way of it, may be slower than the message.
    if (message.type === 'floor_taken' || message.type === 'floor_idle') this.#heardAt = this.options.clock.now();
    if (message.type === 'floor_idle' || message.type === 'left') this.#talking.delete(message.channel);
    if (this.#messages.length > MAX_MESSAGES || message.type === 'draining') this.#again();
  }

  #wait() {
    const { clock, quiet, onMove } = this.options;
    const session = this.#session;
    if (!session) return;
    // A channel was entered or left meanwhile, or the token renewed.
    if (!this.#isCurrent(session)) return this.#again();
    const still = this.#talking.size === 0 && clock.now() - this.#heardAt >= STILL_MS;
    if (!still || !quiet()) {
      this.#timer = clock.after(() => this.#wait(), WAIT_MS);
      return;
    }
    const messages = this.#messages;
    this.#stopped = true;
    this.#session = null;
    onMove(session, messages);
  }

  /** @param {Session} session */
  #isCurrent(session) {
    const [names, joined] = [this.options.wanted(), this.#joined ?? []];
    const { token } = this.options.who();
    return session.options.token === token && names.length === joined.length && names.every((name) => joined.includes(name));
  }

  /** Comes to nothing this time. */
  #again() {
    this.#giveUp();
    this.options.clock.cancel(this.#timer);
    this.#later();
  }

  #giveUp() {
    this.#look++;
    const session = this.#session;
    this.#session = null;
    this.#joined = null;
    this.#messages = [];
    this.#talking.clear();
    this.#heardAt = -Infinity;
    session?.handTo(DEAF);
    session?.close('no longer needed');
  }
}
