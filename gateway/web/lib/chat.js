// Chat in the channels that one is in: what is sent is sent until it is acknowledged, over any number of sessions, and
// what comes is shown once and in order.

import { ChatLine } from './chat-line.js';
import { Conversation } from './conversation.js';
import { RequestError } from './session.js';
import { Visitors } from './visitors.js';

/**
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./channel.js').Channel} Channel
 * @typedef {{id: string, name: string, text: string, resolve: (sent: {message: number, at: number}) => void,
 *   reject: (error: Error) => void}} Sending
 *
 * @typedef {object} ChatOptions
 * @property {import('./clock.js').Clock} clock
 * @property {import('./channels.js').Channels} channels
 * @property {() => Session | null} session
 * @property {() => string} newId that no other message of this user has
 * @property {(type: string, detail: any) => void} emit
 */

/** What was refused for now is sent again after this long. */
const AGAIN_MS = 2000;
/** A page that takes longer comes no more. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Others are told so often that one writes; their pages forget it after twice as long. */
const TYPING_MS = 3000;
const FOR_NOW = new Set(['unavailable', 'rate_limited']);

export class Chat {
  /** @type {ChatLine | null} */
  #line = null;
  /** Whose line it is. @type {Session | null} */
  #session = null;
  /** By name. @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** Of this session's channels, by number. @type {Map<number, string>} */
  #names = new Map();
  /** By id, in the order in which they were sent. @type {Map<string, Sending>} */
  #sending = new Map();
  /** @type {Map<number, {resolve: (page: any) => void, reject: (error: Error) => void, timer: unknown}>} */
  #asked = new Map();
  #requests = 0;
  /** When one last told that one writes, by channel. @type {Map<string, number>} */
  #typedAt = new Map();

  /** @param {ChatOptions} options */
  constructor(options) {
    this.options = options;
    /** For staff. */
    this.visitors = new Visitors({ ...options, say: (message) => this.#say(message) });
  }

  /** @param {import('./wire/messages.js').ServerMessage} message of the control stream, once it was taken */
  control(message) {
    if (message.type === 'left') {
      const name = this.#names.get(message.channel);
      // One that is wanted still is joined again.
      if (name !== undefined && !this.options.channels.wanted.has(name)) this.left(name);
    }
    if (message.type !== 'joined') return;
    const session = this.options.session();
    if (session && session !== this.#session) this.#open(session);
    this.#names.set(message.channel, message.name);
    this.#of(message.name).joined(message.last_message);
    for (const sending of this.#sending.values()) if (sending.name === message.name) this.#send(sending);
  }

  /** The session is gone. What isn't acknowledged goes by the next one. */
  lost() {
    this.#line?.close();
    this.#line = null;
    if (this.#session) this.visitors.lost();
    this.#session = null;
    this.#names.clear();
    for (const request of [...this.#asked.keys()]) this.#answer(request)?.reject(new RequestError('lost'));
  }

  /** One is out of the channel. @param {string} name */
  left(name) {
    this.#conversations.delete(name);
    for (const { id, name: its, reject } of [...this.#sending.values()]) {
      if (its === name && this.#sending.delete(id)) reject(new RequestError('not_joined'));
    }
  }

  /**
   * @param {string} name of a channel
   * @param {string} text
   * @returns {Promise<{message: number, at: number}>} once it is stored; it is sent again for as long as that takes
   */
  send(name, text) {
    return new Promise((resolve, reject) => {
      if (!this.options.channels.named(name)) return reject(new RequestError('not_joined'));
      const sending = { id: this.options.newId(), name, text, resolve, reject };
      this.#sending.set(sending.id, sending);
      this.#send(sending);
    });
  }

  /** Others are told, now and then. @param {string} name */
  typing(name) {
    const now = this.options.clock.now();
    const channel = this.options.channels.named(name);
    if (!channel || now - (this.#typedAt.get(name) ?? -Infinity) < TYPING_MS) return;
    this.#typedAt.set(name, now);
    this.#line?.say({ type: 'chat_typing', channel: channel.number });
  }

  /**
   * @param {string} name
   * @param {{before?: number, after?: number, limit?: number}} [span]
   * @returns {Promise<{messages: import('./wire/chat.js').ChatMessage[], more: boolean}>}
   */
  history(name, { before, after, limit } = {}) {
    const channel = this.options.channels.named(name);
    const line = this.#line;
    if (!channel || !line) return Promise.reject(new RequestError('offline'));
    const request = this.#requests = (this.#requests + 1) >>> 0;
    return new Promise((resolve, reject) => {
      const late = () => this.#answer(request)?.reject(new RequestError('timeout'));
      this.#asked.set(request, { resolve, reject, timer: this.options.clock.after(late, ANSWER_TIMEOUT_MS) });
      line.say({ type: 'chat_history', request, channel: channel.number, before, after, limit });
    });
  }

  /** @param {string} name */
  #of(name) {
    let conversation = this.#conversations.get(name);
    if (!conversation) {
      const show = (/** @type {any} */ { type: _, channel: __, id, ...message }) => {
        this.options.emit('chat', { channel: name, own: id != null, ...message });
      };
      conversation = new Conversation(show, (span) => this.history(name, span));
      this.#conversations.set(name, conversation);
    }
    return conversation;
  }

  /** What is said of no channel needs none joined. @param {any} message */
  #say(message) {
    const session = this.options.session();
    if (session && session !== this.#session) this.#open(session);
    this.#line?.say(message);
    return this.#line !== null;
  }

  /** @param {Session} session */
  #open(session) {
    this.lost();
    this.#session = session;
    const line = new ChatLine(session.road, (message) => this.#take(message), () => {
      // The session goes on without; a new line is had by the next session.
      if (line === this.#line) this.#line = null;
    });
    this.#line = line;
  }

  /** @param {Sending} sending */
  #send({ id, name, text }) {
    const channel = this.options.channels.named(name);
    if (channel) this.#line?.say({ type: 'chat_send', channel: channel.number, id, text });
  }

  /** @param {import('./wire/chat.js').ServerChat} message */
  #take(message) {
    if (message.type.startsWith('livechat')) return this.visitors.take(message);
    const channel = message.channel == null ? undefined : this.options.channels.numbered(message.channel);
    if (message.type === 'chat_ack') return this.#sent(message);
    if (message.type === 'chat_error') return this.#refused(message);
    if (message.type === 'chat_page') return this.#answer(message.request)?.resolve(message);
    if (!channel) return;
    if (message.type === 'chat') return this.#of(channel.name).take(message);
    const { talker, user, name } = message;
    this.options.emit('typing', { channel: channel.name, talker, user, name });
  }

  /** @param {import('./wire/chat.js').ChatAck} ack */
  #sent({ id, message, at }) {
    const sending = this.#sending.get(id);
    this.#sending.delete(id);
    sending?.resolve({ message, at });
  }

  /** @param {import('./wire/chat.js').ChatError} error */
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
