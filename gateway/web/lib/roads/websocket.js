// The WebSocket road (PROTOCOL.md, section 3.5): a byte that says which stream or that it is a datagram, and the rest.

import { FrameSplitter, join, STREAM_CONTROL } from '../wire/frames.js';

/** @typedef {import('../road.js').Road} Road */
/** @typedef {import('../road.js').RoadHandlers} RoadHandlers */

const SUBPROTOCOL = 'suara.1';
const DATAGRAM = 0;
const CONTROL = 1;
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

/** @implements {Road} */
export class WebSocketRoad {
  /** @type {'websocket'} */
  kind = 'websocket';
  #closed = false;
  #opened = false;
  /** Since when the browser holds something back; -1 while it doesn't. */
  #stalledAt = -1;
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
      handlers.onClose(reason);
    };
    this.socket.onclose = ({ reason, code }) => closed(reason || `closed (${code})`);
    this.socket.onmessage = ({ data }) => {
      if (this.#closed || !(data instanceof ArrayBuffer) || data.byteLength === 0) return;
      const message = new Uint8Array(data);
      const rest = message.subarray(1);
      if (message[0] === DATAGRAM) return handlers.onDatagram(rest);
      if (message[0] !== CONTROL) return;
      if (rest.length === 0) return closed('the control stream ended');
      try {
        for (const whole of splitter.push(rest)) handlers.onControl(whole);
      } catch (error) {
        closed(String(error));
      }
    };
  }

  /** @param {Uint8Array<ArrayBuffer>} message */
  sendControl(message) {
    const head = this.#opened ? [CONTROL] : [CONTROL, STREAM_CONTROL];
    this.#opened = true;
    this.#send(head, join(message));
  }

  /** @param {Uint8Array<ArrayBuffer>} datagram */
  sendDatagram(datagram) {
    if (this.#isStalled()) this.stale++;
    else this.#send([DATAGRAM], datagram);
  }

  close() {
    this.#closed = true;
    this.socket.close(1000);
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

  /**
   * @param {number[]} head
   * @param {Uint8Array} rest
   */
  #send(head, rest) {
    if (this.#closed) return;
    const message = new Uint8Array(head.length + rest.length);
    message.set(head);
    message.set(rest, head.length);
    this.socket.send(message);
  }
}
