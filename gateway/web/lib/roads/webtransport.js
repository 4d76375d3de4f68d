// The WebTransport road: one bidirectional stream for control, datagrams for voice.

import { COMES_BACK } from '../road.js';
import { FrameSplitter, join, STREAM_CONTROL } from '../wire/frames.js';

/** @typedef {import('../road.js').Road} Road */
/** @typedef {import('../road.js').RoadHandlers} RoadHandlers */

/** The default of 1 loses what comes while the worker decodes; a quarter of a second of one talker is enough. */
const INCOMING_DATAGRAMS = 64;
/** Voice older than that isn't worth its bytes (PROTOCOL.md, section 6). */
const OUTGOING_MAX_AGE_MS = 120;

/** @type {import('../road.js').OpenRoad} */
export async function openWebTransport({ url, hashes }, signal) {
  if (typeof WebTransport === 'undefined') throw new Error('this browser has no WebTransport');
  const transport = new WebTransport(url, {
    congestionControl: 'low-latency',
    requireUnreliable: true,
    ...(hashes.length > 0 && { serverCertificateHashes: hashes }),
  });
  // Settled again below; without this an early failure would be reported as unhandled.
  transport.closed.catch(() => {});
  try {
    await Promise.race([transport.ready, aborted(signal)]);
    const stream = await Promise.race([transport.createBidirectionalStream(), aborted(signal)]);
    return new WebTransportRoad(transport, stream);
  } catch (error) {
    transport.close();
    throw error;
  }
}

/** @implements {Road} */
class WebTransportRoad {
  /** @type {'webtransport'} */
  kind = 'webtransport';
  #closed = false;

  /**
   * @param {WebTransport} transport
   * @param {WebTransportBidirectionalStream} stream
   */
  constructor(transport, stream) {
    this.transport = transport;
    this.stream = stream;
    this.control = stream.writable.getWriter();
    /** @type {any} differs between browsers: `createWritable` is Safari's and the standard's, `writable` the others' */
    const datagrams = transport.datagrams;
    /** @type {WritableStreamDefaultWriter<Uint8Array>} */
    this.voice = (datagrams.createWritable?.() ?? datagrams.writable).getWriter();
    datagrams.incomingHighWaterMark = INCOMING_DATAGRAMS;
    datagrams.incomingMaxBufferedDatagrams = INCOMING_DATAGRAMS;
    datagrams.outgoingMaxAge = OUTGOING_MAX_AGE_MS;
    this.control.write(Uint8Array.of(STREAM_CONTROL)).catch(() => {});
  }

  /** @param {RoadHandlers} handlers */
  run(handlers) {
    /** @param {string} reason */
    const closed = (reason) => {
      if (this.#closed) return;
      this.#closed = true;
      handlers.onClose(reason);
    };
    // A server's close resolves `closed`, a lost connection rejects it: both are an end.
    this.transport.closed.then((info) => closed(info.reason || 'closed'), (error) => closed(String(error)));
    const splitter = new FrameSplitter();
    readAll(this.stream.readable, (chunk) => {
      for (const message of splitter.push(chunk)) handlers.onControl(message);
    }).then(() => closed('the control stream ended'), (error) => closed(String(error)));
    readAll(this.transport.datagrams.readable, handlers.onDatagram).catch(() => {});
  }

  /** @param {Uint8Array<ArrayBuffer>} message */
  sendControl(message) {
    this.control.write(join(message)).catch(() => {});
  }

  /** @param {Uint8Array<ArrayBuffer>} datagram */
  sendDatagram(datagram) {
    this.voice.write(datagram).catch(() => {});
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  async *openStream(bytes) {
    const { readable, writable } = await this.transport.createBidirectionalStream();
    const writer = writable.getWriter();
    writer.write(bytes).catch(() => {});
    writer.close().catch(() => {});
    const reader = readable.getReader();
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  /** @param {Uint8Array<ArrayBuffer>} first */
  openDuplex(first) {
    const opening = this.transport.createBidirectionalStream();
    const writing = opening.then(({ writable }) => writable.getWriter());
    const write = (/** @type {Uint8Array<ArrayBuffer>} */ bytes) => {
      writing.then((writer) => writer.write(bytes)).catch(() => {});
    };
    write(first);
    const close = () => { writing.then((writer) => writer.close()).catch(() => {}); };
    return { write, close, chunks: chunksOf(opening) };
  }

  /**
   * @param {string} reason
   * @param {boolean} [comesBack] by a code other than 0 its places are kept (PROTOCOL.md, section 3.6)
   */
  close(reason, comesBack = false) {
    this.#closed = true;
    try {
      this.transport.close({ closeCode: comesBack ? COMES_BACK : 0, reason });
    } catch {
      // Closed already: there is nobody to tell.
    }
  }
}

/** @param {Promise<WebTransportBidirectionalStream>} opening */
async function* chunksOf(opening) {
  const reader = (await opening).readable.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    yield /** @type {Uint8Array} */ (value);
  }
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {(chunk: Uint8Array) => void} take
 */
async function readAll(stream, take) {
  const reader = stream.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    take(value);
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
