// Plays faster without a higher voice: now and then a stretch of the wave is left out where it repeats itself, and what is
// before and after it is faded into each other. Pure.

/** A period of a voice lies between these, in samples at 48 kHz: 400 Hz and 120 Hz; of a deeper one half is left out. */
const SHORTEST = 120;
const LONGEST = 400;
/** Samples faded, and compared. */
const FADE = 240;
/** Of each lag every so many samples are compared, and every so many lags: a tenth of the work, and as good. */
const STRIDE = 4;

export class Hasten {
  /** 1 leaves all as it is. */
  speed = 1;
  /** Samples that should have been left out by now. */
  #owed = 0;

  reset() {
    this.#owed = 0;
  }

  /**
   * @param {Float32Array<ArrayBuffer>} samples of one frame
   * @returns {Float32Array<ArrayBuffer>} as many, or fewer
   */
  shorten(samples) {
    if (this.speed <= 1) return samples;
    this.#owed += samples.length * (1 - 1 / this.speed);
    const longest = Math.min(LONGEST, samples.length - FADE);
    // Whatever the period is, it may be left out by then.
    if (longest < SHORTEST || this.#owed < longest) return samples;
    const lag = bestLag(samples, longest);
    this.#owed -= lag;
    const out = new Float32Array(samples.length - lag);
    for (let i = 0; i < out.length; i++) {
      const share = Math.min(1, i / FADE);
      out[i] = (i < FADE ? samples[i] * (1 - share) : 0) + samples[i + lag] * share;
    }
    return out;
  }
}

/**
 * After how many samples the wave is most like its beginning.
 * @param {Float32Array} samples
 * @param {number} longest
 */
function bestLag(samples, longest) {
  let [best, likest] = [longest, -Infinity];
  for (let lag = longest; lag >= SHORTEST; lag -= STRIDE) {
    let [product, energy] = [0, 1e-9];
    for (let i = 0; i < FADE; i += STRIDE) {
      product += samples[i] * samples[i + lag];
      energy += samples[i + lag] * samples[i + lag];
    }
    const likeness = product / Math.sqrt(energy);
    if (likeness > likest) [best, likest] = [lag, likeness];
  }
  return best;
}
