// A datagram that is said again until there is an answer: on the control stream its message goes as well, but a packet that is
// lost there costs a probe timeout (PROTOCOL.md, sections 5.6 and 5.8).

/** The first ones follow each other so soon: of 10 % of loss each way every fifth asks in vain, and of four in a row one of 770. */
const SOON_MS = 5;
/** So many of them. */
const SOON = 4;
/** Between two further ones (TS 24.380, T20). */
const REPEAT_MS = 20;
/** At most (C20): not quite half a second, and then the stream has to do. */
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
    this.#timer = this.clock.after(() => this.start(), this.#left > REPEATS - SOON ? SOON_MS : REPEAT_MS);
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
