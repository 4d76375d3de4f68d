// A livechat client for a site: one file, without dependencies.
//
//   <script type="module">
//     import { Livechat } from './suara-livechat.js';
//     const chat = new Livechat({ url: 'https://radio.example', name: 'Budi di Solo' });
//     chat.on('message', ({ from, text }) => show(from, text));   // html-safe; see README.md
//     chat.connect();
//     chat.send('Request lagu').then(() => tick());
//   </script>
//
// Included as an ordinary script after `<script type="module" src="suara-livechat.js">`, it is `window.SuaraLivechat`.
//
// What was sent and not acknowledged is sent again, under the same id, until it is: the server keeps it once.

/** The first wait after a loss, in milliseconds; each further one may be twice as long. */
const FIRST_WAIT = 500;
/** No wait is longer than this. */
const LONGEST_WAIT = 30_000;
/** A connection that lasted so long was a good one: the next wait is a first one. */
const STABLE = 10_000;
/** A message without an acknowledgement is sent again after this. */
const ACK_WAIT = 5_000;
/** A message that came too fast is sent again after this. */
const RATE_WAIT = 2_000;
/** Signs of typing are sent no more often than this. */
const TYPING_EVERY = 2_000;

/**
 * How long to wait before the next attempt: anything up to a bound that doubles, so that many clients that lost one
 * server don't come back in step.
 * @param {number} failures attempts that failed before
 * @param {() => number} random evenly spread from 0 to 1
 */
export function backoff(failures, random) {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(failures, 16)) * random();
}

/** What the server escapes, and only that. */
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;' };

/**
 * The text itself, for `textContent`: what the server sends is safe to put into HTML as it is.
 * @param {string} safe
 */
export function plain(safe) {
  return Object.entries(ENTITIES).reverse().reduce((text, [character, entity]) => text.replaceAll(entity, character), safe);
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[/** @type {keyof typeof ENTITIES} */ (character)]);
}

/**
 * @typedef {{from: string, text: string, messageId?: number, timestamp?: number, staff?: boolean}} Message
 * @typedef {{sessionToken: string, sessionId: string, expiresAt: number}} Session
 * @typedef {{id: string, text: string, resolve: (ack: Ack) => void, reject: (error: Error) => void, timer: unknown}} Pending
 * @typedef {{id: string, messageId: number, timestamp: number}} Ack
 * @typedef {{url: string, name?: string, session?: Session, storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null,
 *   key?: string, WebSocket?: typeof WebSocket, fetch?: typeof fetch, random?: () => number, newId?: () => string,
 *   clock?: {now: () => number, set: (what: () => void, ms: number) => unknown, clear: (timer: any) => void}}} Options
 */

/** A visitor's conversation with staff. */
export class Livechat {
  /** @type {Options} */ #options;
  /** @type {Map<string, Set<(data: any) => void>>} */ #listeners = new Map();
  /** @type {Session | null} */ #session;
  /** @type {WebSocket | null} */ #socket = null;
  /** Not acknowledged yet, in the order in which they were sent. @type {Map<string, Pending>} */ #pending = new Map();
  /** The newest message that was shown. */ #last = 0;
  #failures = 0;
  #openedAt = 0;
  #lastTyping = -Infinity;
  /** Whether it is to be connected. */ #wanted = false;
  /** Whether a session is being got, or a connection made. */ #busy = false;
  /** Counts connects and closes, so that what an earlier one began counts for nothing. */ #turn = 0;
  /** @type {unknown} */ #retry = null;
  #clock;
  #state = 'closed';

