/** The signaling of the RTC contract by itself, without a browser and without media. */
import { once } from 'node:events';
import WebSocket from 'ws';
import { until, within } from '../wait.js';

/** @typedef {{type: string, data: any, id?: any, from?: string}} Frame */

export class RtcSocket {
  /** @param {string} url @param {object} [options] of the WebSocket */
  constructor(url, options) {
    this.socket = new WebSocket(url, options);
    /** @type {Frame[]} */
    this.frames = [];
    /** @type {number | undefined} */
    this.closed = undefined;
    this.lastId = 0;
    this.socket.on('message', (text) => this.frames.push(JSON.parse(String(text))));
    this.socket.on('close', (code) => (this.closed = code));
    this.socket.on('error', () => {});
  }

  /** @param {string} text */
  sendText(text) {
    this.socket.send(text);
  }

  /** @param {string} type @param {any} [data] */
  send(type, data) {
    this.sendText(JSON.stringify({ type, data }));
  }

  /** @param {string} type @param {any} [data] @returns {Promise<Frame>} */
  async ask(type, data) {
    const id = ++this.lastId;
    this.sendText(JSON.stringify({ type, data, id }));
    return until(`the answer to ${type}`, () => this.frames.find((frame) => frame.id === id));
  }

  /** @param {string} type @param {any} [data] @returns {Promise<string>} the error's code */
  async refused(type, data) {
    const { type: kind, data: answer } = await this.ask(type, data);
    if (kind !== 'error') throw new Error(`${type} was not refused: ${JSON.stringify(answer)}`);
    return answer.code;
  }

  /** @param {string} type @returns {Promise<Frame>} the first of this type, once it has come; it is taken out */
  async next(type) {
    const frame = await until(`a frame ${type}`, () => this.frames.find((frame) => frame.type === type));
    this.frames.splice(this.frames.indexOf(frame), 1);
    return frame;
  }

  /** @returns {Promise<number>} the code by which the server closes */
  end() {
    return until('the socket to be closed', () => this.closed);
  }

  async close() {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.close();
    await within('closing', once(this.socket, 'close'), 5000);
  }
}

/**
 * Connects with this query, until the test ends.
 * @param {import('node:test').TestContext} t @param {import('../server.js').Server} server
 * @param {Record<string, string>} query @param {object} [options] of the WebSocket
 */
export function rtcSocket(t, server, query, options) {
  const url = `${server.legacyUrl.replace('http', 'ws')}/rtc/ws?${new URLSearchParams(query)}`;
  const socket = new RtcSocket(url, options);
  t.after(() => socket.socket.terminate());
  return socket;
}

/**
 * Logs a user in, with a token of its own.
 * @param {import('node:test').TestContext} t @param {import('../server.js').Server} server
 * @param {string} user @param {string} channel @param {string[]} [channels] rights as in `suara token`
 */
export async function rtcUser(t, server, user, channel, channels) {
  const token = await server.token({ user, name: `${user} Wijaya`, channels });
  const socket = rtcSocket(t, server, { token, channel });
  return { socket, welcome: (await socket.next('welcome')).data };
}
