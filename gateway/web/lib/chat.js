// Chat in the channels that one is in: what is sent is sent until it is acknowledged, over any number of sessions, and
// what comes is shown once and in order.

import { ChatLine } from './chat-line.js';
import { Conversation } from './conversation.js';
import { Pending } from './pending.js';
import { RequestError } from './session.js';
import { Visitors } from './visitors.js';

/**
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./channel.js').Channel} Channel
 *
 * @typedef {object} ChatOptions
 * @property {import('./clock.js').Clock} clock
 * @property {import('./channels.js').Channels} channels
 * @property {() => Session | null} session
 * @property {() => string} newId that no other message of this user has
 * @property {(type: string, detail: any) => void} emit
 */

/** Others are told so often that one writes; their pages forget it after twice as long. */
const TYPING_MS = 3000;

export class Chat {
  /** @type {ChatLine | null} */
  #line = null;
  /** Whose line it is. @type {Session | null} */
  #session = null;
  /** By name. @type {Map<string, Conversation>} */
  #conversations = new Map();
  /** Of this session's channels, by number. @type {Map<number, string>} */
  #names = new Map();
  /** When one last told that one writes, by channel. @type {Map<string, number>} */
  #typedAt = new Map();

  /** @param {ChatOptions} options */
  constructor(options) {
    this.options = options;
    const { clock, newId } = options;
    /** @type {Pending<{name: string, text: string}>} */
    this.pending = new Pending({ clock, newId, send: (message) => this.#send(message) });
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
    this.pending.sendAgain(({ name }) => name === message.name);
  }

  /** The session is gone. What isn't acknowledged goes by the next one. */
  lost() {
    this.#line?.close();
    this.#line = null;
    if (this.#session) this.visitors.lost();
    this.#session = null;
    this.#names.clear();
    this.pending.lost();
  }

  /** One is out of the channel. @param {string} name */
  left(name) {
    this.#conversations.delete(name);
    this.pending.giveUp((sending) => sending.name === name, 'not_joined');
  }

  /**
   * @param {string} name of a channel
   * @param {string} text
   * @returns {Promise<{message: number, at: number}>} once it is stored; it is sent again for as long as that takes
   */
  send(name, text) {
    if (!this.options.channels.named(name)) return Promise.reject(new RequestError('not_joined'));
    return this.pending.send({ name, text });
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
    return this.pending.ask((request) => {
      line.say({ type: 'chat_history', request, channel: channel.number, before, after, limit });
      return true;
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

  /** @param {{id: string, name: string, text: string}} message */
  #send({ id, name, text }) {
    const channel = this.options.channels.named(name);
    if (channel) this.#line?.say({ type: 'chat_send', channel: channel.number, id, text });
  }

  /** @param {import('./wire/chat.js').ServerChat} message */
  #take(message) {
    if (message.type.startsWith('livechat')) return this.visitors.take(message);
    const channel = message.channel == null ? undefined : this.options.channels.numbered(message.channel);
    if (message.type === 'chat_ack') return this.pending.stored(message);
    if (message.type === 'chat_error') return this.pending.refused(message);
    if (message.type === 'chat_page') return this.pending.answered(message.request, message);
    if (!channel) return;
    if (message.type === 'chat') return this.#of(channel.name).take(message);
    const { talker, user, name } = message;
    this.options.emit('typing', { channel: channel.name, talker, user, name });
  }
}
