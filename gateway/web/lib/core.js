// The client without a browser: a connection, the channels one is in, and the button. It runs in the worker; sound and
// network are arguments, so that tests run it in Node.

import { Button } from './button.js';
import { Channels } from './channels.js';
import { Hearing } from './hearing.js';
import { Connection } from './reconnect.js';
import { RequestError, unlessJoined } from './session.js';

/**
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./wire/messages.js').ServerMessage} ServerMessage
 * @typedef {import('./channel.js').Channel} Channel
 *
 * @typedef {object} CoreOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {import('./road.js').Roads} roads
 * @property {import('./press.js').Microphone} microphone
 * @property {import('./hearing.js').Speaker} speaker
 * @property {(type: string, detail: any) => void} emit
 */

/** How often a silent floor is looked at. */
const TICK_MS = 250;
/** A page shows these; faster would be unreadable. */
const STATS_EVERY = 4;

export class Core {
  /** @type {Connection | null} */
  #connection = null;
  #channels = new Channels();
  #button;
  /** @type {unknown} */
  #timer = null;
  #ticks = 0;
  #drainBy = 0;
  /** Where the worker's speaker tells who is audible. */
  hearing;

  /** @param {CoreOptions} options */
  constructor(options) {
    this.options = options;
    const { clock, random, microphone, speaker, emit } = options;
    const onFloor = (/** @type {Channel} */ channel) => this.#floorChanged(channel);
    this.#button = new Button({ clock, random, microphone, onFloor });
    this.hearing = new Hearing({ channels: this.#channels, speaker, now: clock.now, onFloor, emit });
  }

  /** @param {{url: string, token: string, client: string}} where */
  connect({ url, token, client }) {
    this.close();
    const { clock, random, roads, emit } = this.options;
    this.#connection = new Connection({
      url, token, client, clock, random, roads,
      onState: (state) => emit('state', state),
      onSession: (session) => this.#rejoin(session),
      onLost: (end) => {
        emit('closing', { code: end.code, reason: end.reason, retryAfterMs: end.retryAfterMs ?? null });
        this.#forget();
      },
      onMessage: (message) => this.#take(message),
      onDatagram: (bytes) => this.hearing.datagram(bytes),
      onRoad: (road) => emit('road', { road }),
      onMoved: () => this.#renumber(),
      wanted: () => [...this.#channels.wanted],
      mayMove: () => this.#channels.areQuiet && this.#button.isIdle,
    });
    this.#connection.start();
    this.#tick();
  }

  close() {
    this.options.clock.cancel(this.#timer);
    this.#channels.wanted.clear();
    this.#connection?.stop();
    this.#connection = null;
  }

  /** The network came back. */
  hurry() {
    this.#connection?.hurry();
  }

  /** @param {string} name */
  async join(name) {
    const joined = this.#channels.named(name);
    if (joined) return joined.info();
    this.#channels.wanted.add(name);
    try {
      return (await this.#join(this.#session(), name)).info();
    } catch (error) {
      if (error instanceof RequestError && error.code !== 'lost') this.#channels.wanted.delete(name);
      throw error;
    }
  }

  /** @param {string} name */
  leave(name) {
    this.#channels.wanted.delete(name);
    const channel = this.#channels.named(name);
    if (!channel) return;
    this.#connection?.session?.send({ type: 'leave', channel: channel.number });
    this.#gone(channel, 'left');
  }

  /** @param {string} token of the same user */
  async renew(token) {
    const { expires } = await this.#session().ask((request) => ({ type: 'renew', request, token }));
    if (this.#connection) this.#connection.token = token;
    return { expires };
  }

  /** @param {string} name */
  press(name) {
    const session = this.#connection?.session;
    const channel = this.#channels.named(name);
    if (!session || !channel) {
      return this.options.emit('floor', { channel: name, phase: 'denied', by: null, cause: 'offline', remainingMs: 0 });
    }
    this.#button.press(session, channel);
  }

  release() {
    this.#button.release();
  }

  stats() {
    const session = this.#connection?.session;
    const road = session?.road.kind ?? null;
    const hear = this.options.speaker.stats();
    return { ...this.hearing.counts, ...this.#button.counts, rttMs: session?.rttMs ?? -1, road, hear };
  }

  #session() {
    const session = this.#connection?.session;
    if (!session) throw new RequestError('offline');
    return session;
  }

  /** @param {Session} session */
  #rejoin(session) {
    for (const name of this.#channels.wanted) {
      this.#join(session, name).catch((error) => {
        if (error.code === 'lost') return;
        this.#channels.wanted.delete(name);
        this.options.emit('left', { channel: name, reason: error.code ?? 'internal' });
      });
    }
  }

  /**
   * @param {Session} session
   * @param {string} name
   */
  async #join(session, name) {
    await session.ask((request) => ({ type: 'join', request, channel: name })).catch(unlessJoined);
    const channel = this.#channels.named(name);
    if (!channel) throw new RequestError('left');
    return channel;
  }

