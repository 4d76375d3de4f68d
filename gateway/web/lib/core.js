// The client without a browser: a connection, the channels one is in, and the button. It runs in the worker; sound and
// network are arguments, so that tests run it in Node.

import { Alarm } from './alarm.js';
import { Button } from './button.js';
import { Calls } from './calls.js';
import { deniedFloor } from './channel.js';
import { Channels } from './channels.js';
import { Chat } from './chat.js';
import { EarlyMicrophone } from './early.js';
import { Hearing } from './hearing.js';
import { Inbox } from './inbox.js';
import { Connection } from './reconnect.js';
import { Reports } from './reports.js';
import { RequestError, unlessJoined } from './session.js';
import { KIND_CLOCK } from './wire/clock.js';
import { encodeReport } from './wire/report.js';

/**
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./channel.js').Channel} Channel
 * @typedef {import('./wire/voice.js').VoiceFrame} VoiceFrame
 *
 * @typedef {object} CoreOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {import('./road.js').Roads} roads
 * @property {import('./press-options.js').Microphone} microphone
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
  #inbox;
  /** Private calls and groups. */
  calls;
  /** Emergencies. */
  alarm;
  /** @type {unknown} */
  #timer = null;
  #ticks = 0;
  /** Whether who enters in mid-burst hears it from its start. */
  lateEntry = false;
  /** Where the worker's speaker tells who is audible. */
  hearing;

  /** @param {CoreOptions} options */
  constructor(options) {
    this.options = options;
    const { clock, random, speaker, emit } = options;
    const microphone = new EarlyMicrophone(options.microphone);
    const onFloor = (/** @type {Channel} */ channel) => this.#floorChanged(channel);
    const session = () => this.#session();
    this.calls = new Calls({ channels: this.#channels, session });
    this.reports = new Reports({ now: clock.now, random, channels: this.#channels });
    const onSaid = this.reports.said.bind(this.reports);
    this.#button = new Button({ clock, random, microphone, onFloor, onSaid });
    this.chat = new Chat({
      clock, emit, channels: this.#channels, session: () => this.#connection?.session ?? null,
      newId: () => crypto.randomUUID(),
    });
    this.alarm = new Alarm({ clock, channels: this.#channels, button: this.#button, microphone, session });
    this.hearing = new Hearing({
      channels: this.#channels, speaker, clock, onFloor, emit, session, onFrame: (frame) => this.#report(frame),
    });
    this.#inbox = new Inbox({
      channels: this.#channels, button: this.#button, hearing: this.hearing, speaker, now: clock.now, emit, onFloor,
      session: () => this.#connection?.session ?? null,
      raises: () => this.alarm.asks,
      // It is a kindness: without it one hears what follows.
      onLate: (channel) => this.lateEntry && this.hearing.replay(channel.name, true).catch(() => {}),
      onDraining: ({ deadline_ms, node, avoid }) =>
        this.#connection?.depart(clock.now() + deadline_ms / 2, { node, avoid }),
    });
  }

  /** @param {{url: string, token: string, client: string}} where */
  connect({ url, token, client }) {
    this.close();
    const { clock, random, roads, emit } = this.options;
    this.#connection = new Connection({
      url, token, client, clock, random, roads,
      onState: (state) => {
        if (state.phase === 'ended') this.#button.abort();
        emit('state', state);
      },
      onSession: (session) => this.#rejoin(session),
      onLost: ({ code, reason, retryAfterMs = null }) => {
        emit('closing', { code, reason, retryAfterMs });
        this.#forget();
      },
      onCaughtUp: (session) => this.#button.settle(session),
      onMessage: this.#take,
      onDatagram: (bytes) => (bytes[0] === KIND_CLOCK ? this.reports.answer(bytes) : this.#inbox.datagram(bytes)),
      onRoad: (road) => emit('road', { road }),
      onMoved: (session) => {
        this.#button.suspend();
        this.#channels.doubt();
        this.#rejoin(session);
      },
      onArrived: (session, said) => {
        this.#forget();
        said.forEach(this.#take);
        this.#rejoin(session);
      },
      channels: () => this.#channels.wanted,
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
    this.#button.abort();
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
    this.hearing.leave(name);
    const channel = this.#channels.named(name);
    if (!channel) return;
    this.#connection?.session?.send({ type: 'leave', channel: channel.number });
    this.#inbox.gone(channel, 'left');
    this.chat.left(name);
  }

  /** @param {string} token of the same user */
  async renew(token) {
    const { expires } = await this.#session().ask((request) => ({ type: 'renew', request, token }));
    if (this.#connection) this.#connection.token = token;
    return { expires };
  }

  /**
   * @param {string} name
   * @param {import('./asking.js').Urgency} [urgency]
   */
  press(name, urgency) {
    const session = this.#connection?.session;
    const channel = this.#channels.named(name);
    if (!session || !channel) return this.options.emit('floor', deniedFloor(name, 'offline'));
    this.#button.press(session, channel, urgency);
  }

  release() {
    this.#button.release();
  }

  stats() {
    const { road, rttMs = -1, earlier = 0 } = this.#connection?.session ?? {};
    const hear = this.options.speaker.stats();
    return { ...this.hearing.counts, ...this.#button.counts, rttMs, earlier, road: road?.kind ?? null, hear };
  }

  /** Tells the gateway what is lost on the way to us, which on a WebSocket is nothing. @param {VoiceFrame} frame */
  #report(frame) {
    const session = this.#connection?.session;
    const report = session?.road.kind === 'webtransport' && session.reporter.frame(frame, this.options.clock.now());
    if (report) session.sendDatagram(encodeReport(report));
  }

  /** @param {import('./wire/messages.js').ServerMessage} message */
  #take = (message) => {
    this.#inbox.message(message);
    this.chat.control(message);
  };

  /** The session is gone. A button that is held stays so: the next one may have its grant. */
  #forget() {
    this.#button.suspend();
    this.chat.lost();
    this.#channels.forget();
    this.hearing.silence(null);
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
    const asked = this.options.clock.now();
    await this.hearing.entrances.ask(session, name).catch(unlessJoined);
    const channel = this.#channels.named(name);
    if (!channel) throw new RequestError('left');
    channel.enteredAt = asked;
    return channel;
  }

  #tick() {
    const { clock, emit } = this.options;
    for (const channel of this.#channels.all()) this.#button.tick(channel);
    this.reports.tick(this.#connection?.session ?? null);
    if (++this.#ticks % STATS_EVERY === 0) emit('stats', this.stats());
    this.#timer = clock.after(() => this.#tick(), TICK_MS);
  }

  /** @param {Channel} channel */
  #floorChanged(channel) {
    this.options.emit('floor', channel.floorEvent(this.options.clock.now()));
  }
}
