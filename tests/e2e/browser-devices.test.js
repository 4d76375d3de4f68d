/** What a console's user sits at: microphone, speaker, and the key that is the button. It is remembered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConsole } from './kit/console.js';
import { sharedServer } from './kit/server.js';
import { until } from './kit/wait.js';

const server = await sharedServer();

/** @param {import('playwright-core').Page} page */
const microphones = (page) => page.locator('#microphone option').evaluateAll((options) =>
  options.map((option) => /** @type {HTMLOptionElement} */ (option).value));

test('a microphone, a speaker and a key of one’s own are chosen, used and remembered', async (t) => {
  const console = await openConsole(t, server, 'desk', 'desk/devices', { name: 'Desk' });
  const mate = await openConsole(t, server, 'mate', 'desk/devices', { name: 'Mate' });
  const { page } = console;
  await page.locator('#open-settings').click();
  await until('the microphones', async () => (await microphones(page)).length > 1);
  const chosen = (await microphones(page)).at(-1) ?? '';
  await page.locator('#microphone').selectOption(chosen);
  const speakers = await page.locator('#speaker option').count();
  if (speakers > 1) await page.locator('#speaker').selectOption({ index: speakers - 1 });
  await page.locator('#talk-key').click();
  await page.keyboard.press('F8');
  assert.equal(await page.locator('#talk-key').textContent(), 'F8');
  await page.locator('#settings button.primary').click();
  assert.match(await page.locator('#talk-hint').textContent() ?? '', /F8/);

  // Also where the space bar would press something else.
  await page.locator('#mute').focus();
  await page.keyboard.down('F8');
  await console.shows('granted');
  await until('the other to hear', async () => (await mate.stats()).framesHeard > 10);
  await page.keyboard.up('F8');
  await console.shows('idle');

  await page.reload();
  await page.locator('#enter').click();
  await console.shows('idle');
  await page.locator('#open-settings').click();
  await until('the choice to be there', async () => await page.locator('#microphone').inputValue() === chosen);
  assert.equal(await page.locator('#talk-key').textContent(), 'F8');
  await page.locator('#talk-key').click();
  await page.keyboard.press('Space');
  assert.equal(await page.locator('#talk-key').textContent(), 'Space bar');
});
