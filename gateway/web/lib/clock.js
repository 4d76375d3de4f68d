// Time as an argument: what waits takes a Clock, so that tests drive it.

/**
 * @typedef {object} Clock
 * @property {() => number} now milliseconds, never going back
 * @property {(run: () => void, ms: number) => unknown} after runs once, later
 * @property {(timer: any) => void} cancel
 */

/** @type {Clock} */
export const realClock = {
  now: () => performance.now(),
  after: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer),
};
