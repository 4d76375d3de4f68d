// Keeps one session going: connects, waits, connects again (PROTOCOL.md, section 3.4). Knows no channel.

import { Backoff, isFatal } from './backoff.js';
import { Move, STILL_MS } from './move.js';
import { BEST } from './road.js';
import { DEAF, Session } from './session.js';
import { KIND_CLOCK } from './wire/clock.js';

/**
 * @typedef {import('./session.js').SessionEnd} SessionEnd
 * @typedef {import('./wire/messages.js').Welcome} Welcome
 *
 * @typedef {{phase: 'connecting'} | {phase: 'online', user: string, name: string, role: string, expires: number}
 *   | {phase: 'waiting', retryInMs: number, code: string, reason: string}
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
 * @property {() => void} onMoved it is another session now, without a gap: numbers are told anew
 * @property {() => string[]} wanted the channels that one is in
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
  #voiceAt = -Infinity;
  /** A secret that serves once: whoever has it has the session's places. */
  #resume = '';

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
  }

  #handlers() {
    const { onMessage, onDatagram, clock } = this.options;
    return {
      onMessage,
      onDatagram: (/** @type {Uint8Array} */ bytes) => {
        if (bytes[0] !== KIND_CLOCK) this.#voiceAt = clock.now();
        onDatagram(bytes);
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

  /** Moves to a fresh session at once; the gateway announced its stop. */
  restart() {
    this.#session?.close('draining', 'going_away');
  }

  stop() {
    this.#stopped = true;
    this.options.clock.cancel(this.#timer);
    this.#timer = null;
    this.#stay();
    this.#session?.close('left');
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    const session = this.#session;
    if (!session) return;
    const { user, name, role, expires } = welcome;
    this.#resume = welcome.resume ?? '';
    this.options.onState({ phase: 'online', user, name, role, expires });
    this.options.onSession(session, welcome);
    this.#onRoad(session);
  }

  /** @param {Session} session */
  #onRoad(session) {
    const { options } = this;
    options.onRoad(session.road.kind);
    if (session.road.kind === BEST) return;
    this.#move = new Move({
      clock: options.clock,
      open: () => options.roads.openBest(options.url),
      who: () => ({ token: this.token, client: options.client }),
      wanted: options.wanted,
      quiet: () => !session.asks && options.clock.now() - this.#voiceAt >= STILL_MS && options.mayMove(),
      onMove: (better, messages) => this.#moved(better, messages),
    });
  }

  /**
   * The same connection by another road: nobody is told of an end.
   * @param {Session} session
   * @param {import('./wire/messages.js').ServerMessage[]} messages what was said on it so far
   */
  #moved(session, messages) {
    const before = this.#session;
    this.#move = null;
    this.#session = session;
    this.#resume = session.welcome?.resume ?? '';
    this.#since = this.options.clock.now();
    session.handTo(this.#handlers());
    before?.handTo(DEAF);
    before?.close('moved to a better road');
    this.options.onMoved();
    for (const message of messages) this.options.onMessage(message);
    this.#onRoad(session);
  }

  #stay() {
    this.#move?.stop();
    this.#move = null;
  }

  /** @param {SessionEnd} end */
  #ended(end) {
    const lastedMs = this.options.clock.now() - this.#since;
    const wasOnline = this.session !== null;
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
