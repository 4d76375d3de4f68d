// A replay stream (PROTOCOL.md, section 6.2): what is asked, and the answer, one message and then frames.

import { join } from './frames.js';
import { decode, MAX_DATAGRAM } from './voice.js';

/** First byte of a stream that carries a replay. */
export const STREAM_REPLAY = 3;
/** The answer names a talker. */
const MAX_HEAD = 65_536;

const utf8 = new TextEncoder();

/**
 * @typedef {{type: 'replaying', channel: number, live: boolean, frames: number, age_ms: number}
 *   & import('./messages.js').TalkerInfo} Replaying
 */

/**
 * What a client writes on the stream.
 * @param {number} channel
 * @param {number} [grant] that burst and no other
 */
export function replayRequest(channel, grant) {
  const json = JSON.stringify({ type: 'replay', channel, ...(grant !== undefined && { grant }) });
  const framed = join(utf8.encode(json));
  const bytes = new Uint8Array(1 + framed.length);
  bytes[0] = STREAM_REPLAY;
  bytes.set(framed, 1);
  return bytes;
}

/** Cuts what comes, in chunks of any size, into the answer and its frames. */
export class ReplayReader {
  #rest = new Uint8Array(0);
  /** @type {any} the first message: `replaying`, or `error` */
  head = null;

  /**
   * @param {Uint8Array} chunk
   * @returns {import('./voice.js').VoiceFrame[]} those that it completes
   */
  push(chunk) {
    const bytes = new Uint8Array(this.#rest.length + chunk.length);
    bytes.set(this.#rest);
    bytes.set(chunk, this.#rest.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    if (!this.head) {
      const length = bytes.length >= 4 ? view.getUint32(0) : 0;
      if (length > MAX_HEAD) throw new RangeError('the answer is too long');
      if (bytes.length < 4 || bytes.length < 4 + length) return this.#keep(bytes, []);
      at = 4 + length;
      this.head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, at)));
    }
    const frames = [];
    while (at + 2 <= bytes.length) {
      const end = at + 2 + view.getUint16(at);
      if (end - at - 2 > MAX_DATAGRAM) throw new RangeError('a frame is too long');
      if (end > bytes.length) break;
      frames.push(decode(bytes.subarray(at + 2, end)));
      at = end;
    }
    return this.#keep(bytes.slice(at), frames);
  }

  /**
   * @param {Uint8Array<ArrayBuffer>} rest
   * @param {import('./voice.js').VoiceFrame[]} frames
   */
  #keep(rest, frames) {
    this.#rest = rest;
    return frames;
  }
}
