/** The livechat as both sides have it in Chromium: the reference client in a page, and the console's inbox. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPage } from './kit/browser.js';
import { openConsole } from './kit/console.js';
import { repository } from './kit/paths.js';
import { sharedServer } from './kit/server.js';
import { until } from './kit/wait.js';

const server = await sharedServer();
const WAIT = { ms: 20_000 };

/** A visitor's page with the reference client, as a site has it. @param {import('node:test').TestContext} t @param {string} name */
async function visitor(t, name) {
  const page = await openPage(t);
  // Any page of the server's own origin without a policy of its own.
  await page.goto(`${server.url}/healthz`);
  await page.addScriptTag({ type: 'module', content: readFileSync(join(repository, 'clients/livechat/suara-livechat.js'), 'utf8') });
  await page.evaluate(([url, name]) => {
    const { SuaraLivechat } = /** @type {any} */ (globalThis);
    const chat = new SuaraLivechat({ url, name });
    const heard = /** @type {string[]} */ ([]);
    chat.on('message', (/** @type {any} */ { from, text }) => {
      heard.push(`${SuaraLivechat.plain(from)}: ${SuaraLivechat.plain(text)}`);
      // What comes is safe to be put in as markup.
      document.body.insertAdjacentHTML('beforeend', `<p>${from}: ${text}</p>`);
    });
    Object.assign(globalThis, { chat, heard });
    chat.connect();
  }, [server.url, name]);
  await until('the visitor is let in', () => page.evaluate(() => /** @type {any} */ (globalThis).chat.state === 'open'), WAIT);
  return page;
}

test('a visitor in a page and one of staff in the console write to each other', async (t) => {
  const console = await openConsole(t, server, 'penyiar-1', 'studio', { name: 'Penyiar A', role: 'penyiar' });
  const script = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>';
  const budi = await visitor(t, 'Budi di Solo');
  const sari = await visitor(t, 'Sari <b>Dewi</b>');
  const sent = await budi.evaluate((text) => /** @type {any} */ (globalThis).chat.send(text), script);
  assert.equal(sent.messageId, 1);
  await sari.evaluate(() => /** @type {any} */ (globalThis).chat.send('Halo penyiar!'));

  const { page } = console;
  await until('two wait for an answer', async () => (await page.locator('#inbox-count').textContent()) === '2', WAIT);
  await page.locator('#inbox-open').click();
  await page.locator('.visitor', { hasText: 'Budi di Solo' }).click();
  await until('his message', async () => (await page.locator('#inbox-lines p').allTextContents()).includes(script), WAIT);
  assert.notEqual(await page.title(), 'broken', 'it is text, whatever it looks like');
  await budi.evaluate(() => /** @type {any} */ (globalThis).chat.typing());
  await until('who writes', async () => (await page.locator('#inbox-typing').textContent())?.includes('Budi di Solo') ?? false, WAIT);

  const answer = `Segera diputar! ${script}`;
  await page.locator('#inbox-text').fill(answer);
  await page.keyboard.press('Enter');
  const heard = () => budi.evaluate(() => /** @type {any} */ (globalThis).heard);
  await until('the answer', async () => (await heard()).length === 1, WAIT);
  assert.deepEqual(await heard(), [`Penyiar A: ${answer}`]);
  assert.notEqual(await budi.title(), 'broken');
  await until('his answer is shown', async () => (await page.locator('#inbox-lines p').allTextContents()).includes(answer), WAIT);
  await until('one waits still', async () => (await page.locator('#inbox-count').textContent()) === '1', WAIT);
  assert.deepEqual(await sari.evaluate(() => /** @type {any} */ (globalThis).heard), [], 'nobody else hears of it');
  if (process.env.SUARA_SCREENSHOTS) await page.screenshot({ path: `${process.env.SUARA_SCREENSHOTS}/inbox.png` });

  await sari.close();
  await until('she has gone', () => page.locator('.visitor[data-state="gone"]', { hasText: 'Sari' }).count(), WAIT);
});

test('who is no staff has no inbox', async (t) => {
  const { page } = await openConsole(t, server, 'guard-1', 'studio', { name: 'Guard', role: 'guard' });
  await visitor(t, 'Dewi');
  await page.waitForTimeout(500);
  assert.equal(await page.locator('#inbox-open').isVisible(), false);
});
