// A microphone that can be opened before anybody knows where its voice goes: the newest of what it hears is kept until a
// press takes it.

/** In packets of 20 ms: as much as the gateway holds of voice that comes before its grant. */
export const MOST_KEPT = 15;

/** @typedef {import('./press-options.js').Microphone} Microphone */

/** @implements {Microphone} */
export class EarlyMicrophone {
  /** @type {Uint8Array[]} */
  #kept = [];
  /** Who takes what is heard. @type {((packet: Uint8Array) => void) | null} */
  #taker = null;
  #open = false;

  /** @param {Microphone} microphone */
  constructor(microphone) {
    this.microphone = microphone;
  }

  /** Hears from now on, unless a press does already. */
  begin() {
    if (this.#open) return;
    this.#open = true;
    this.#kept = [];
    this.microphone.start((packet) => this.#hear(packet));
  }

  /** Nobody took it. */
  giveUp() {
    if (this.#open && !this.#taker) this.stop();
  }

  /** @param {(packet: Uint8Array) => void} onPacket @param {number} [bitrate] unless it is open already */
  start(onPacket, bitrate) {
    this.#taker = onPacket;
    if (!this.#open) {
      this.#open = true;
      return this.microphone.start((packet) => this.#hear(packet), bitrate);
    }
    const kept = this.#kept;
    this.#kept = [];
    kept.forEach(onPacket);
  }

  async stop() {
    await this.microphone.stop();
    this.#open = false;
    this.#taker = null;
    this.#kept = [];
  }

  /** @param {Uint8Array} packet */
  #hear(packet) {
    if (this.#taker) return this.#taker(packet);
    this.#kept.push(packet);
    if (this.#kept.length > MOST_KEPT) this.#kept.shift();
  }
}
