// The way back from a second-best road: looks from time to time whether the best one works by now, and when nobody talks
// opens it, resumes the session there (PROTOCOL.md, section 3.6) and hands that out. The gateway gives it the old one's places:
// its talker numbers, its place in a queue. Until its welcome all is heard and said on the old session.

import { DEAF, Session } from './session.js';

/**
 * @typedef {import('./road.js').Road} Road
 *
 * @typedef {object} MoveOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => Promise<Road>} open the best road
 * @property {() => {token: string, client: string, resume: string}} who
 * @property {() => boolean} quiet whether the session may move now: nobody talks there, and nothing is asked
 * @property {(session: Session) => void} onMove takes the session, right at its welcome
 * @property {() => void} onFailed a session that was to take the old one's place came to nothing
 */

/** The first look: a network that is just coming up may let TCP through before UDP. */
export const FIRST_LOOK_MS = 5000;
/** A look costs a few packets to nowhere. */
export const LONGEST_MS = 300_000;
/** How often one who may not move yet looks whether it is quiet. */
const WAIT_MS = 100;
/** Since the last sign of a talker so long: frames of a burst may come behind its end, and the slower road's still later. */
export const STILL_MS = 500;
/** What was under way on the old road is here by then. */
export const AFTER_MOVE_MS = 1000;

export class Move {
  #stopped = false;
  #delay = FIRST_LOOK_MS;
  /** @type {unknown} */
  #timer = null;
  /** Counts looks: what comes of an older one is too late. */
  #look = 0;
  /** That is to take the old one's place, until its welcome. @type {Session | null} */
  #session = null;

  /** @param {MoveOptions} options */
  constructor(options) {
    this.options = options;
    this.#later();
  }

  /** Whether the gateway may have given the old session's place away. */
  get takesOver() {
    return this.#session !== null;
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
    let road;
    try {
      road = await this.options.open();
    } catch {
      if (look === this.#look) this.#later();
      return;
    }
    if (this.#stopped || look !== this.#look) return road.close('no longer needed');
    if (this.options.quiet()) return this.#take(road);
    // It works. A road on which nothing is said for long is closed by the gateway: so it is opened again.
    road.close('not now');
    this.#wait();
  }

  #wait() {
    const { clock, quiet } = this.options;
    this.#timer = clock.after(() => (quiet() ? this.#begin() : this.#wait()), WAIT_MS);
  }

  /** @param {Road} road */
  #take(road) {
    const { who, clock, onMove } = this.options;
    const session = new Session(road, { ...who(), ...DEAF, clock, onEnd: () => this.#again() }, (welcome) => {
      if (!welcome.resumed) return this.#again();
      this.#stopped = true;
      this.#session = null;
      onMove(session);
    });
    this.#session = session;
  }

  /** Comes to nothing this time. */
  #again() {
    this.#giveUp();
    this.options.clock.cancel(this.#timer);
    this.#later();
    this.options.onFailed();
  }

  #giveUp() {
    this.#look++;
    const session = this.#session;
    this.#session = null;
    session?.handTo(DEAF);
    session?.close('no longer needed');
  }
}
