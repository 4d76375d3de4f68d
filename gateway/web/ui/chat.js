// What is written in the channel. Texts come from others: they are put in as text and never as markup.

import { bdi, byId, make } from './dom.js';
import { locale, t, tCode } from './i18n.js';
import { notice } from './notices.js';

/** @typedef {import('../lib/wire/chat.js').ChatMessage} ChatMessage */

/** Lines in the page: what is above is in the history. */
const MOST = 500;
/** Messages of one page of history. */
const PAGE = 30;
/** So near to its end a list follows what comes. */
const NEAR_PX = 40;
/** And so near to its start it asks for what was before. */
const TOP_PX = 60;
/** Who was told to write so long ago has stopped. */
const TYPING_MS = 6000;

export class Chat {
  #channel = '';
  #me = '';
  /** In order. @type {ChatMessage[]} */
  #messages = [];
  #more = false;
  #asking = false;
  #unread = 0;
  /** Who writes, by talker: the name, and until when. @type {Map<number, {name: string, until: number}>} */
  #typing = new Map();
  #list = byId('chat-list');
  /** @type {HTMLTextAreaElement} */
  #text = byId('chat-text');
  #form = byId('chat-form');

  /** @param {import('../lib/client.js').SuaraClient} client */
  constructor(client) {
    this.client = client;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener('keydown', (event) => {
      // Its keys are words here, and no button to talk.
      event.stopPropagation();
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener('keyup', (event) => event.stopPropagation());
    this.#text.addEventListener('input', () => {
      if (this.#channel && this.#text.value) client.typing(this.#channel);
    });
    this.#list.addEventListener('scroll', () => {
      if (this.#isAtEnd()) this.#read();
      if (this.#list.scrollTop < TOP_PX && this.#more) this.#ask();
    });
    document.addEventListener('visibilitychange', () => this.#isAtEnd() && this.#read());
    client.addEventListener('chat', (event) => this.#said(/** @type {CustomEvent} */ (event).detail));
    client.addEventListener('typing', (event) => this.#writes(/** @type {CustomEvent} */ (event).detail));
    setInterval(() => this.#forgetTyping(), 1000);
    this.open('', false);
  }

  /**
   * @param {string} channel that is shown, or ''
   * @param {boolean} mayWrite
   */
  open(channel, mayWrite) {
    if (channel !== this.#channel) {
      this.#channel = channel;
      this.#messages = [];
      this.#more = channel !== '';
      this.#typing.clear();
      this.#unread = 0;
      this.#asking = false;
      if (channel) this.#ask();
    }
    const { phase, user } = /** @type {any} */ (this.client.state);
    if (phase === 'online') this.#me = user;
    this.#form.hidden = !mayWrite || !channel;
    this.draw();
  }

  draw() {
    const atEnd = this.#isAtEnd();
    this.#list.replaceChildren(...this.#messages.map((message) => this.#row(message)));
    byId('chat-none').hidden = this.#messages.length > 0;
    byId('chat-unread').textContent = this.#unread > 0 ? String(this.#unread) : '';
    const names = [...this.#typing.values()].map(({ name }) => name);
    const writing = names.length > 1 ? t('chat.typing.several') : t('chat.typing', { name: names[0] ?? '' });
    byId('chat-typing').textContent = names.length > 0 ? writing : '';
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** @param {import('../lib/client.js').ChatDetail} said */
  #said({ channel, own, ...message }) {
    if (channel !== this.#channel) return;
    this.#add([message]);
    for (const [talker, { name }] of this.#typing) if (name === message.name) this.#typing.delete(talker);
    if (!own && (document.hidden || !this.#isAtEnd())) this.#unread++;
    this.draw();
  }

  /** @param {ChatMessage[]} messages that may be there already: a page of history overlaps with what comes */
  #add(messages) {
    const known = new Set(this.#messages.map(({ message }) => message));
    const fresh = messages.filter(({ message }) => !known.has(message));
    this.#messages = [...this.#messages, ...fresh].sort((a, b) => a.message - b.message);
  }

  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    const channel = this.#channel;
    try {
      const { messages, more } = await this.client.chatHistory(channel, { before: this.#messages[0]?.message, limit: PAGE });
      if (channel !== this.#channel) return;
      // What one reads stays where it is.
      const below = this.#list.scrollHeight - this.#list.scrollTop;
      const atEnd = this.#isAtEnd();
      this.#add(messages);
      this.#more = more && this.#messages.length < MOST;
      this.draw();
      this.#list.scrollTop = atEnd ? this.#list.scrollHeight : this.#list.scrollHeight - below;
    } catch {
      // Scrolling up asks again.
    } finally {
      if (channel === this.#channel) this.#asking = false;
    }
  }

  async #send() {
    const [text, channel] = [this.#text.value, this.#channel];
    if (!text.trim() || !channel) return;
    this.#text.value = '';
    this.#list.scrollTop = this.#list.scrollHeight;
    try {
      await this.client.sendChat(channel, text);
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      if (!this.#text.value) this.#text.value = text;
      notice('chat', tCode('chat.error', code));
    }
  }

  /** @param {{channel: string, talker: number, name: string}} who */
  #writes({ channel, talker, name }) {
    if (channel !== this.#channel) return;
    this.#typing.set(talker, { name, until: Date.now() + TYPING_MS });
    this.draw();
  }

  #forgetTyping() {
    const before = this.#typing.size;
    for (const [talker, { until }] of this.#typing) if (until < Date.now()) this.#typing.delete(talker);
    if (this.#typing.size !== before) this.draw();
  }

  #isAtEnd() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < NEAR_PX;
  }

  #read() {
    if (this.#unread === 0 || document.hidden) return;
    this.#unread = 0;
    byId('chat-unread').textContent = '';
  }

  /** @param {ChatMessage} message */
  #row({ message, user, name, text, at }) {
    const mine = user === this.#me;
    const when = new Date(at);
    return make('li', { class: mine ? 'mine' : '', 'data-message': String(message) }, [
      make('span', { class: 'chat-who' }, [
        mine ? t('log.you') : bdi(name),
        make('time', { datetime: when.toISOString() }, [when.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' })]),
      ]),
      make('p', { dir: 'auto' }, [text]),
    ]);
  }
}
