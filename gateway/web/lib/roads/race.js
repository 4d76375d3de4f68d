// Which road to take: WebTransport, and a WebSocket where that fails or takes too long (PROTOCOL.md, section 3.5).

import { BEST } from '../road.js';

/**
 * @typedef {import('../road.js').Road} Road
 * @typedef {import('../road.js').RoadKind} RoadKind
 * @typedef {import('../road.js').OpenRoad} OpenRoad
 * @typedef {import('../road.js').Roads} Roads
 * @typedef {import('../wire/connect.js').ConnectDocument} ConnectDocument
 * @typedef {import('../clock.js').Clock} Clock
 */

/** Where UDP works, QUIC's handshake takes two round trips; where it is swallowed, nothing ever tells. */
export const HEAD_START_MS = 1200;

/** Firefox waits for ever where nobody listens. */
const OPEN_TIMEOUT_MS = 8000;

/** @implements {Roads} */
export class RoadRace {
  /** What opened first the last time on this network; the other one is only tried when it fails. @type {RoadKind | null} */
  preferred = null;

  /**
   * @param {object} options
   * @param {Clock} options.clock
   * @param {typeof import('../wire/connect.js').fetchConnect} options.fetchConnect
   * @param {Record<RoadKind, OpenRoad>} options.openers
   */
  constructor(options) {
    this.options = options;
  }

  /**
   * @param {string} base
   * @param {import('../wire/connect.js').Leaving} [leaving]
   */
  async open(base, leaving) {
    return this.#within(async (signal) => {
      const { clock, fetchConnect, openers } = this.options;
      const gateway = await fetchConnect(base, signal, leaving);
      if (!gateway.websocket) return openers.webtransport(gateway, signal);
      /** @type {RoadKind[]} */
      const order = this.preferred === 'websocket' ? ['websocket', 'webtransport'] : ['webtransport', 'websocket'];
      const [first, second] = order.map((kind) => (/** @type {AbortSignal} */ lost) => openers[kind](gateway, lost));
      const road = await race({ first, second, clock, signal });
      this.preferred = road.kind;
      return road;
    });
  }

  /** @param {string} base */
  async openBest(base) {
    return this.#within(async (signal) => {
      const { fetchConnect, openers } = this.options;
      const road = await openers[BEST](await fetchConnect(base, signal), signal);
      this.preferred = BEST;
      return road;
    });
  }

  /** @param {(signal: AbortSignal) => Promise<Road>} run */
  async #within(run) {
    const { clock } = this.options;
    const over = new AbortController();
    const timer = clock.after(() => over.abort(new Error('the gateway does not answer')), OPEN_TIMEOUT_MS);
    try {
      return await run(over.signal);
    } finally {
      clock.cancel(timer);
    }
  }
}

/**
 * The first road that opens. The second sets out after the head start, or at once when the first fails; the loser is
 * aborted, and closed if it got there all the same.
 * @param {object} runners
 * @param {(signal: AbortSignal) => Promise<Road>} runners.first
 * @param {(signal: AbortSignal) => Promise<Road>} runners.second
 * @param {Clock} runners.clock
 * @param {AbortSignal} runners.signal
 * @returns {Promise<Road>} rejected with the first one's error when both fail
 */
export function race({ first, second, clock, signal }) {
  return new Promise((resolve, reject) => {
    const lost = new AbortController();
    const abort = () => lost.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    /** @type {unknown[]} */
    const errors = [];
    /** @type {Road | null} */
    let winner = null;
    let secondIsOff = false;
    /** @param {Promise<Road>} road */
    const arrives = (road) => road.then((arrived) => {
      if (winner) return arrived.close('the other road was faster');
      winner = arrived;
      over();
      lost.abort(new Error('the other road was faster'));
      resolve(arrived);
    }, (error) => {
      errors.push(error);
      if (winner) return;
      if (errors.length === 1) setOut();
      if (errors.length === 2) {
        over();
        reject(errors[0]);
      }
    });
    const setOut = () => {
      if (secondIsOff) return;
      secondIsOff = true;
      arrives(second(lost.signal));
    };
    const over = () => {
      clock.cancel(headStart);
      signal.removeEventListener('abort', abort);
    };
    const headStart = clock.after(setOut, HEAD_START_MS);
    arrives(first(lost.signal));
  });
}
