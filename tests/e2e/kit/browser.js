/** Headless Chromium with a microphone that plays a file, by playwright-core and Debian's package. */
import { chromium } from 'playwright-core';

export const executable = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
];

/**
 * @typedef {object} BrowserOptions
 * @property {string} [microphone] a WAV file; it is repeated for ever from when the page opens the microphone
 * @property {'light' | 'dark'} [colorScheme]
 * @property {{width: number, height: number}} [viewport]
 * @property {string} [locale] the browser's language
 * @property {string[]} [flags] more flags of the browser
 */

/**
 * Opens a browser with one page; both end with the test. What the page complains of is shown if the test fails.
 * @param {import('node:test').TestContext} t
 * @param {BrowserOptions} [options]
 * @returns {Promise<import('playwright-core').Page>}
 */
export async function openPage(t, { microphone, colorScheme = 'light', viewport, locale = 'en-GB', flags = [] } = {}) {
  const capture = microphone ? [`--use-file-for-fake-audio-capture=${microphone}`] : [];
  const browser = await chromium.launch({ executablePath: executable, args: [...FLAGS, ...capture, ...flags] });
  t.after(() => browser.close());
  const size = viewport ?? { width: 1280, height: 800 };
  const context = await browser.newContext({ colorScheme, viewport: size, locale, permissions: ['microphone'] });
  const page = await context.newPage();
  page.on('pageerror', (error) => t.diagnostic(`the page failed: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) t.diagnostic(`the page's ${message.type()}: ${message.text()}`);
  });
  return page;
}
