// Framing of a stream (PROTOCOL.md, section 3.2): a 32-bit length, then so many bytes of JSON. Incomplete is not
// malformed: what isn't there yet is waited for.

/** First byte of a stream that carries control messages. */
export const STREAM_CONTROL = 1;

/** A message from the gateway in bytes, at most: a roster of 10 000 members with long names fits. */
export const MAX_SERVER_MESSAGE = 16 * 1024 * 1024;

const LENGTH_LEN = 4;

/** A length that no message has; the stream is beyond repair. */
export class FrameError extends Error {
  /** @param {'empty' | 'too_long'} fault */
  constructor(fault) {
    super(`bad message length: ${fault}`);
    this.fault = fault;
  }
}

/**
 * Puts the length in front of a message.
 * @param {Uint8Array} message
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function join(message) {
  const framed = new Uint8Array(LENGTH_LEN + message.length);
  new DataView(framed.buffer).setUint32(0, message.length);
  framed.set(message, LENGTH_LEN);
  return framed;
}

/** Cuts a stream, which comes in chunks of any size, into messages. */
export class FrameSplitter {
  /** @param {number} [limit] */
  constructor(limit = MAX_SERVER_MESSAGE) {
    this.limit = limit;
    this.buffer = new Uint8Array(4096);
    this.filled = 0;
  }

  /**
   * Takes a chunk and yields each message that it completes.
   * @param {Uint8Array} chunk
   * @returns {Generator<Uint8Array<ArrayBuffer>>}
   */
  *push(chunk) {
    this.#append(chunk);
    let at = 0;
    try {
      for (;;) {
        const message = this.#at(at);
        if (!message) return;
        at += LENGTH_LEN + message.length;
        yield message;
      }
    } finally {
      this.buffer.copyWithin(0, at, this.filled);
      this.filled -= at;
    }
  }

  /** @param {number} at */
  #at(at) {
    if (this.filled - at < LENGTH_LEN) return undefined;
    const length = new DataView(this.buffer.buffer).getUint32(at);
    if (length === 0) throw new FrameError('empty');
    if (length > this.limit) throw new FrameError('too_long');
    const end = at + LENGTH_LEN + length;
    return end <= this.filled ? this.buffer.slice(at + LENGTH_LEN, end) : undefined;
  }

  /** @param {Uint8Array} chunk */
  #append(chunk) {
    const needed = this.filled + chunk.length;
    if (needed > this.buffer.length) {
      // Doubling, so that a large roster in small chunks is not copied once per chunk.
      const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2));
      grown.set(this.buffer.subarray(0, this.filled));
      this.buffer = grown;
    }
    this.buffer.set(chunk, this.filled);
    this.filled = needed;
  }
}
