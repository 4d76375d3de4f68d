// The WebSocket road, where UDP is blocked: streams and datagrams as messages of one TCP connection.

import { FrameSplitter, join, STREAM_CONTROL } from '../wire/frames.js';
import { COMES_BACK } from '../road.js';
import { CONTROL, readPiece, SUBPROTOCOL, writePiece } from '../wire/pieces.js';

/** @typedef {import('../road.js').Road} Road */
/** @typedef {import('../road.js').RoadHandlers} RoadHandlers */

/** A WebSocket's codes are the protocol's and so many more (PROTOCOL.md, section 8.1). */
const CLOSE_BASE = 4000;
/** Voice older than that isn't worth its bytes (PROTOCOL.md, section 6). */
const OUTGOING_MAX_AGE_MS = 120;

/** @type {import('../road.js').OpenRoad} */
export function openWebSocket({ websocket }, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted || !websocket) return reject(signal.reason ?? new Error('the gateway has no WebSocket'));
    const socket = new WebSocket(websocket, SUBPROTOCOL);
    const aborted = () => {
      reject(signal.reason);
      socket.close();
    };
    signal.addEventListener('abort', aborted, { once: true });
    socket.onopen = () => {
      signal.removeEventListener('abort', aborted);
      resolve(new WebSocketRoad(socket, () => performance.now()));
    };
    socket.onclose = () => {
      signal.removeEventListener('abort', aborted);
      reject(new Error('the WebSocket was refused'));
    };
  });
}

/** Numbers of streams besides the control stream. */
const FIRST_STREAM = 2;
const LAST_STREAM = 255;
/** A message from a client has 65 542 bytes at most (PROTOCOL.md, section 3.5). */
const MAX_PIECE = 65_536;

/** @implements {Road} */
export class WebSocketRoad {
  /** @type {'websocket'} */
  kind = 'websocket';
  #closed = false;
  #opened = false;
  /** Since when the browser holds something back; -1 while it doesn't. */
  #stalledAt = -1;
  /** Streams besides the control stream, by number; who reads them is told of each piece. @type {Map<number, (piece: Uint8Array | null) => void>} */
  #streams = new Map();
  /** Frames that were not sent because those before them weren't. */
  stale = 0;

  /**
   * @param {WebSocket} socket that is open
   * @param {() => number} now
   */
  constructor(socket, now) {
    this.socket = socket;
    this.now = now;
    socket.binaryType = 'arraybuffer';
  }

  /** @param {RoadHandlers} handlers */
  run(handlers) {
    const splitter = new FrameSplitter();
    /** @param {string} reason */
    const closed = (reason) => {
      if (this.#closed) return;
      this.#closed = true;
      this.socket.close();
      for (const take of this.#streams.values()) take(null);
      handlers.onClose(reason);
    };
    this.socket.onclose = ({ reason, code }) => closed(reason || `closed (${code})`);
    this.socket.onmessage = ({ data }) => {
      const carried = !this.#closed && data instanceof ArrayBuffer ? readPiece(new Uint8Array(data)) : null;
      if (!carried) return;
      if ('datagram' in carried) return handlers.onDatagram(carried.datagram);
      if (carried.stream !== CONTROL) return this.#streams.get(carried.stream)?.(carried.piece);
      if (carried.piece.length === 0) return closed('the control stream ended');
      try {
        for (const whole of splitter.push(carried.piece)) handlers.onControl(whole);
      } catch (error) {
        closed(String(error));
      }
    };
  }

  /** @param {Uint8Array<ArrayBuffer>} message */
  sendControl(message) {
    if (!this.#opened) this.#send({ stream: CONTROL, piece: Uint8Array.of(STREAM_CONTROL) });
    this.#opened = true;
    this.#send({ stream: CONTROL, piece: join(message) });
  }

  /** @param {Uint8Array<ArrayBuffer>} datagram */
  sendDatagram(datagram) {
    if (this.#isStalled()) this.stale++;
    else this.#send({ datagram });
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  async *openStream(bytes) {
    const { number, chunks } = this.#stream();
    this.#send({ stream: number, piece: bytes });
    this.#send({ stream: number, piece: new Uint8Array(0) });
    yield* chunks;
  }

  /** @param {Uint8Array<ArrayBuffer>} first */
  openDuplex(first) {
    const { number, chunks } = this.#stream();
    const write = (/** @type {Uint8Array<ArrayBuffer>} */ bytes) => {
      for (let at = 0; at < bytes.length; at += MAX_PIECE) {
        this.#send({ stream: number, piece: bytes.subarray(at, at + MAX_PIECE) });
      }
    };
    write(first);
    return { write, close: () => this.#send({ stream: number, piece: new Uint8Array(0) }), chunks };
  }

  /** A stream's number, taken from now on, and what comes on it. */
  #stream() {
    let number = FIRST_STREAM;
    while (this.#streams.has(number)) number++;
    if (this.#closed || number > LAST_STREAM) throw new Error('no stream can be opened');
    return { number, chunks: this.#chunks(number) };
  }

  /** @param {number} number */
  #chunks(number) {
    /** @type {(Uint8Array | null)[]} */
    const come = [];
    let wake = () => {};
    let isRead = true;
    // Its number stays taken until the gateway has ended it, whether anybody still reads or not.
    this.#streams.set(number, (piece) => {
      if (!piece?.length) this.#streams.delete(number);
      if (isRead) come.push(piece?.length ? piece.slice() : null);
      wake();
    });
    return (async function* () {
      try {
        for (;;) {
          while (come.length === 0) await new Promise((resolve) => { wake = () => resolve(undefined); });
          const piece = come.shift();
          if (!piece) return;
          yield piece;
        }
      } finally {
        isRead = false;
      }
    })();
  }

  /**
   * @param {string} [_reason]
   * @param {boolean} [comesBack] by a code of the protocol's own its places are kept (PROTOCOL.md, section 3.6)
   */
  close(_reason, comesBack = false) {
    this.#closed = true;
    for (const take of this.#streams.values()) take(null);
    this.socket.close(comesBack ? CLOSE_BASE + COMES_BACK : 1000);
  }

  /** TCP keeps what it is given, however old it gets: so it is given nothing while it holds something back for long. */
  #isStalled() {
    if (this.socket.bufferedAmount === 0) {
      this.#stalledAt = -1;
      return false;
    }
    if (this.#stalledAt < 0) this.#stalledAt = this.now();
    return this.now() - this.#stalledAt > OUTGOING_MAX_AGE_MS;
  }

  /** @param {import('../wire/pieces.js').Carried} carried */
  #send(carried) {
    if (!this.#closed) this.socket.send(writePiece(carried));
  }
}