  /** @param {ServerMessage} message */
  #take(message) {
    if (message.type === 'draining') {
      this.#drainBy = this.options.clock.now() + message.deadline_ms / 2;
    } else if (message.type === 'error') {
      const { request, code } = message;
      if (request == null || !this.#button.refuse(request, code)) this.options.emit('refused', message);
    } else if (message.type === 'joined') {
      this.#joined(message);
    } else if ('channel' in message) {
      const channel = this.#channels.numbered(message.channel);
      if (channel) this.#takeFor(channel, message);
    }
  }

  /** @param {import('./wire/messages.js').Joined} joined */
  #joined(joined) {
    const session = this.#session();
    // Left again before the answer came.
    if (!this.#channels.wanted.has(joined.name)) return session.send({ type: 'leave', channel: joined.channel });
    const channel = this.#channels.add(joined, session.welcome?.floor_renewal_ms ?? 2000, this.options.clock.now());
    this.options.emit('joined', channel.info());
    this.options.emit('roster', channel.rosterEvent());
    this.#floorChanged(channel);
  }

  /**
   * @param {Channel} channel
   * @param {import('./wire/messages.js').Left | import('./wire/messages.js').RosterMessage
   *   | import('./wire/messages.js').FloorMessage} message
   */
  #takeFor(channel, message) {
    if (message.type === 'left') return this.#gone(channel, message.reason);
    if (message.type === 'roster') return this.#roster(channel, message);
    if (message.type === 'floor_idle') this.options.speaker.floorIdle(channel.number);
    this.#button.take(this.#session(), channel, message);
  }

  /**
   * @param {Channel} channel
   * @param {import('./wire/messages.js').RosterMessage} message
   */
  #roster(channel, message) {
    const result = channel.roster.apply(message);
    if (result === 'ask') this.#connection?.session?.send({ type: 'roster_request', channel: channel.number });
    if (result === 'changed') this.options.emit('roster', channel.rosterEvent());
  }

  #tick() {
    const { clock, emit } = this.options;
    for (const channel of this.#channels.all()) this.#button.tick(channel);
    if (this.#drainBy > 0 && (this.#channels.areQuiet || clock.now() >= this.#drainBy)) {
      this.#drainBy = 0;
      this.#connection?.restart();
    }
    if (++this.#ticks % STATS_EVERY === 0) emit('stats', this.stats());
    this.#timer = clock.after(() => this.#tick(), TICK_MS);
  }

  /** @param {Channel} channel */
  #floorChanged(channel) {
    this.options.emit('floor', channel.floorEvent(this.options.clock.now()));
  }

  /**
   * @param {Channel} channel
   * @param {string} reason
   */
  #gone(channel, reason) {
    this.#channels.remove(channel);
    if (reason !== 'left') this.#channels.wanted.delete(channel.name);
    if (this.#button.isOn(channel)) this.#button.abort();
    this.options.speaker.silence(channel.number);
    this.options.emit('left', { channel: channel.name, reason });
  }

  /** The session is gone, and with it every number. */
  #forget() {
    this.#button.abort();
    this.#renumber();
  }

  #renumber() {
    this.#channels.forget();
    this.options.speaker.silence(null);
  }
}
