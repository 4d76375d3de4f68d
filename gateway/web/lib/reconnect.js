// Keeps one session going: connects, waits, connects again (PROTOCOL.md, section 3.4). Knows no channel.

import { Backoff, isFatal } from './backoff.js';
import { Departure } from './departure.js';
import { AFTER_MOVE_MS, Move, STILL_MS } from './move.js';
import { BEST } from './road.js';
import { DEAF, Session } from './session.js';
import { KIND_CLOCK } from './wire/clock.js';

/**
 * @typedef {import('./session.js').SessionEnd} SessionEnd
 * @typedef {import('./wire/messages.js').Welcome} Welcome
 *
 * @typedef {{phase: 'connecting'} | {phase: 'waiting', retryInMs: number, code: string, reason: string}
 *   | {phase: 'online', user: string, name: string, role: string, expires: number, emergencyChannel: string | null}
 *   | {phase: 'ended', code: string, reason: string}} ConnectionState
 *
 * @typedef {object} ConnectionOptions
 * @property {string} url the gateway's HTTP address
 * @property {string} token
 * @property {string} client
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {import('./road.js').Roads} roads
 * @property {(state: ConnectionState) => void} onState
 * @property {(session: Session, welcome: Welcome) => void} onSession a fresh session: join again
 * @property {(end: SessionEnd) => void} onLost the session that was handed out is over
 * @property {(message: import('./wire/messages.js').ServerMessage) => void} onMessage
 * @property {(bytes: Uint8Array) => void} onDatagram
 * @property {(road: import('./road.js').RoadKind) => void} onRoad where the session runs
 * @property {(session: Session) => void} onMoved it is another session now, with the same places: each is told anew
 * @property {(session: Session) => void} onCaughtUp what the gateway has to say of a session that was resumed is said
 * @property {import('./departure.js').DepartureOptions['onArrived']} onArrived it is a fresh session at another gateway now
 * @property {() => Iterable<string>} channels where one wants to be
 * @property {() => boolean} mayMove whether nobody talks, and one doesn't either
 */

