/**
 * The console as its user has it: enters by the link, holds the space bar, reads the page. What it plays is recorded by
 * its hook for tests, `globalThis.suara` (gateway/web/ui/hooks.js).
 */
import assert from 'node:assert/strict';
import { assertSameSpeech } from './audio.js';
import { openPage } from './browser.js';
import { sleep, until } from './wait.js';

/** @typedef {import('playwright-core').Page} Page */

/** @typedef {'webtransport' | 'websocket'} Road */

export class Console {
  /**
   * @param {Page} page
   * @param {Road | null} road that its session is to be on; null while it may move
   */
  constructor(page, road) {
    this.page = page;
    this.road = road;
  }

  /** Waits until its session is on that road: on a busy machine the other one may be faster at first. @param {Road} road */
  async goes(road) {
    this.road = road;
    await until(`the console to go by ${road}`, async () => (await this.stats()).road === road, { ms: 60_000 });
  }

  /** @returns {Promise<{connection: string, channel: string, look: string, me: number}>} what the page shows */
  state() {
    return this.page.evaluate(() => /** @type {any} */ (globalThis).suara.state());
  }

  /** @param {string} look `idle`, `taken`, `granted`, `denied`… */
  async shows(look) {
    await until(`the console to show ${look}`, async () => (await this.state()).look === look).catch(async (late) => {
      throw new Error(`${late.message}; it shows ${JSON.stringify(await this.state())}`);
    });
  }

  /** The name of the talker, as the page says it. */
  talker() {
    return this.page.locator('#state-text').textContent();
  }

  /** Holds the space bar until the floor is granted. */
  async press() {
    await this.page.keyboard.down('Space');
    await this.shows('granted');
  }

  async release() {
    await this.page.keyboard.up('Space');
  }

  async startRecording() {
    await this.page.evaluate(() => /** @type {any} */ (globalThis).suara.recorder.start());
  }

  /** What was played since, before volume: in real time, silence and concealment included. @returns {Promise<import('./wav.js').Pcm>} */
  async stopRecording() {
    const { sampleRate, pcm } = await this.page.evaluate(() => /** @type {any} */ (globalThis).suara.recorder.stop());
    const floats = new Float32Array(new Uint8Array(Buffer.from(pcm, 'base64')).buffer);
    const clipped = Array.from(floats, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32767))));
    return { rate: sampleRate, samples: Int16Array.from(clipped) };
  }

  /** Counters of the voice path. @returns {Promise<any>} */
  stats() {
    return this.page.evaluate(() => /** @type {any} */ (globalThis).suara.stats());
  }
}

/**
 * Enters a channel by the link, with a token of its own; the browser ends with the test.
 * @param {import('node:test').TestContext} t
 * @param {import('./server.js').Server} server
 * @param {string} user
 * @param {string} channel
 * @param {import('./browser.js').BrowserOptions & {name?: string, role?: string, road?: Road, url?: string, channels?: string[], ttl?: string, connect?: {webtransport: string}}} [options] `url`: by another
 *   way than straight; `channels` and `ttl`: as in `suara token`; `connect`: what the gateway announces otherwise, for this one
 */
export async function openConsole(t, server, user, channel, { name, role = 'dispatcher', road = 'webtransport', url = server.url, channels, ttl, connect, ...browser } = {}) {
  const token = await server.token({ user, name, role, channels, ttl });
  const page = await openPage(t, browser);
  // Browsers take voice for noise when they clean it up; what is tested here is the way, not the cleaning.
  if (connect) await announce(page, connect);
  await page.goto(`${url}/#${new URLSearchParams({ token, channel, processing: 'off' })}`);
  await page.locator('#enter').click();
  const console = new Console(page, road);
  await console.shows('idle');
  await console.goes(road);
  return console;
}

/** @param {Page} page @param {{webtransport: string}} otherwise where UDP is said to be */
async function announce(page, { webtransport }) {
  await page.route('**/api/connect', async (route) => {
    const answer = await route.fetch().catch(() => null);
    if (!answer) return route.abort();
    const json = await answer.json();
    await route.fulfill({ response: answer, json: { ...json, webtransport: { ...json.webtransport, url: webtransport } } });
  });
}

/** From the last chunk sent until the console has played it, its jitter buffer at its longest. */
const TAIL_MS = 1500;
/** How much later the jitter buffer may play when voice comes late; on a quiet machine it stays where it is. */
const JITTER_MS = 120;
/** What is played is played in real time: where something else takes the machine's time, once more. */
const ATTEMPTS = 3;

/**
 * Says it from a legacy client in the console's channel; the console shows who talks, loses nothing on the way, and
 * plays that speech. Tries again only when the console's own counters say that voice came late.
 * @param {import('node:test').TestContext} t
 * @param {Console} console
 * @param {import('./legacy/client.js').LegacyClient} talker @param {string} name the talker's
 * @param {import('./wav.js').Pcm} said @param {number[]} [sizes] of the chunks in bytes
 */
export async function assertPlayed(t, console, talker, name, said, sizes) {
  for (let attempt = 1; ; attempt++) {
    const before = (await console.stats()).hear;
    await console.startRecording();
    const speaking = talker.say(said, { sizes });
    await console.shows('taken');
    assert.equal(await console.talker(), name);
    await speaking;
    await sleep(TAIL_MS);
    const recorded = await console.stopRecording();
    const { hear, road } = await console.stats();
    t.diagnostic(JSON.stringify(hear));
    if (console.road) assert.equal(road, console.road);
    assert.equal(hear.lost, 0, 'frames were lost on their way');
    try {
      return assertSameSpeech(said, recorded, { driftMs: JITTER_MS });
    } catch (difference) {
      const disturbed = ['caughtUp', 'skipped', 'late'].some((counter) => hear[counter] > (before[counter] ?? 0));
      if (!disturbed || attempt === ATTEMPTS) throw difference;
      t.diagnostic(`voice came late on a busy machine, once more: ${/** @type {Error} */ (difference).message}`);
    }
  }
}
