// How long to wait before the next attempt (PROTOCOL.md, section 3.4). Pure: randomness and durations are arguments.

/** Cap of the first delay. */
export const FIRST_MS = 500;
/** Cap of any delay: higher leaves a guard without a radio, lower makes a storm of a city's restart. */
export const LONGEST_MS = 30_000;
/** A session that lasted so long was a good one: the ladder starts over. */
export const STABLE_MS = 10_000;

// The same attempt would end the same way. `normal` is the answer to one's own leave; after `replaced` a newer session of
// the same client goes on.
const FATAL = new Set([
  'normal', 'unauthenticated', 'token_expired', 'kicked', 'origin_refused', 'unsupported_version', 'replaced',
]);

/**
 * Whether to stay away after a session ended with `code`; a code that isn't known is worth another try.
 * @param {string} code
 */
export function isFatal(code) {
  return FATAL.has(code);
}

/** Exponential backoff with full jitter. */
export class Backoff {
  #attempt = 0;

  /**
   * The delay before the next attempt.
   * @param {{random: number, lastedMs?: number, retryAfterMs?: number}} what `random` from [0, 1); how long the session
   *   that ended had lasted; what the gateway asked for
   */
  next({ random, lastedMs = 0, retryAfterMs = 0 }) {
    if (lastedMs >= STABLE_MS) this.#attempt = 0;
    const cap = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#attempt);
    this.#attempt = Math.min(this.#attempt + 1, 16);
    // On top of what was asked for, not instead: a thousand clients that were told the same second still spread.
    return retryAfterMs + random * cap;
  }
}