export class Connection {
  #backoff = new Backoff();
  /** @type {Session | null} */
  #session = null;
  #stopped = false;
  /** @type {unknown} */
  #timer = null;
  #since = 0;
  /** While the road could be better. @type {Move | null} */
  #move = null;
  /** While the gateway is about to stop. @type {Departure | null} */
  #departure = null;
  #voiceAt = -Infinity;
  /** A secret that serves once: whoever has it has the session's places. */
  #resume = '';
  /** Numbers of requests that are used up: the next session may be this one, resumed. */
  #requests = 0;
  /** How the session ended while another was taking its place. @type {SessionEnd | null} */
  #replacedBy = null;
  /** What the last one still has under way, after a move. @type {Session | null} */
  #before = null;

  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.options = options;
    this.token = options.token;
  }

  /** The session, once it has its welcome. */
  get session() {
    return this.#session?.welcome ? this.#session : null;
  }

  async start() {
    const { options } = this;
    this.#timer = null;
    options.onState({ phase: 'connecting' });
    let road;
    try {
      road = await options.roads.open(options.url);
    } catch (error) {
      return this.#retry({ code: 'lost', reason: error instanceof Error ? error.message : String(error) }, 0);
    }
    if (this.#stopped) return road.close('left');
    this.#since = options.clock.now();
    const { client, clock } = options;
    const resume = this.#resume;
    this.#session = new Session(road, { token: this.token, client, clock, resume, ...this.#handlers() },
      (welcome) => this.#welcomed(welcome));
    this.#session.countFrom(this.#requests);
  }

  #handlers() {
    const { onMessage, onDatagram, clock } = this.options;
    return {
      onMessage,
      onDatagram: (/** @type {Uint8Array} */ bytes) => {
        if (bytes[0] !== KIND_CLOCK) this.#voiceAt = clock.now();
        onDatagram(bytes);
      },
      onCaughtUp: () => {
        if (this.#session) this.options.onCaughtUp(this.#session);
      },
      onEnd: (/** @type {SessionEnd} */ end) => this.#ended(end),
    };
  }

  /** The network came back: don't wait out what is left of the delay. */
  hurry() {
    this.#move?.hurry();
    if (this.#timer === null || this.#stopped) return;
    this.options.clock.cancel(this.#timer);
    this.start();
  }

  /** The gateway is about to stop: goes to another. @type {(by: number, leaving: import('./wire/connect.js').Leaving) => void} */
  depart(by, leaving) {
    const { options } = this;
    if (this.#departure || !this.session) return;
    this.#stay();
    this.#departure = new Departure({
      clock: options.clock, by, channels: options.channels,
      open: () => options.roads.open(options.url, leaving),
      who: () => ({ token: this.token, client: options.client }),
      quiet: this.#isQuiet,
      onArrived: (session, said) => this.#arrived(session, said),
      onNowhere: () => this.#session?.close('draining', 'going_away'),
    });
  }

  #isQuiet = () => {
    const { clock, mayMove } = this.options;
    return !this.#session?.asks && clock.now() - this.#voiceAt >= STILL_MS && mayMove();
  };

  /**
   * @param {Session} session
   * @param {import('./wire/messages.js').ServerMessage[]} said
   */
  #arrived(session, said) {
    const before = this.#session;
    this.#departure = null;
    this.#session = session;
    this.#resume = session.welcome?.resume ?? '';
    this.#since = this.options.clock.now();
    before?.handTo(DEAF);
    session.handTo(this.#handlers());
    this.options.onArrived(session, said);
    before?.close('moved to another gateway');
    this.#onRoad(session);
  }

  stop() {
    this.#stopped = true;
    this.options.clock.cancel(this.#timer);
    this.#timer = null;
    this.#stay();
    this.#before?.close('left');
    this.#session?.close('left');
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    const session = this.#session;
    if (!session) return;
    const { user, name, role, expires, emergency_channel: emergencyChannel = null } = welcome;
    this.#resume = welcome.resume ?? '';
    this.options.onState({ phase: 'online', user, name, role, expires, emergencyChannel });
    this.options.onSession(session, welcome);
    this.#onRoad(session);
  }

  /** @param {Session} session */
  #onRoad(session) {
    const { options } = this;
    options.onRoad(session.road.kind);
    if (session.road.kind === BEST || !this.#resume) return;
    this.#move = new Move({
      clock: options.clock,
      open: () => options.roads.openBest(options.url),
      who: () => ({ token: this.token, client: options.client, resume: this.#resume }),
      quiet: this.#isQuiet,
      onMove: (better) => this.#moved(better),
      onFailed: () => {
        const end = this.#replacedBy;
        this.#replacedBy = null;
        // The gateway gave its place to one that never got here.
        if (end) this.#ended(end.code === 'replaced' ? { code: 'lost', reason: 'the way to a better road broke off' } : end);
      },
    });
  }

  /**
   * The same connection by another road: nobody is told of an end.
   * @param {Session} session that took the old one's place
   */
  #moved(session) {
    const before = this.#session;
    const { clock, onMoved } = this.options;
    const handlers = this.#handlers();
    this.#move = null;
    this.#replacedBy = null;
    this.#session = session;
    this.#before = before;
    this.#resume = session.welcome?.resume ?? '';
    this.#since = clock.now();
    session.countFrom(before?.requests ?? 0);
    session.handTo(handlers);
    // Its messages are older than what is told now; voice that is still under way on the slower road is heard.
    before?.handTo({ ...DEAF, onDatagram: handlers.onDatagram });
    clock.after(() => before?.close('moved to a better road'), AFTER_MOVE_MS);
    onMoved(session);
    this.#onRoad(session);
  }

  #stay() {
    this.#move?.stop();
    this.#move = null;
    this.#departure?.stop();
    this.#departure = null;
  }

  /** @param {SessionEnd} end */
  #ended(end) {
    // The one that takes its place is under way, and this is perhaps how one hears of it first.
    if (this.#move?.takesOver && !this.#stopped && (end.code === 'replaced' || !isFatal(end.code))) {
      this.#replacedBy = end;
      return;
    }
    const lastedMs = this.options.clock.now() - this.#since;
    const wasOnline = this.session !== null;
    this.#requests = this.#session?.requests ?? this.#requests;
    this.#session = null;
    this.#stay();
    if (wasOnline) this.options.onLost(end);
    this.#retry(end, wasOnline ? lastedMs : 0);
  }

  /**
   * @param {SessionEnd} end
   * @param {number} lastedMs
   */
  #retry(end, lastedMs) {
    const { code, reason, retryAfterMs } = end;
    if (this.#stopped || isFatal(code)) {
      this.#stopped = true;
      return this.options.onState({ phase: 'ended', code, reason });
    }
    const retryInMs = this.#backoff.next({ random: this.options.random(), lastedMs, retryAfterMs });
    this.options.onState({ phase: 'waiting', retryInMs, code, reason });
    this.#timer = this.options.clock.after(() => this.start(), retryInMs);
  }
}
