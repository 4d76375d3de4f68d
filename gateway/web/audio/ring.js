// What one talker still has to say at the playback: samples in, blocks out, without a click at any seam. Pure.

/** A second at 48 kHz: more than the jitter buffer's deepest. */
const CAPACITY = 48_000;
/** Length of every fade: 2.7 ms is short to the ear and long to a loudspeaker. */
const FADE = 128;

export class Ring {
  #samples = new Float32Array(CAPACITY);
  #read = 0;
  #write = 0;
  #last = 0;
  #primed = false;
  #ended = false;
  /** Output samples since sound began or came back; below FADE it is still faded in. */
  #rise = 0;
  /** How loud it is at this sample; it glides to where it is to be. */
  #gain = -1;
  /** Everything that was pushed since the talkspurt began. */
  received = 0;
  underruns = 0;

  /** Samples that wait. */
  get depth() {
    return this.#write - this.#read;
  }

  /** Whether the end was reached. */
  get done() {
    return this.#ended && this.depth === 0;
  }

  /** A new talkspurt: what is left of another one would delay it. */
  start() {
    this.#read = this.#write;
    this.#primed = false;
    this.#ended = false;
    this.received = 0;
  }

  /** Nothing more comes. */
  end() {
    this.#ended = true;
    const fade = Math.min(FADE, this.depth);
    for (let i = 1; i <= fade; i++) this.#samples[(this.#write - i) % CAPACITY] *= (i - 1) / fade;
  }

  /** @param {Float32Array} samples */
  push(samples) {
    for (let i = 0; i < samples.length; i++) this.#samples[(this.#write + i) % CAPACITY] = samples[i];
    this.#write += samples.length;
    this.#read = Math.max(this.#read, this.#write - CAPACITY);
    this.received += samples.length;
    this.#primed = true;
  }

  /**
   * Adds the next samples to `out`.
   * @param {Float32Array} out
   * @param {number} [gain] how loud it is to be
   */
  mixInto(out, gain = 1) {
    // A step would click; the first sample has nothing to click against.
    if (this.#gain < 0) this.#gain = gain;
    const here = Math.min(out.length, this.depth);
    for (let i = 0; i < here; i++) {
      const fade = this.#rise < FADE ? ++this.#rise / FADE : 1;
      this.#gain += (gain - this.#gain) / FADE;
      this.#last = this.#samples[(this.#read + i) % CAPACITY] * fade * this.#gain;
      out[i] += this.#last;
    }
    this.#read += here;
    if (here === out.length) return;
    if (this.#primed && !this.#ended && this.#rise > 0) this.underruns++;
    // From wherever the wave stood down to nothing, and up again when there is more.
    for (let i = here; i < out.length; i++) out[i] += this.#last * (1 - (i - here + 1) / (out.length - here));
    this.#last = 0;
    this.#rise = 0;
  }
}
