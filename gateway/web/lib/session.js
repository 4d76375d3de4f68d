// One session on one road (PROTOCOL.md, section 3): hello and welcome, signs of life, requests and their answers, the
// end. Knows no channel and no floor.

import { Reporter } from './reception.js';
import { RequestError } from './request-error.js';
import { Uplink } from './uplink.js';
import { encodeMessage, decodeMessage, PROTOCOL_VERSION } from './wire/messages.js';

export { RequestError, unlessJoined } from './request-error.js';

/**
 * @typedef {import('./wire/messages.js').ServerMessage} ServerMessage
 * @typedef {import('./wire/messages.js').ClientMessage} ClientMessage
 * @typedef {import('./wire/messages.js').Welcome} Welcome
 * @typedef {import('./road.js').Road} Road
 *
 * @typedef {object} SessionEnd why a session is over
 * @property {string} code of PROTOCOL.md 8.1, or `lost`
 * @property {string} reason
 * @property {number} [retryAfterMs]
 *
 * @typedef {object} SessionOptions
 * @property {string} token
 * @property {string} client name and version, for the operator
 * @property {string} [resume] from the last welcome: to take that session's place (PROTOCOL.md, section 3.6)
 * @property {import('./clock.js').Clock} clock
 * @property {(message: ServerMessage) => void} onMessage whatever concerns channels, in order
 * @property {(bytes: Uint8Array) => void} onDatagram
 * @property {() => void} [onCaughtUp] once: whatever the gateway has to say of what was resumed is said
 * @property {(end: SessionEnd) => void} onEnd once
 */

/** From `hello` to `welcome`. The gateway's own check of a token may ask another machine. */
const WELCOME_TIMEOUT_MS = 10_000;
/** A request that takes longer is answered by nobody. */
const ANSWER_TIMEOUT_MS = 10_000;

/** Voice that overtakes the welcome of a resumed session: a fifth of a second of one talker. */
const MAX_EARLY = 10;

/** For a session whose end is one's own wish. */
export const DEAF = { onMessage: () => {}, onDatagram: () => {}, onEnd: () => {} };

export class Session {
  #request = 0;
  /** @type {Map<number, {resolve: (message: any) => void, reject: (error: Error) => void, timer: unknown}>} */
  #pending = new Map();
  /** @type {Map<number, number>} when which ping was sent */
  #pings = new Map();
  #nonce = 0;
  /** Datagrams that came before the welcome. @type {Uint8Array[]} */
  #early = [];
  #caughtUp = false;
  #heardAt;
  #over = false;
  /** @type {unknown} */
  #timer;
  /** @type {Welcome | null} */
  welcome = null;
  /** What this path loses of what is heard. */
  reporter = new Reporter();
  /** And what goes along with what is said. */
  uplink = new Uplink();

