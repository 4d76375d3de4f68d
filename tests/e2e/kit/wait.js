/** Waiting, always within a bound. */

/** @param {number} ms @returns {Promise<void>} */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/**
 * Asks until the answer is truthy.
 * @template T
 * @param {string} what is awaited, for the error
 * @param {() => T | Promise<T>} ask
 * @param {{ms?: number, everyMs?: number}} [bound]
 * @returns {Promise<NonNullable<Awaited<T>>>}
 */
export async function until(what, ask, { ms = 10_000, everyMs = 20 } = {}) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await sleep(everyMs);
  }
}

/**
 * @template T
 * @param {string} what @param {Promise<T>} promise @param {number} ms
 * @returns {Promise<T>}
 */
export async function within(what, promise, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([promise, late]));
  } finally {
    clearTimeout(timer);
  }
}
