/**
 * The modern console as tests use it: by its own keys where a person would use them, and by the hook that the page
 * offers to tests, `globalThis.suaraConsole`:
 *
 *   ready: Promise<void>                  fulfilled once the session is welcomed
 *   join(channel: string): Promise<void>  what choosing a channel does; fulfilled once joined
 *   state(): {transport: 'webtransport' | 'websocket', talking: boolean, talker: string | null}
 *   recorder.start(): void                from now on keeps what the decoder puts out, in order, without the playout
 *   recorder.stop(): {rate: number, samples: Float32Array}
 */
import { openPage } from './browser.js';
import { until } from './wait.js';

/** @typedef {import('playwright-core').Page} Page */

export class Console {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {string} channel */
  async join(channel) {
    await this.page.evaluate((name) => /** @type {any} */ (globalThis).suaraConsole.join(name), channel);
  }

  /** @returns {Promise<{transport: string, talking: boolean, talker: string | null}>} */
  state() {
    return this.page.evaluate(() => /** @type {any} */ (globalThis).suaraConsole.state());
  }

  /** Holds the space bar until the floor is granted. */
  async press() {
    await this.page.keyboard.down('Space');
    await until('the floor', async () => (await this.state()).talking, { ms: 5000 });
  }

  async release() {
    await this.page.keyboard.up('Space');
  }

  async startRecording() {
    await this.page.evaluate(() => /** @type {any} */ (globalThis).suaraConsole.recorder.start());
  }

  /** @returns {Promise<import('./wav.js').Pcm>} */
  async stopRecording() {
    const { rate, samples } = await this.page.evaluate(async () => {
      const recorded = await /** @type {any} */ (globalThis).suaraConsole.recorder.stop();
      return { rate: recorded.rate, samples: Array.from(recorded.samples, (sample) => Math.round(sample * 32767)) };
    });
    return { rate, samples: Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, sample))) };
  }
}

/**
 * Enters the console with a token of its own; it ends with the test.
 * @param {import('node:test').TestContext} t
 * @param {import('./server.js').Server} server
 * @param {string} user
 * @param {import('./browser.js').BrowserOptions & {name?: string, channels?: string[]}} [options]
 */
export async function openConsole(t, server, user, { name, channels, ...browser } = {}) {
  const token = await server.token({ user, name, role: 'dispatcher', channels });
  const page = await openPage(t, browser);
  await page.goto(`${server.url}/#token=${token}`);
  await page.waitForFunction(() => 'suaraConsole' in globalThis, undefined, { timeout: 10_000 });
  await page.evaluate(() => /** @type {any} */ (globalThis).suaraConsole.ready);
  return new Console(page);
}
