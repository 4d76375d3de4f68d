// Visitors of the livechat, for staff: all of their conversations, and answers that are sent until they are stored.

import { Pending } from './pending.js';

/**
 * @typedef {{message: number, staff: boolean, user: string, name: string, text: string, at: number}} VisitorMessage
 * @typedef {{session: string, name: string, open: boolean, last?: VisitorMessage | null}} Conversation
 *
 * @typedef {object} VisitorsOptions
 * @property {import('./clock.js').Clock} clock
 * @property {(message: any) => boolean} say on the chat stream, if there is one to be had
 * @property {() => string} newId that no other message of this user has
 * @property {(type: string, detail: any) => void} emit
 */

/** A visitor is told so often that one writes. */
const TYPING_MS = 3000;

export class Visitors {
  /** Whether the gateway is to tell of all conversations, in each session anew. */
  #watching = false;
  #typedAt = -Infinity;

  /** @param {VisitorsOptions} options */
  constructor(options) {
    this.options = options;
    const { clock, newId } = options;
    /** @type {Pending<{session: string, text: string}>} */
    this.pending = new Pending({
      clock, newId, send: ({ session, id, text }) => this.options.say({ type: 'livechat_reply', session, id, text }),
    });
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
    this.pending.sendAgain();
    return conversations;
  }

  /**
   * @param {string} session of the visitor
   * @param {string} text
   * @returns {Promise<{message: number, at: number}>} once it is stored
   */
  reply(session, text) {
    return this.pending.send({ session, text });
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
    this.pending.lost();
    if (this.#watching) this.options.emit('visitor', { kind: 'lost' });
  }

  /** @param {any} message of the chat stream */
  take(message) {
    const { type, ...rest } = message;
    switch (type) {
      case 'livechat_inbox': case 'livechat_page': return this.pending.answered(message.request, rest);
      case 'livechat_ack': return this.pending.stored(message);
      case 'livechat_error': return this.pending.refused(message);
      case 'livechat': return this.options.emit('visitor', { kind: 'said', ...rest });
      case 'livechat_presence': return this.options.emit('visitor', { kind: 'presence', ...rest });
      case 'livechat_typing': return this.options.emit('visitor', { kind: 'typing', ...rest });
      default: return undefined;
    }
  }

  /** @param {object} message @returns {Promise<any>} */
  #ask(message) {
    return this.pending.ask((request) => this.options.say({ ...message, request }));
  }
}
