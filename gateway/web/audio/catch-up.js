// Gives back delay that a stall, or voice held for its grant, has left behind: where the talker pauses, a frame of
// silence is not played. Speech is never touched, and nothing is stretched. Pure.

/** Frames over which the buffer must have been too deep throughout: half a second. */
const WINDOW = 25;
/** Deeper than the target by more than that is too deep: one frame always waits for its turn. */
const SLACK_MS = 25;
/** −50 dBFS: breath between words, below what a loudspeaker in a street lets one hear. */
const SILENCE = 0.003;

export class CatchUp {
  #least = Infinity;
  #frames = 0;
  skipped = 0;

  reset() {
    this.#least = Infinity;
    this.#frames = 0;
  }

  /**
   * A frame was decoded: whether to leave it out.
   * @param {Float32Array} samples
   * @param {number} depthMs that waits behind it
   * @param {number} targetMs
   */
  skips(samples, depthMs, targetMs) {
    this.#least = Math.min(this.#least, depthMs);
    if (++this.#frames < WINDOW) return false;
    if (this.#least <= targetMs + SLACK_MS) {
      this.reset();
      return false;
    }
    if (!isSilent(samples)) return false;
    // The next one only after another window: one frame at a time is not heard.
    this.reset();
    this.skipped++;
    return true;
  }
}

/** @param {Float32Array} samples */
function isSilent(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return energy < SILENCE * SILENCE * samples.length;
}
