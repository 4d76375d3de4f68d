// What a press saw of its burst, for the report of it (PROTOCOL.md, section 6.4).

/** How long a packet sounds. */
const FRAME_MS = 20;

export class Said {
  /** Whether the request was in the queue: what is measured is the way, not other people's talk. */
  waited = false;
  #at = -1;
  /** @type {number | null} */
  #grantedAt = null;
  #pressedAt;
  #timestamp;

  /**
   * @param {number} pressedAt
   * @param {number} timestamp of the first sample
   */
  constructor(pressedAt, timestamp) {
    this.#pressedAt = pressedAt;
    this.#timestamp = timestamp;
  }

  /** A packet was captured: it is whole when its last sample is. @param {number} now */
  packet(now) {
    if (this.#at < 0) this.#at = now - FRAME_MS;
  }

  /** @param {number} now */
  granted(now) {
    this.#grantedAt ??= now;
  }

  /**
   * @param {number} grant
   * @returns {import('./reports.js').SaidBurst | null} when nothing was said
   */
  burst(grant) {
    if (this.#at < 0) return null;
    return { pressedAt: this.#pressedAt, grantedAt: this.waited ? null : this.#grantedAt, at: this.#at, timestamp: this.#timestamp, grant };
  }
}
