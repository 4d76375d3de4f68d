// What is heard in place of a frame that didn't come: the last pitch periods again, ever softer. Pure.

/** 20 ms at 48 kHz. */
const FRAME = 960;
/** Voices from 70 to 400 Hz. */
const SHORTEST = 120;
const LONGEST = 686;
/** Over how much a good frame is blended with what concealment would have gone on with. */
const BLEND = 240;
/** Where a voice glides, a period doesn't begin where the last one ended: what is between is led to nothing in 2 ms. */
const SEAM = 96;
/** Gain at the end of each concealed frame in a row: after 60 ms of guessing, silence is more honest. */
const FADE = [1, 0.7, 0.3, 0];

export class Concealer {
  #history = new Float32Array(2 * LONGEST + SHORTEST);
  #filled = 0;
  /** Concealed frames since the last good one. */
  #run = 0;
  #period = 0;
  #phase = 0;

  reset() {
    this.#filled = 0;
    this.#run = 0;
  }

  /**
   * A decoded frame passes through, blended after a loss.
   * @param {Float32Array<ArrayBuffer>} samples changed in place
   */
  good(samples) {
    if (this.#run > 0) {
      const gain = this.#gain(this.#run);
      const blend = Math.min(BLEND, samples.length);
      for (let i = 0; i < blend; i++) {
        const weight = i / blend;
        samples[i] = samples[i] * weight + this.#next() * gain * (1 - weight);
      }
      this.#run = 0;
    }
    this.#remember(samples);
    return samples;
  }

  /** 20 ms for a frame that is missing. */
  lost() {
    const out = new Float32Array(FRAME);
    let step = 0;
    if (this.#run === 0) {
      this.#period = this.#pitch();
      this.#phase = 0;
      step = this.#step();
    }
    const from = this.#gain(this.#run);
    const to = this.#gain(++this.#run);
    if (from === 0 || this.#period === 0) return out;
    for (let i = 0; i < FRAME; i++) out[i] = this.#next() * (from + ((to - from) * i) / FRAME);
    for (let i = 0; i < SEAM; i++) out[i] += step * (1 - i / SEAM);
    return out;
  }

  /** @param {number} run */
  #gain(run) {
    return FADE[Math.min(run, FADE.length - 1)];
  }

  /** How far the end of what was heard is from the end of the period before it. */
  #step() {
    const end = this.#history.length - 1;
    return this.#period > 0 ? this.#history[end] - this.#history[end - this.#period] : 0;
  }

  /** The last period over and over. */
  #next() {
    const start = this.#history.length - this.#period;
    const sample = this.#period > 0 ? this.#history[start + this.#phase] : 0;
    this.#phase = (this.#phase + 1) % Math.max(1, this.#period);
    return sample;
  }

  /** @param {Float32Array} samples */
  #remember(samples) {
    const keep = samples.subarray(-this.#history.length);
    this.#history.copyWithin(0, keep.length);
    this.#history.set(keep, this.#history.length - keep.length);
    this.#filled = Math.min(this.#history.length, this.#filled + keep.length);
  }

  /** The shift at which the end of the history is most like what came before it; 0 without a history. */
  #pitch() {
    const end = this.#history.length;
    if (this.#filled < end) return 0;
    let best = LONGEST;
    let likeness = -Infinity;
    // Every second lag and fourth sample: near enough for 60 ms, and a fraction of the work.
    for (let lag = SHORTEST; lag <= LONGEST; lag += 2) {
      let product = 0;
      let energy = 1e-9;
      for (let i = end - LONGEST; i < end; i += 4) {
        product += this.#history[i] * this.#history[i - lag];
        energy += this.#history[i - lag] ** 2;
      }
      const score = product / Math.sqrt(energy);
      if (score > likeness) [likeness, best] = [score, lag];
    }
    return best;
  }
}
