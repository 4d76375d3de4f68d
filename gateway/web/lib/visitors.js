// Visitors of the livechat, for staff: all of their conversations, and answers that are sent until they are stored.

import { RequestError } from './session.js';

/**
 * @typedef {{message: number, staff: boolean, user: string, name: string, text: string, at: number}} VisitorMessage
 * @typedef {{session: string, name: string, open: boolean, last?: VisitorMessage | null}} Conversation
 * @typedef {{id: string, session: string, text: string, resolve: (sent: {message: number, at: number}) => void,
 *   reject: (error: Error) => void}} Sending
 *
 * @typedef {object} VisitorsOptions
 * @property {import('./clock.js').Clock} clock
 * @property {(message: any) => boolean} say on the chat stream, if there is one to be had
 * @property {() => string} newId that no other message of this user has
 * @property {(type: string, detail: any) => void} emit
 */

/** What was refused for now is sent again after this long. */
const AGAIN_MS = 2000;
/** An answer that takes longer comes no more. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A visitor is told so often that one writes. */
const TYPING_MS = 3000;
const FOR_NOW = new Set(['unavailable', 'rate_limited']);

export class Visitors {
  /** Whether the gateway is to tell of all conversations, in each session anew. */
  #watching = false;
  /** By id, in the order in which they were sent. @type {Map<string, Sending>} */
  #sending = new Map();
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void, timer: unknown}>} */
  #asked = new Map();
  #requests = 0;
  #typedAt = -Infinity;

  /** @param {VisitorsOptions} options */
  constructor(options) {
    this.options = options;
  }

  /** What the page calls by name. @param {string} call @param {any[]} args @returns {any} */
  call(call, args) {
    switch (call) {
      case 'watch': return this.watch();
      case 'reply': return this.reply(args[0], args[1]);
      case 'typing': return this.typing(args[0]);
      case 'history': return this.history(args[0], args[1]);
      default: throw new TypeError(call);
    }
  }

  /** To hear of all conversations from now on; `forbidden` for who is no staff. @returns {Promise<Conversation[]>} */
  async watch() {
    this.#watching = true;
    const { conversations } = await this.#ask({ type: 'livechat_watch' });
    for (const sending of this.#sending.values()) this.#send(sending);
    return conversations;
  }

  /**
   * @param {string} session of the visitor
   * @param {string} text
   * @returns {Promise<{message: number, at: number}>} once it is stored
   */
  reply(session, text) {
    return new Promise((resolve, reject) => {
      const sending = { id: this.options.newId(), session, text, resolve, reject };
      this.#sending.set(sending.id, sending);
      this.#send(sending);
    });
  }

  /** @param {string} session */
  typing(session) {
    const now = this.options.clock.now();
    if (now - this.#typedAt < TYPING_MS) return;
    this.#typedAt = now;
    this.options.say({ type: 'livechat_typing', session });
  }

  /**
   * @param {string} session
   * @param {{before?: number, limit?: number}} [span]
   * @returns {Promise<{messages: VisitorMessage[], more: boolean}>}
   */
  history(session, span = {}) {
    return this.#ask({ type: 'livechat_history', session, ...span });
  }

  /** The session is gone: what was asked is not answered, what was said is said again once one watches anew. */
  lost() {
    for (const request of [...this.#asked.keys()]) this.#answer(request)?.reject(new RequestError('lost'));
    if (this.#watching) this.options.emit('visitor', { kind: 'lost' });
  }

  /** @param {any} message of the chat stream */
  take(message) {
    const { type, ...rest } = message;
    switch (type) {
      case 'livechat_inbox': case 'livechat_page': return this.#answer(message.request)?.resolve(rest);
      case 'livechat_ack': return this.#sent(message);
      case 'livechat_error': return this.#refused(message);
      case 'livechat': return this.options.emit('visitor', { kind: 'said', ...rest });
      case 'livechat_presence': return this.options.emit('visitor', { kind: 'presence', ...rest });
      case 'livechat_typing': return this.options.emit('visitor', { kind: 'typing', ...rest });
      default: return undefined;
    }
  }

  /** @param {object} message @returns {Promise<any>} */
  #ask(message) {
    const request = this.#requests = (this.#requests + 1) >>> 0;
    return new Promise((resolve, reject) => {
      const late = () => this.#answer(request)?.reject(new RequestError('timeout'));
      this.#asked.set(request, { resolve, reject, timer: this.options.clock.after(late, ANSWER_TIMEOUT_MS) });
      if (!this.options.say({ ...message, request })) this.#answer(request)?.reject(new RequestError('offline'));
    });
  }

  /** @param {Sending} sending */
  #send({ id, session, text }) {
    this.options.say({ type: 'livechat_reply', session, id, text });
  }

  /** @param {{id: string, message: number, at: number}} ack */
  #sent({ id, message, at }) {
    const sending = this.#sending.get(id);
    this.#sending.delete(id);
    sending?.resolve({ message, at });
  }

  /** @param {{request?: number | null, id?: string | null, code: string, message: string}} error */
  #refused({ request, id, code, message }) {
    if (request != null) return this.#answer(request)?.reject(new RequestError(code, message));
    const sending = this.#sending.get(id ?? '');
    if (!sending) return;
    if (FOR_NOW.has(code)) {
      this.options.clock.after(() => this.#sending.has(sending.id) && this.#send(sending), AGAIN_MS);
    } else {
      this.#sending.delete(sending.id);
      sending.reject(new RequestError(code, message));
    }
  }

  /** @param {number} request */
  #answer(request) {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    this.options.clock.cancel(asked?.timer);
    return asked;
  }
}
