// How deep a jitter buffer should be: the 95th percentile of how late frames come, and a repair beyond it where frames are
// repaired, learnt over talkspurts, changed between them. Pure.

import { TICKS_PER_MS } from './wire/opus.js';

/** Before anything is known. */
export const START_MS = 60;
/** Who enters in the middle of a talkspurt waits for so long only: it has missed enough, and its first underrun adds what was
 * too little. */
export const ENTRY_MS = 10;
/** Lower would turn a scheduler's hiccup into a gap. */
export const SHALLOWEST_MS = 40;
/** Higher would be most of a mouth-to-ear budget; what jitters more than that is concealed. */
export const DEEPEST_MS = 240;
/** A frame that is lost comes with the next one or the one after it, to the gateway and to us, and its lateness counts like any
 * other's. Where that is what makes the latest frames late, one frame's length beyond the percentile is waited for: what is
 * later still was lost twice, and is concealed rather than paid for by every word's delay. */
const REPAIR_MS = 20;
/** On top of the percentile: the playback asks in steps, and a little ahead. */
const MARGIN_MS = 30;
/** Less than that is no reason to change. */
const HYSTERESIS_MS = 15;
/** One talkspurt lowers the target by so much at most: a short quiet one proves little. */
const STEP_DOWN_MS = 20;
/** Frames remembered: ten seconds of talk. */
const WINDOW = 500;
/** Fewer than these say nothing. */
const ENOUGH = 25;

export class DelayTarget {
  targetMs = START_MS;
  /** @type {number[]} a ring */
  #late = [];
  #at = 0;
  /** Of this talkspurt: the least transit so far, and the first frame's timestamp. */
  #least = Infinity;
  #firstTimestamp = 0;

  /**
   * A frame came. How late is measured against the fastest one *before* it: a burst that was held for the grant and
   * then sent at once comes ever earlier, which costs the listener nothing and must not look like jitter.
   * @param {number} timestamp 48 kHz, wraps
   * @param {number} now
   */
  arrived(timestamp, now) {
    if (this.#least === Infinity) this.#firstTimestamp = timestamp;
    const transit = now - ((timestamp - this.#firstTimestamp) | 0) / TICKS_PER_MS;
    this.#least = Math.min(this.#least, transit);
    this.#late[this.#at++ % WINDOW] = transit - this.#least;
  }

  /** Between two talkspurts: the one moment at which the target may change. */
  newTalkspurt() {
    this.#least = Infinity;
    if (this.#late.length < ENOUGH) return;
    const sorted = [...this.#late].sort((a, b) => a - b);
    const at = (/** @type {number} */ share) => sorted[Math.floor(sorted.length * share)];
    const wanted = Math.min(at(0.99), at(0.95) + REPAIR_MS) + MARGIN_MS;
    const change = wanted - this.targetMs;
    if (Math.abs(change) < HYSTERESIS_MS) return;
    const target = this.targetMs + Math.max(change, -STEP_DOWN_MS);
    this.targetMs = Math.min(DEEPEST_MS, Math.max(SHALLOWEST_MS, target));
  }
}
