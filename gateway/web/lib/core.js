// The client without a browser: a connection, the channels one is in, and the button. It runs in the worker; sound and
// network are arguments, so that tests run it in Node.

import { Button } from './button.js';
import { Channel } from './channel.js';
import { Connection } from './reconnect.js';
import { RequestError } from './session.js';
import { decode, VoiceError } from './wire/voice.js';

/**
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./wire/messages.js').ServerMessage} ServerMessage
 *
 * @typedef {object} Speaker plays what comes
 * @property {(frame: import('./wire/voice.js').VoiceFrame) => void} frame
 * @property {(channel: number) => void} floorIdle
 * @property {(channel: number | null) => void} silence drops what is buffered, of one channel or of all
 * @property {() => object} stats
 *
 * @typedef {object} CoreOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {import('./road.js').OpenRoad} openRoad
 * @property {import('./press.js').Microphone} microphone
 * @property {Speaker} speaker
 * @property {(type: string, detail: any) => void} emit
 */

/** How often a silent floor is looked at. */
const TICK_MS = 250;
/** A page shows these; faster would be unreadable. */
const STATS_EVERY = 4;

export class Core {
  /** @type {Connection | null} */
  #connection = null;
  /** What is to be joined again after a reconnect. @type {Set<string>} */
  #wanted = new Set();
  /** @type {Map<string, Channel>} */
  #byName = new Map();
  /** @type {Map<number, Channel>} */
  #byNumber = new Map();
  #button;
  /** @type {unknown} */
  #timer = null;
  #ticks = 0;
  #drainBy = 0;
  #counts = { framesHeard: 0, framesRefused: 0 };

  /** @param {CoreOptions} options */
  constructor(options) {
    this.options = options;
    const { clock, random, microphone } = options;
    this.#button = new Button({ clock, random, microphone, onFloor: (channel) => this.#floorChanged(channel) });
  }

  /** @param {{url: string, token: string, client: string}} where */
  connect({ url, token, client }) {
    this.close();
    const { clock, random, openRoad, emit } = this.options;
    this.#connection = new Connection({
      url, token, client, clock, random, openRoad,
      onState: (state) => emit('state', state),
      onSession: (session) => this.#rejoin(session),
      onLost: (end) => {
        emit('closing', { code: end.code, reason: end.reason, retryAfterMs: end.retryAfterMs ?? null });
        this.#forget();
      },
      onMessage: (message) => this.#take(message),
      onDatagram: (bytes) => this.#datagram(bytes),
    });
    this.#connection.start();
    this.#tick();
  }

  close() {
    this.options.clock.cancel(this.#timer);
    this.#wanted.clear();
    this.#connection?.stop();
    this.#connection = null;
  }

  /** The network came back. */
  hurry() {
    this.#connection?.hurry();
  }

  /** @param {string} name */
  async join(name) {
    const joined = this.#byName.get(name);
    if (joined) return joined.info();
    this.#wanted.add(name);
    try {
      return (await this.#join(this.#session(), name)).info();
    } catch (error) {
      if (error instanceof RequestError && error.code !== 'lost') this.#wanted.delete(name);
      throw error;
    }
  }

  /** @param {string} name */
  leave(name) {
    this.#wanted.delete(name);
    const channel = this.#byName.get(name);
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
    const channel = this.#byName.get(name);
    if (!session || !channel) {
      return this.options.emit('floor', { channel: name, phase: 'denied', by: null, cause: 'offline', remainingMs: 0 });
    }
    this.#button.press(session, channel);
  }

  release() {
    this.#button.release();
  }

  /**
   * Somebody is heard, or no longer.
   * @param {number} number
   * @param {number} talker
   * @param {boolean} speaking
   */
  speaking(number, talker, speaking) {
    const channel = this.#byNumber.get(number);
    if (!channel) return;
    const { user = '', name = '' } = channel.roster.get(talker) ?? channel.floor.view().holder ?? {};
    this.options.emit('speaking', { channel: channel.name, talker, user, name, speaking });
  }

  stats() {
    const session = this.#connection?.session;
    const road = session?.road.kind ?? null;
    return { ...this.#counts, ...this.#button.counts, rttMs: session?.rttMs ?? -1, road, hear: this.options.speaker.stats() };
  }

  #session() {
    const session = this.#connection?.session;
    if (!session) throw new RequestError('offline');
    return session;
  }

  /** @param {Session} session */
  #rejoin(session) {
    this.#drainBy = 0;
    for (const name of this.#wanted) {
      this.#join(session, name).catch((error) => {
        if (error.code === 'lost') return;
        this.#wanted.delete(name);
        this.options.emit('left', { channel: name, reason: error.code ?? 'internal' });
      });
    }
  }

  /**
   * @param {Session} session
   * @param {string} name
   */
  async #join(session, name) {
    await session.ask((request) => ({ type: 'join', request, channel: name }));
    const channel = this.#byName.get(name);
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
      const channel = this.#byNumber.get(message.channel);
      if (channel) this.#takeFor(channel, message);
    }
  }

  /** @param {import('./wire/messages.js').Joined} joined */
  #joined(joined) {
    const session = this.#session();
    // Left again before the answer came.
    if (!this.#wanted.has(joined.name)) return session.send({ type: 'leave', channel: joined.channel });
    const channel = new Channel(joined, session.welcome?.floor_renewal_ms ?? 2000, this.options.clock.now());
    this.#byName.set(channel.name, channel);
    this.#byNumber.set(channel.number, channel);
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

  /** @param {Uint8Array} bytes */
  #datagram(bytes) {
    let frame;
    try {
      frame = decode(bytes);
    } catch (error) {
      // Another kind is for a newer client; anything else is counted, and no reason to fall silent.
      if (error instanceof VoiceError && error.fault !== 'kind') this.#counts.framesRefused++;
      return;
    }
    const channel = this.#byNumber.get(frame.channel);
    if (!channel || frame.talker === channel.talker || frame.talkAhead) return;
    this.#counts.framesHeard++;
    const known = channel.floor.voice(frame, channel.roster.get(frame.talker), this.options.clock.now());
    if (known === 'changed') this.#floorChanged(channel);
    if (known !== 'old') this.options.speaker.frame(frame);
  }

  #tick() {
    const { clock, emit } = this.options;
    for (const channel of this.#byName.values()) this.#button.tick(channel);
    const quiet = [...this.#byName.values()].every(({ floor }) => floor.view().holder === null && floor.grant < 0);
    if (this.#drainBy > 0 && (quiet || clock.now() >= this.#drainBy)) this.#connection?.restart();
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
    this.#byName.delete(channel.name);
    this.#byNumber.delete(channel.number);
    if (reason !== 'left') this.#wanted.delete(channel.name);
    if (this.#button.isOn(channel)) this.#button.abort();
    this.options.speaker.silence(channel.number);
    this.options.emit('left', { channel: channel.name, reason });
  }

  /** The session is gone, and with it every number. */
  #forget() {
    this.#button.abort();
    this.#byName.clear();
    this.#byNumber.clear();
    this.options.speaker.silence(null);
  }
}
