// When a burst began to be heard here, and with what: for its report. Pure.

/** Ticks of the frames that redundancy carries: ours are of 20 ms. */
const FRAME_TICKS = 960;
/** Packets that may be the first to be played: what a jitter buffer holds before it begins. */
const MOST = 64;

export class FirstSound {
  /** @type {Map<Uint8Array, number>} */
  #timestamps = new Map();
  #grant = -1;
  /** @type {number | null} */
  #timestamp = null;
  #at = -1;

  /** @param {number} grant */
  start(grant) {
    this.#grant = grant;
    this.#timestamps.clear();
    this.#timestamp = null;
    this.#at = -1;
  }

  /** A frame that waits to be played. @param {import('../lib/wire/voice.js').VoiceFrame} frame */
  note({ redundant, packet, timestamp }) {
    if (this.#timestamp !== null || this.#timestamps.size > MOST) return;
    [...redundant, packet].forEach((one, i) => {
      this.#timestamps.set(one, (timestamp - (redundant.length - i) * FRAME_TICKS) >>> 0);
    });
  }

  /** A packet goes to the decoder. @param {Uint8Array} packet */
  decoding(packet) {
    if (this.#timestamp === null) this.#timestamp = this.#timestamps.get(packet) ?? null;
    this.#timestamps.clear();
  }

  /** Decoded sound leaves for the loudspeaker. @param {number} at */
  leaves(at) {
    if (this.#at < 0) this.#at = at;
  }

  /** What to report; null when nothing was heard. */
  get heard() {
    if (this.#timestamp === null || this.#at < 0) return null;
    return { grant: this.#grant, at: this.#at, timestamp: this.#timestamp };
  }
}
