// The worker's end of the capture: samples from the worklet through an encoder to the press that asked for them.

import { BITRATE } from '../lib/uplink.js';
import { FRAME, VoiceEncoder } from './encoder.js';

/** The worklet answers within a block or two; when its context is suspended, never. */
const STOP_TIMEOUT_MS = 150;

/** @typedef {{press: number, samples: Float32Array<ArrayBuffer>, last: boolean, filled: number}} Captured */

export class WorkletMicrophone {
  /** @type {MessagePort | null} */
  #port = null;
  #press = 0;
  /** Made ahead: a press should not wait for it. */
  #spare;
  #encoder;
  /** @type {((silent: number) => void) | null} */
  #stopped = null;

  /** @param {(error: Error) => void} onError */
  constructor(onError) {
    this.onError = onError;
    this.#spare = new VoiceEncoder(onError);
    this.#encoder = this.#spare;
  }

  /** @param {MessagePort} port */
  attach(port) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#captured(data);
  }

  /** @param {(packet: Uint8Array) => void} onPacket @param {number} [bitrate] bits a second */
  start(onPacket, bitrate = BITRATE) {
    this.#encoder = this.#spare;
    if (bitrate !== BITRATE) this.#encoder.configure(bitrate);
    this.#encoder.onPacket = onPacket;
    this.#press++;
    this.#port?.postMessage({ start: this.#press });
  }

  async stop() {
    const stopped = new Promise((resolve) => {
      this.#stopped = resolve;
      setTimeout(resolve, STOP_TIMEOUT_MS, 0);
    });
    this.#port?.postMessage({ stop: this.#press });
    const silent = await stopped;
    this.#stopped = null;
    try {
      await this.#encoder.finish(silent);
    } catch (error) {
      this.onError(/** @type {Error} */ (error));
    }
    this.#spare = new VoiceEncoder(this.onError);
  }

  /** @param {Captured} captured */
  #captured({ press, samples, last, filled }) {
    if (press !== this.#press) return;
    try {
      this.#encoder.encode(samples);
    } catch (error) {
      this.onError(/** @type {Error} */ (error));
    }
    if (last) this.#stopped?.(FRAME - filled);
  }
}
