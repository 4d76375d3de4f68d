// What a chat stream still owes an answer to: questions, which end with their session, and messages, which are sent again
// until they are stored.

import { RequestError } from './session.js';

/**
 * @typedef {{resolve: (answer: any) => void, reject: (error: Error) => void, timer: unknown}} Asked
 * @typedef {{id: string, resolve: (sent: {message: number, at: number}) => void, reject: (error: Error) => void}} Sending
 */

/**
 * @template T what a message is sent from
 * @typedef {object} PendingOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => string} newId that no other message of this user has
 * @property {(message: T & {id: string}) => void} send on the chat stream, if there is one at the moment
 */

/** What was refused for now is sent again after this long. */
const AGAIN_MS = 2000;
/** An answer that takes longer comes no more. */
const ANSWER_TIMEOUT_MS = 10_000;
const FOR_NOW = new Set(['unavailable', 'rate_limited']);

/** @template {object} T */
export class Pending {
  /** By id, in the order in which they were sent. @type {Map<string, T & Sending>} */
  #sending = new Map();
  /** @type {Map<number, Asked>} */
  #asked = new Map();
  #requests = 0;

  /** @param {PendingOptions<T>} options */
  constructor(options) {
    this.options = options;
  }

  /**
   * @param {(request: number) => boolean} say puts the question; `false` where there is nobody to be asked
   * @returns {Promise<any>}
   */
  ask(say) {
    const request = this.#requests = (this.#requests + 1) >>> 0;
    return new Promise((resolve, reject) => {
      const late = () => this.#take(request)?.reject(new RequestError('timeout'));
      this.#asked.set(request, { resolve, reject, timer: this.options.clock.after(late, ANSWER_TIMEOUT_MS) });
      if (!say(request)) this.#take(request)?.reject(new RequestError('offline'));
    });
  }

  /** @param {number} request @param {any} answer */
  answered(request, answer) {
    this.#take(request)?.resolve(answer);
  }

  /**
   * @param {T} message
   * @returns {Promise<{message: number, at: number}>} once it is stored; it is sent again for as long as that takes
   */
  send(message) {
    return new Promise((resolve, reject) => {
      const sending = { ...message, id: this.options.newId(), resolve, reject };
      this.#sending.set(sending.id, sending);
      this.options.send(sending);
    });
  }

  /** Sends again what isn't stored. @param {(message: T) => boolean} [which] */
  sendAgain(which = () => true) {
    for (const sending of this.#sending.values()) if (which(sending)) this.options.send(sending);
  }

  /** Gives messages up. @param {(message: T) => boolean} which @param {string} code why */
  giveUp(which, code) {
    for (const sending of [...this.#sending.values()]) {
      if (which(sending) && this.#sending.delete(sending.id)) sending.reject(new RequestError(code));
    }
  }

  /** @param {{id: string, message: number, at: number}} ack */
  stored({ id, message, at }) {
    const sending = this.#sending.get(id);
    this.#sending.delete(id);
    sending?.resolve({ message, at });
  }

  /** @param {{request?: number | null, id?: string | null, code: string, message: string}} error */
  refused({ request, id, code, message }) {
    if (request != null) return this.#take(request)?.reject(new RequestError(code, message));
    const sending = this.#sending.get(id ?? '');
    if (!sending) return;
    if (FOR_NOW.has(code)) {
      this.options.clock.after(() => this.#sending.has(sending.id) && this.options.send(sending), AGAIN_MS);
    } else {
      this.#sending.delete(sending.id);
      sending.reject(new RequestError(code, message));
    }
  }

  /** The session is gone: what was asked is not answered any more. */
  lost() {
    for (const request of [...this.#asked.keys()]) this.#take(request)?.reject(new RequestError('lost'));
  }

  /** @param {number} request */
  #take(request) {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    this.options.clock.cancel(asked?.timer);
    return asked;
  }
}
