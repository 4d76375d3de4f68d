/** The JavaScript clients of three generations, in this process: `socket.io-client` 4.x, 3.x and 2.x (Engine.IO 3). */
import { io as io4 } from 'socket.io-client';
import io2 from 'socket.io-client-2';
import { io as io3 } from 'socket.io-client-3';
import { paced } from './pace.js';

/** @typedef {import('./client.js').Driver} Driver */

const generations = { js4: io4, js3: io3, js2: io2 };

/**
 * @param {keyof typeof generations} kind
 * @param {import('./recorder.js').Recorder} heard
 * @returns {Driver & {connection: () => import('node:net').Socket}} and the TCP connection beneath a WebSocket
 */
export function javascriptDriver(kind, heard) {
  /** @type {any} the three generations' types differ; what is used of them does not */
  let socket;
  return {
    connect({ url, namespace, transports, token, authMode, reconnect }) {
      const options = { transports, forceNew: true, reconnection: reconnect };
      const credentials = {
        auth: { auth: { token } },
        query: { query: { token } },
        none: {},
      }[authMode];
      const open = /** @type {any} */ (generations[kind]);
      socket = open(url + (namespace === '/' ? '' : namespace), { ...options, ...credentials });
      record(socket, heard);
      return outcome(socket);
    },

    emit(event, args, ack) {
      if (!ack) return Promise.resolve(void socket.emit(event, ...args));
      return new Promise((resolve) => socket.emit(event, ...args, resolve));
    },

    voice: (file, sizes, bytesPerSecond) =>
      paced(file, sizes, bytesPerSecond, (chunk) => socket.emit('voice_packet', chunk)),

    transport: async () => socket.io.engine.transport.name,

    connection: () => socket.io.engine.transport.ws._socket,

    async disconnect() {
      socket?.disconnect();
    },
  };
}

/** Every event; 2.x has no `onAny`, so the method that all three call is wrapped. */
function record(/** @type {any} */ socket, /** @type {import('./recorder.js').Recorder} */ heard) {
  const deliver = socket.onevent.bind(socket);
  socket.onevent = (/** @type {{data: any[]}} */ packet) => {
    const [name, ...args] = packet.data;
    heard.push({ name, args: args.map(toBuffer), at: performance.timeOrigin + performance.now() });
    deliver(packet);
  };
  socket.on('disconnect', (/** @type {string} */ reason) => {
    heard.push({ name: 'disconnect', args: [reason], at: Date.now() });
  });
}

/** @param {any} value */
function toBuffer(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

/** @returns {Promise<import('./client.js').Outcome>} */
function outcome(/** @type {any} */ socket) {
  return new Promise((resolve) => {
    const refused = (/** @type {any} */ error) => {
      const message = typeof error === 'string' ? error : (error?.message ?? JSON.stringify(error));
      // Of a road that broke, what it was answered.
      const road = error?.type === 'TransportError' ? ` (${error.description} ${error.context?.responseText ?? ''})` : '';
      resolve({ connected: false, message: message + road });
    };
    socket.on('connect', () => resolve({ connected: true, id: socket.id }));
    socket.on('connect_error', refused);
    // A refusal on a namespace reached 2.x under this name.
    socket.on('error', refused);
  });
}
