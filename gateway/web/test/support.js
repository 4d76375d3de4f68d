// What the tests share: bytes, a clock that they drive, randomness that they can repeat.

import { readFileSync } from 'node:fs';

/** @param {string} name of a file of golden vectors */
export function vectors(name) {
  return JSON.parse(readFileSync(new URL(`../../../proto/vectors/${name}.json`, import.meta.url), 'utf8'));
}

/** @param {string} hex */
export function bytes(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {Uint8Array} data */
export function hex(data) {
  return Buffer.from(data).toString('hex');
}

/**
 * Numbers from [0, 1), the same for the same seed (mulberry32).
 * @param {number} seed
 */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A clock that stands still until it is told. @implements {Clock} */
export class FakeClock {
  time = 1000;
  /** @type {{at: number, run: () => void}[]} */
  timers = [];
  now = () => this.time;

  /**
   * @param {() => void} run
   * @param {number} ms
   */
  after = (run, ms) => {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return timer;
  };

  /** @param {any} timer */
  cancel = (timer) => {
    this.timers = this.timers.filter((other) => other !== timer);
  };

  /**
   * Lets time go by, and what waits for promises happen in between.
   * @param {number} ms
   */
  async advance(ms) {
    const end = this.time + ms;
    await settle();
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.cancel(next);
      this.time = Math.max(this.time, next.at);
      next.run();
      await settle();
    }
    this.time = end;
  }
}

/** @typedef {import('../lib/clock.js').Clock} Clock */

/** Lets every promise that can be resolved be so. */
export function settle() {
  return new Promise((resolve) => { setImmediate(resolve); });
}

/** One Opus packet of 20 ms whose second byte says which. @param {number} number */
export function packet(number) {
  return Uint8Array.of(0x78, number & 0xff, (number >> 8) & 0xff);
}
