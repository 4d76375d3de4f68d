// Visitors' conversations, for staff. Names and texts come from strangers: they are put in as text and never as markup.

import { bdi, byId, make } from './dom.js';
import { locale, t, tCode } from './i18n.js';
import { notice } from './notices.js';

/**
 * @typedef {import('../lib/visitors.js').VisitorMessage} VisitorMessage
 * @typedef {import('../lib/visitors.js').Conversation & {messages: VisitorMessage[], unread: number, read: boolean,
 *   more: boolean, typing: number}} Talk
 */

/** Who was told to write so long ago has stopped. */
const TYPING_MS = 6000;
const PAGE = 50;

export class Inbox {
  /** By session. @type {Map<string, Talk>} */
  #talks = new Map();
  #shown = '';
  #list = byId('inbox-list');
  #lines = byId('inbox-lines');
  /** @type {HTMLTextAreaElement} */
  #text = byId('inbox-text');
  /** @type {HTMLDialogElement} */
  #dialog = byId('inbox');
  #button = byId('inbox-open');

  /** @param {import('../lib/client.js').SuaraClient} client */
  constructor(client) {
    this.client = client;
    this.#button.addEventListener('click', () => { this.#dialog.showModal(); this.#show(this.#shown); });
    byId('inbox-close').addEventListener('click', () => this.#dialog.close());
    byId('inbox-form').addEventListener('submit', (event) => { event.preventDefault(); this.#send(); });
    // Its keys are words here, and no button to talk.
    for (const type of ['keydown', 'keyup']) this.#dialog.addEventListener(type, (event) => event.stopPropagation());
    this.#text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener('input', () => { if (this.#shown && this.#text.value) client.visitors('typing', this.#shown); });
    client.addEventListener('visitor', (event) => this.#heard(/** @type {CustomEvent} */ (event).detail));
    setInterval(() => this.draw(), 2000);
    this.#button.hidden = true;
  }

  /** A session stands: who is staff is told of everything from now on. */
  async online() {
    try {
      for (const talk of await this.client.visitors('watch')) this.#put(talk);
      this.#button.hidden = false;
      if (this.#shown) this.#ask(this.#shown);
    } catch {
      // Who is no staff has no inbox; what answers late answers the next session.
    }
    this.draw();
  }

  /** Nobody is logged in any more. */
  ended() {
    this.#talks.clear();
    this.#shown = '';
    this.#button.hidden = true;
    this.#dialog.close();
    this.draw();
  }

  draw() {
    const talks = [...this.#talks.values()].sort((a, b) => Number(b.open) - Number(a.open) || (b.last?.at ?? 0) - (a.last?.at ?? 0));
    const waiting = talks.filter((talk) => talk.last && !talk.last.staff && talk.open).length;
    byId('inbox-count').textContent = waiting > 0 ? String(waiting) : '';
    byId('inbox-none').hidden = talks.length > 0;
    if (!this.#dialog.open) return;
    this.#list.replaceChildren(...talks.map((talk) => this.#row(talk)));
    const talk = this.#talks.get(this.#shown);
    const atEnd = this.#lines.scrollHeight - this.#lines.scrollTop - this.#lines.clientHeight < 40;
    this.#lines.replaceChildren(...(talk?.messages ?? []).map((message) => this.#line(message)));
    if (atEnd) this.#lines.scrollTop = this.#lines.scrollHeight;
    byId('inbox-typing').textContent = talk && talk.typing > Date.now() ? t('chat.typing', { name: talk.name }) : '';
    byId('inbox-form').hidden = !talk;
  }

  /** @param {any} said */
  #heard({ kind, session, ...rest }) {
    if (kind === 'lost') return;
    const talk = this.#talks.get(session) ?? this.#put({ session, name: rest.staff ? '' : rest.name, open: kind !== 'presence' || rest.open });
    if (kind === 'presence') Object.assign(talk, { open: rest.open, name: rest.name });
    if (kind === 'typing' && !rest.staff) talk.typing = Date.now() + TYPING_MS;
    if (kind === 'said') {
      this.#add(talk, [rest]);
      if (!rest.staff) {
        talk.name = rest.name;
        talk.typing = 0;
        if (session !== this.#shown || !this.#dialog.open) talk.unread += 1;
      }
    }
    this.draw();
  }

  /** @param {import('../lib/visitors.js').Conversation} conversation */
  #put(conversation) {
    const before = this.#talks.get(conversation.session);
    const talk = { messages: [], unread: 0, read: false, more: false, typing: 0, ...before, ...conversation };
    this.#talks.set(conversation.session, talk);
    return talk;
  }

  /** A page overlaps with what comes. @param {Talk} talk @param {VisitorMessage[]} messages */
  #add(talk, messages) {
    const known = new Set(talk.messages.map(({ message }) => message));
    const all = [...talk.messages, ...messages.filter(({ message }) => !known.has(message))];
    talk.messages = all.sort((a, b) => a.message - b.message);
    talk.last = talk.messages.at(-1) ?? talk.last;
  }

  /** @param {string} session */
  #show(session) {
    const talk = this.#talks.get(session);
    this.#shown = talk ? session : '';
    if (talk) {
      talk.unread = 0;
      if (!talk.read) this.#ask(session);
    }
    this.draw();
    this.#lines.scrollTop = this.#lines.scrollHeight;
  }

  /** @param {string} session */
  async #ask(session) {
    try {
      const { messages } = await this.client.visitors('history', session, { limit: PAGE });
      const talk = this.#talks.get(session);
      if (!talk) return;
      talk.read = true;
      this.#add(talk, messages);
      this.draw();
      this.#lines.scrollTop = this.#lines.scrollHeight;
    } catch {
      // Showing it again asks again.
    }
  }

  async #send() {
    const [text, session] = [this.#text.value, this.#shown];
    if (!text.trim() || !session) return;
    this.#text.value = '';
    try {
      await this.client.visitors('reply', session, text);
    } catch (error) {
      if (!this.#text.value) this.#text.value = text;
      notice('inbox', tCode('inbox.error', /** @type {{code: string}} */ (error).code));
    }
  }

  /** @param {Talk} talk */
  #row(talk) {
    const { session, name, open, last, unread } = talk;
    const state = !open ? 'gone' : last && !last.staff ? 'waiting' : 'here';
    const button = make('button', { type: 'button', class: 'visitor', 'data-state': state, 'aria-current': String(session === this.#shown) }, [
      make('span', { class: 'visitor-who' }, [bdi(name || session.slice(0, 8)), make('span', { class: 'count' }, unread > 0 ? [String(unread)] : [])]),
      make('span', { class: 'muted small visitor-last', dir: 'auto' }, [last ? last.text.slice(0, 80) : t('inbox.silent')]),
      make('span', { class: 'small visitor-state' }, [t(`inbox.${state}`)]),
    ]);
    button.addEventListener('click', () => this.#show(session));
    return make('li', {}, [button]);
  }

  /** @param {VisitorMessage} message */
  #line({ message, staff, name, text, at }) {
    const when = new Date(at);
    const time = when.toLocaleTimeString(locale(), { hour: '2-digit', minute: '2-digit' });
    return make('li', { class: staff ? 'mine' : '', 'data-message': String(message) }, [
      make('span', { class: 'chat-who' }, [bdi(name), make('time', { datetime: when.toISOString() }, [time])]),
      make('p', { dir: 'auto' }, [text]),
    ]);
  }
}
