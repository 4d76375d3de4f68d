// A datagram that is said again until there is an answer: on the control stream its message goes as well, but a packet that is
// lost there costs a probe timeout (PROTOCOL.md, sections 5.6 and 5.8).

/** Between the first two: of 5 % of loss each way every tenth needs the second. */
const SOON_MS = 10;
/** Between two further ones. */
const REPEAT_MS = 20;
/** At most (TS 24.380, T20 and C20): half a second, and then the stream has to do. */
export const REPEATS = 25;

export class Repeats {
  #left = REPEATS;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {import('./clock.js').Clock} clock
   * @param {import('./session.js').Session} session
   * @param {Uint8Array<ArrayBuffer>} datagram
   */
  constructor(clock, session, datagram) {
    this.clock = clock;
    this.session = session;
    this.datagram = datagram;
  }

  /** Says it the first time now. */
  start() {
    if (this.#left-- <= 0) return;
    this.session.sendDatagram(this.datagram);
    this.#timer = this.clock.after(() => this.start(), this.#left === REPEATS - 1 ? SOON_MS : REPEAT_MS);
  }

  /** Says it the first time in a moment: behind what is said on the stream right now. */
  startBehind() {
    this.#timer = this.clock.after(() => this.start(), 0);
  }

  /** There was an answer, or none is wanted any more. */
  stop() {
    this.clock.cancel(this.#timer);
    this.#left = 0;
  }
}