  /** @param {Options} options */
  constructor(options) {
    this.#options = { key: 'suara-livechat', ...options };
    this.#clock = options.clock ?? {
      now: () => Date.now(),
      set: (what, ms) => setTimeout(what, ms),
      clear: (timer) => clearTimeout(timer),
    };
    this.#session = options.session ?? this.#remembered();
  }

  /** `closed`, `connecting`, `open`, `waiting` (for the next attempt) or `refused`. */
  get state() { return this.#state; }

  /** The session, once there is one. */
  get session() { return this.#session; }

  /**
   * Hears `state`, `ready` (the session's data), `message` (by staff), `sent` (by this visitor in another tab), `typing`
   * and `error`. Returns what ends it.
   * @param {string} event
   * @param {(data: any) => void} listener
   */
  on(event, listener) {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(listener));
    return () => { set.delete(listener); };
  }

  /** Connects, and connects again whenever the connection is lost, until `close`. */
  connect() {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#turn += 1;
    this.#attempt();
  }

  /** Ends it. What isn't acknowledged is kept for the next `connect`. */
  close() {
    this.#wanted = false;
    this.#turn += 1;
    this.#busy = false;
    this.#clock.clear(this.#retry);
    for (const pending of this.#pending.values()) this.#clock.clear(pending.timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#become('closed');
  }

  /**
   * Sends a message; resolves once it is stored, however often the connection is lost until then.
   * @param {string} text
   * @param {string} [id] the same for the same message
   * @returns {Promise<Ack>}
   */
  send(text, id = this.#newId()) {
    return new Promise((resolve, reject) => {
      const pending = { id, text, resolve, reject, timer: /** @type {unknown} */ (null) };
      this.#pending.set(id, pending);
      this.#post(pending);
    });
  }

  /** Says that the visitor writes. May be called with each key. */
  typing() {
    const now = this.#clock.now();
    if (this.#state !== 'open' || now - this.#lastTyping < TYPING_EVERY) return;
    this.#lastTyping = now;
    this.#say('user:typing', {});
  }

  async #attempt() {
    if (!this.#wanted || this.#busy || this.#socket) return;
    const turn = this.#turn;
    this.#busy = true;
    this.#become('connecting');
    try {
      this.#session = await this.#usable();
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#busy = false;
      this.#emit('error', { kind: 'session', message: String(error instanceof Error ? error.message : error) });
      this.#lost();
      return;
    }
    if (turn !== this.#turn) return;
    this.#busy = false;
    this.#open(this.#session);
  }

  /** @param {Session} session */
  #open(session) {
    const url = new URL('livechat/ws', this.#base());
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('token', session.sessionToken);
    if (this.#last > 0) url.searchParams.set('after', String(this.#last));
    const socket = new (this.#options.WebSocket ?? WebSocket)(url.href);
    this.#socket = socket;
    this.#openedAt = Infinity;
    socket.onmessage = (event) => { if (socket === this.#socket) this.#hear(event.data); };
    socket.onclose = (event) => { if (socket === this.#socket) this.#gone(event?.code); };
    socket.onerror = () => {};
  }

  /** @param {number | undefined} code */
  #gone(code) {
    this.#socket = null;
    // A page can't read a handshake's status: a token that never opened anything may have ended.
    if (this.#openedAt === Infinity && this.#failures >= 1 && !this.#options.session) this.#forget();
    if (this.#clock.now() - this.#openedAt >= STABLE) this.#failures = 0;
    if (this.#state === 'refused') return;
    // Whoever was shown the door for going too fast waits longer.
    if (code === 1008) this.#failures = Math.max(this.#failures, 3);
    this.#lost();
  }

  #lost() {
    for (const pending of this.#pending.values()) this.#clock.clear(pending.timer);
    if (!this.#wanted) return;
    this.#become('waiting');
    const wait = backoff(this.#failures, this.#options.random ?? Math.random);
    this.#failures += 1;
    this.#retry = this.#clock.set(() => { this.#attempt(); }, wait);
  }

  /** @param {unknown} frame */
  #hear(frame) {
    let message;
    try {
      message = JSON.parse(String(frame));
    } catch {
      return;
    }
    const data = message?.data ?? {};
    switch (message?.type) {
      case 'connection:success': return this.#ready(data);
      case 'message:ack': return this.#acked(data);
      case 'message:receive': return this.#shown(data, 'message');
      case 'message:sent': return this.#shown(data, 'sent');
      case 'user:typing': return this.#emit('typing', data);
      case 'error:rate_limited': return this.#refused(data, RATE_WAIT);
      case 'error:unavailable': return this.#refused(data, ACK_WAIT);
      case 'error:invalid_payload': return this.#invalid(data);
      case 'error:invalid_token': return this.#ended(data);
      default: return undefined;
    }
  }

  /** @param {any} data */
  #ready(data) {
    this.#openedAt = this.#clock.now();
    this.#become('open');
    const first = this.#last === 0;
    for (const message of data.messages ?? []) {
      if (message.staff) this.#shown(message, 'message');
      else this.#shown(message, 'sent');
    }
    this.#emit('ready', { ...data, first });
    for (const pending of this.#pending.values()) this.#post(pending);
  }

  /** @param {Message} message @param {'message' | 'sent'} event */
  #shown(message, event) {
    const number = message.messageId ?? 0;
    // Told again after a reconnection.
    if (number && number <= this.#last) return;
    if (number) this.#last = number;
    // It was stored before the loss: its acknowledgement is still to come.
    if (event === 'sent' && [...this.#pending.values()].some(({ text }) => escaped(text) === message.text)) return;
    this.#emit(event, message);
  }

  /** @param {Ack} ack */
  #acked(ack) {
    const pending = this.#pending.get(ack.id);
    if (!pending) return;
    this.#clock.clear(pending.timer);
    this.#pending.delete(ack.id);
    // Only what comes next in order moves the mark: what lies between would not be asked for.
    if (ack.messageId === this.#last + 1) this.#last = ack.messageId;
    pending.resolve(ack);
  }

  /** @param {any} data @param {number} wait */
  #refused(data, wait) {
    this.#emit('error', { kind: 'rate_limited', message: data.message });
    const pending = this.#pending.get(data.id);
    if (pending) this.#later(pending, wait);
  }

  /** @param {any} data */
  #invalid(data) {
    this.#emit('error', { kind: 'invalid_payload', message: data.message });
    const pending = this.#pending.get(data.id);
    if (!pending) return;
    this.#clock.clear(pending.timer);
    this.#pending.delete(data.id);
    pending.reject(new Error(data.message));
  }

  /** @param {any} data */
  #ended(data) {
    this.#emit('error', { kind: 'invalid_token', message: data.message });
    this.#forget();
    if (this.#options.name === undefined) {
      this.#wanted = false;
      this.#become('refused');
    }
  }

  /** @param {Pending} pending */
  #post(pending) {
    this.#clock.clear(pending.timer);
    if (this.#state !== 'open') return;
    this.#say('message:send', { id: pending.id, text: pending.text });
    this.#later(pending, ACK_WAIT);
  }

  /** @param {Pending} pending @param {number} wait */
  #later(pending, wait) {
    this.#clock.clear(pending.timer);
    pending.timer = this.#clock.set(() => { if (this.#pending.has(pending.id)) this.#post(pending); }, wait);
  }

  /** @param {string} type @param {object} data */
  #say(type, data) {
    this.#socket?.send(JSON.stringify({ type, data }));
  }

  /** The session that is known, or a new one. @returns {Promise<Session>} */
  async #usable() {
    if (this.#session && this.#session.expiresAt > this.#clock.now()) return this.#session;
    if (this.#options.name === undefined) throw new Error('there is no session, and no name to get one by');
    const answer = await (this.#options.fetch ?? fetch)(new URL('livechat/session', this.#base()).href, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name: this.#options.name }),
    });
    if (!answer.ok) throw new Error(`no session: ${answer.status}`);
    const session = await answer.json();
    this.#last = 0;
    this.#options.storage?.setItem(String(this.#options.key), JSON.stringify(session));
    return session;
  }

  #remembered() {
    try {
      const kept = this.#options.storage?.getItem(String(this.#options.key));
      const session = kept ? JSON.parse(kept) : null;
      return typeof session?.sessionToken === 'string' ? session : null;
    } catch {
      return null;
    }
  }

  #forget() {
    this.#session = null;
    this.#options.storage?.removeItem(String(this.#options.key));
  }

  #base() {
    return this.#options.url.endsWith('/') ? this.#options.url : `${this.#options.url}/`;
  }

  #newId() {
    return this.#options.newId?.() ?? crypto.randomUUID?.() ?? Math.random().toString(36).slice(2) + Date.now().toString(36);
  }

  /** @param {string} state */
  #become(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#emit('state', state);
  }

  /** @param {string} event @param {any} data */
  #emit(event, data) {
    for (const listener of [...this.#listeners.get(event) ?? []]) listener(data);
  }
}

if (typeof window !== 'undefined') Object.assign(window, { SuaraLivechat: Object.assign(Livechat, { plain }) });
