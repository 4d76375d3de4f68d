// What time it is at the gateway: asked by datagram, as NTP asks; of the last answers the fastest is believed. Pure but for
// what it sends.

import { ClockError, decodeClock, encodeClock } from './wire/clock.js';

/** Answers that are remembered. */
const REMEMBERED = 8;
/** So many questions follow each other fast in the beginning. */
const EAGER = 4;
const EAGER_MS = 250;
const EVERY_MS = 2000;

export class GatewayClock {
  /** @type {{rtt: number, offset: number}[]} */
  #answers = [];
  /** When which question was sent. @type {Map<string, number>} */
  #asked = new Map();
  #count = 0;
  #next = -Infinity;

  /** The best answer's round trip in ms; Infinity before there is any. */
  get rttMs() {
    return Math.min(Infinity, ...this.#answers.map(({ rtt }) => rtt));
  }

  /**
   * Asks, if it is time to.
   * @param {number} now
   * @param {(bytes: Uint8Array<ArrayBuffer>) => void} send
   */
  tick(now, send) {
    if (now < this.#next) return;
    this.#next = now + (++this.#count <= EAGER ? EAGER_MS : EVERY_MS);
    const echo = this.#count.toString(16).padStart(16, '0');
    this.#asked.set(echo, now);
    if (this.#asked.size > REMEMBERED) this.#asked.delete(this.#asked.keys().next().value ?? '');
    send(encodeClock({ subtype: 'ask', echo }));
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} now
   */
  answer(bytes, now) {
    let told;
    try {
      told = decodeClock(bytes);
    } catch (error) {
      if (error instanceof ClockError) return;
      throw error;
    }
    const asked = this.#asked.get(told.echo);
    if (asked === undefined || told.subtype !== 'tell') return;
    this.#asked.delete(told.echo);
    const rtt = now - asked;
    this.#answers.push({ rtt, offset: told.time_us / 1000 - (asked + rtt / 2) });
    if (this.#answers.length > REMEMBERED) this.#answers.shift();
  }

  /**
   * A moment of ours in microseconds of the gateway's; null as long as that isn't known.
   * @param {number} ms
   */
  at(ms) {
    const rtt = this.rttMs;
    const best = this.#answers.find((answer) => answer.rtt === rtt);
    return best ? Math.max(0, Math.round((ms + best.offset) * 1000)) : null;
  }
}
