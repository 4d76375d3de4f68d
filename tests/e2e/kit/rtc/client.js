/** A page with `mediasoup-client`, as tests have it; what runs in it is `kit/rtc/page.js`. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { openPage } from '../browser.js';
import { until } from '../wait.js';
import { toSamples } from '../wav.js';
import { bundle } from './bundle.js';

/**
 * What is needed of a page, whichever library drives its browser.
 * @typedef {object} Page
 * @property {(run: (argument: any) => any, argument?: any) => Promise<any>} evaluate
 * @property {(url: string) => Promise<any>} goto
 * @property {() => Promise<void>} close
 */
/** @typedef {{code?: string, [field: string]: any}} Data */
/** @typedef {{type: string, data: Data}} Frame */

export class RtcPage {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** Runs a method of the page's client. @param {string} method @param {any} [argument] @returns {Promise<any>} */
  call(method, argument) {
    const run = async (/** @type {{method: string, argument: any}} */ { method, argument }) => {
      const client = /** @type {any} */ (globalThis).rtc;
      // A client of a library is no value that can leave the page.
      return JSON.parse(JSON.stringify((await client[method](argument)) ?? null));
    };
    return this.page.evaluate(run, { method, argument });
  }

  /** @param {string} type @param {Data} [data] @returns {Promise<any>} the answer */
  ask(type, data) {
    const run = (/** @type {any} */ { type, data }) => /** @type {any} */ (globalThis).rtc.ask(type, data);
    return this.page.evaluate(run, { type, data });
  }

  /** @returns {Promise<Frame[]>} all frames so far that answered nothing */
  events() {
    return this.page.evaluate(() => /** @type {any} */ (globalThis).rtc.events);
  }

  /** @param {string} type @returns {Promise<Data>} of the first event of this type, once it has come */
  async event(type) {
    const find = async () => (await this.events()).find((frame) => frame.type === type);
    return (await until(`the event ${type}`, find)).data;
  }

  /**
   * What was played since `call('record')`, of one producer or of what was consumed last.
   * @param {string} [producerId] @returns {Promise<import('../wav.js').Pcm>}
   */
  async recorded(producerId) {
    return { samples: toSamples(Buffer.from(await this.call('recorded', producerId), 'base64')), rate: 48000 };
  }
}

/** The server's flags that let the pages connect, which come from elsewhere. */
export const RTC_FLAGS = ['--origin', 'http://127.0.0.1:*'];

/** @type {Map<string, Promise<string>>} */
const sites = new Map();

/** Where a page with this script is served; it ends with the process. @param {string} script @returns {Promise<string>} */
function site(script) {
  const made = sites.get(script) ?? serve(script);
  sites.set(script, made);
  return made;
}

/** @param {string} script */
async function serve(script) {
  const server = createServer(({ url }, response) => {
    const [type, body] = url === '/page.js' ? ['text/javascript', script] : ['text/html', '<script src="page.js"></script>'];
    response.setHeader('content-type', `${type}; charset=utf-8`).end(body);
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return `http://127.0.0.1:${port}/`;
}

/**
 * Opens a page and logs it in; the browser ends with the test.
 * @param {import('node:test').TestContext} t
 * @param {import('../server.js').Server} server
 * @param {string} user @param {string} channel
 * @param {import('../browser.js').BrowserOptions & {library?: import('./bundle.js').Library}} [options]
 */
export async function openRtc(t, server, user, channel, { library, ...browser } = {}) {
  return logIn(await openPage(t, browser), server, user, channel, library);
}

/**
 * Logs a page in that is open.
 * @param {Page} page @param {import('../server.js').Server} server
 * @param {string} user @param {string} channel @param {import('./bundle.js').Library} [library]
 */
export async function logIn(page, server, user, channel, library = 'mediasoup-client') {
  const token = await server.token({ user });
  await page.goto(await site(await bundle(library)));
  const url = `${server.legacyUrl.replace('http', 'ws')}/rtc/ws?${new URLSearchParams({ token, channel })}`;
  await page.evaluate(async (url) => {
    const all = /** @type {any} */ (globalThis);
    all.rtc = await all.openRtc(url);
  }, url);
  const client = new RtcPage(page);
  const { routerRtpCapabilities } = await client.event('welcome');
  await client.call('load', routerRtpCapabilities);
  return client;
}