  /**
   * @param {Road} road
   * @param {SessionOptions} options
   * @param {(welcome: Welcome) => void} onWelcome
   */
  constructor(road, options, onWelcome) {
    this.road = road;
    this.options = options;
    this.onWelcome = onWelcome;
    this.#heardAt = options.clock.now();
    this.#timer = options.clock.after(() => this.#end({ code: 'lost', reason: 'no welcome' }), WELCOME_TIMEOUT_MS);
    road.run({
      onControl: (bytes) => this.#control(bytes),
      onDatagram: (bytes) => {
        this.#heardAt = options.clock.now();
        if (this.welcome) this.options.onDatagram(bytes);
        else if (this.options.resume && this.#early.length < MAX_EARLY) this.#early.push(bytes.slice());
      },
      onClose: (reason) => this.#end({ code: 'lost', reason }),
    });
    const { token, client, resume = '' } = options;
    this.send({ type: 'hello', version: PROTOCOL_VERSION, token, client, resume, calls: true });
  }

  /**
   * From now on others take what comes.
   * @param {Pick<SessionOptions, 'onMessage' | 'onDatagram' | 'onEnd' | 'onCaughtUp'>} handlers
   */
  handTo(handlers) {
    this.options = { ...this.options, ...handlers };
  }

  /** The newest number of a request. */
  get requests() {
    return this.#request;
  }

  /** A session that resumes another counts on from there: a number stands for one request. @param {number} requests */
  countFrom(requests) {
    this.#request = Math.max(this.#request, requests);
  }

  /** Whether an answer is waited for. */
  get asks() {
    return this.#pending.size > 0;
  }

  /** @param {ClientMessage} message */
  send(message) {
    if (!this.#over) this.road.sendControl(encodeMessage(message));
  }

  /** @param {Uint8Array<ArrayBuffer>} bytes */
  sendDatagram(bytes) {
    if (!this.#over) this.road.sendDatagram(bytes);
  }

  nextRequest() {
    this.#request = (this.#request + 1) >>> 0;
    return this.#request;
  }

  /**
   * Sends what `make` makes of a fresh request number, and waits for the answer.
   * @param {(request: number) => ClientMessage} make
   * @returns {Promise<any>}
   */
  ask(make) {
    const request = this.nextRequest();
    return new Promise((resolve, reject) => {
      if (this.#over) return reject(new RequestError('lost'));
      const late = () => this.#settle(request)?.reject(new RequestError('timeout'));
      this.#pending.set(request, { resolve, reject, timer: this.options.clock.after(late, ANSWER_TIMEOUT_MS) });
      this.send(make(request));
    });
  }

  /**
   * Leaves. What the road still holds is of no interest.
   * @param {string} reason
   * @param {string} [code] what `onEnd` is told
   */
  close(reason, code = 'normal') {
    this.#end({ code, reason });
  }

  /** @param {Uint8Array} bytes */
  #control(bytes) {
    this.#heardAt = this.options.clock.now();
    if (this.#over) return;
    let message;
    try {
      message = decodeMessage(bytes);
    } catch {
      // The next one can still be told apart: the framing is the stream's.
      return;
    }
    if (message) this.#take(message);
  }

  /** @param {ServerMessage} message */
  #take(message) {
    if (message.type === 'welcome') return this.#welcomed(message);
    if (message.type === 'pong') return this.#pong(message.nonce);
    if (message.type === 'closing') {
      const { code, reason, retry_after_ms: retryAfterMs } = message;
      return this.#end({ code, reason, retryAfterMs: retryAfterMs ?? undefined });
    }
    const pending = 'request' in message && typeof message.request === 'number' && this.#settle(message.request);
    if (message.type === 'error' && pending) return pending.reject(new RequestError(message.code, message.message));
    // Answers too, and before their promises: `joined` must be known when the roster's delta right behind it is read.
    this.options.onMessage(message);
    if (pending) pending.resolve(message);
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    this.options.clock.cancel(this.#timer);
    this.welcome = welcome;
    this.onWelcome(welcome);
    for (const bytes of this.#early.splice(0)) this.options.onDatagram(bytes);
    this.#beat();
  }

  /** A ping at each heartbeat, needed or not: it measures the round trip too. */
  #beat() {
    const { clock } = this.options;
    if (!this.welcome || this.#over) return;
    const now = clock.now();
    // Timers stop while a laptop sleeps: what was alive before is dead now, and is told so at once.
    if (now - this.#heardAt >= this.welcome.idle_timeout_ms) {
      return this.#end({ code: 'lost', reason: 'nothing heard for too long' });
    }
    this.#nonce = (this.#nonce + 1) >>> 0;
    this.#pings.set(this.#nonce, now);
    if (this.#pings.size > 8) this.#pings.delete(this.#pings.keys().next().value ?? 0);
    this.send({ type: 'ping', nonce: this.#nonce });
    const left = this.#heardAt + this.welcome.idle_timeout_ms - now;
    this.#timer = clock.after(() => this.#beat(), Math.min(this.welcome.heartbeat_ms, left));
  }

  /** @param {number} nonce */
  #pong(nonce) {
    const sent = this.#pings.get(nonce);
    if (sent === undefined) return;
    this.#pings.delete(nonce);
    this.uplink.rttMs = this.options.clock.now() - sent;
    if (this.#caughtUp) return;
    this.#caughtUp = true;
    this.options.onCaughtUp?.();
  }

  /** @param {number} request */
  #settle(request) {
    const pending = this.#pending.get(request);
    if (!pending) return undefined;
    this.#pending.delete(request);
    this.options.clock.cancel(pending.timer);
    return pending;
  }

  /** @param {SessionEnd} end */
  #end(end) {
    if (this.#over) return;
    this.#over = true;
    this.options.clock.cancel(this.#timer);
    for (const request of [...this.#pending.keys()]) {
      this.#settle(request)?.reject(new RequestError('lost', end.reason));
    }
    this.road.close(end.reason, end.code !== 'normal');
    this.options.onEnd(end);
  }
}
