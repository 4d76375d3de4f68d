/** Emergencies reach who is to hear of them, wherever that one talks, and their author knows whom they reach. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConsole } from './kit/console.js';
import { startServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('./kit/console.js').Console} Console */

const GUARD = ['*:listen,talk', 'emergency:listen,talk,emergency'];
const DESK = ['*:listen,talk,dispatch'];

/** @param {import('node:test').TestContext} t @param {string} [microphoneMs] */
async function start(t, microphoneMs = '3000') {
  const server = await startServer({ args: ['--emergency-microphone-ms', microphoneMs] });
  t.after(() => server.stop('SIGINT'));
  return server;
}

/** @param {Console} console @param {string} selector */
const seen = (console, selector) => console.page.locator(selector).first().waitFor({ timeout: 20_000 });
/** @param {Console} console @param {string} selector @param {RegExp} text */
const says = (console, selector, text) => until(`${selector} to say ${text}`, async () =>
  text.test((await console.page.locator(selector).allTextContents()).join('\n')));

/** @param {Console} console */
async function raise({ page }) {
  await page.locator('#emergency').focus();
  await page.keyboard.down('Enter');
  await page.locator('#emergency[data-open]').waitFor({ timeout: 20_000 });
  await page.keyboard.up('Enter');
}

test('a dispatcher who talks elsewhere hears of an emergency, and its author is told of how many do', async (t) => {
  const server = await start(t);
  const desk = await openConsole(t, server, 'desk', 'ops', { name: 'Desk', channels: DESK });
  const guard = await openConsole(t, server, 'budi', 'ops', { name: 'Budi', channels: GUARD });
  await says(desk, '#watching', /emergency/);
  assert.equal(await desk.page.locator('#monitors').isVisible(), false, 'quietly');

  await raise(guard);
  await seen(desk, '.alert');
  await says(desk, '.alert', /Budi/);
  await until('the desk to hear', async () => (await desk.stats()).framesHeard > 20);
  await says(guard, '.alert-heard', /: 1$/);
  await says(guard, '.alert-open', /Microphone open in “emergency”/);
  assert.equal((await desk.state()).channel, 'ops');
  await until('the microphone to close', async () => await guard.page.locator('.alert-open').count() === 0);

  // Who answers talks there, and comes back without losing the next one.
  await desk.page.locator('.alert-talk').click();
  await until('the desk to talk there', async () => (await desk.state()).channel === 'emergency');
  await desk.press();
  await until('the author to hear', async () => (await guard.stats()).framesHeard > 20);
  await desk.release();
  await desk.page.locator('.channel', { hasText: 'ops' }).click();
  await until('the desk to be back', async () => (await desk.state()).channel === 'ops');
  await desk.page.locator('.alert-end').click();
  await until('the alert to be gone', async () => await guard.page.locator('.alert').count() === 0);
  await raise(guard);
  await seen(desk, '.alert');
});

test('an emergency that nobody hears says so, until somebody comes', async (t) => {
  const server = await start(t, '60000');
  const guard = await openConsole(t, server, 'budi', 'ops', { name: 'Budi', channels: GUARD });
  await says(guard, '#people-alone', /Nobody else is here yet/);
  await says(guard, '#state-hint', /Nobody else is here yet/);
  await raise(guard);
  await says(guard, '.alert-heard', /Nobody hears it/);
  await says(guard, '#state-text', /Microphone open/);
  const desk = await openConsole(t, server, 'desk', 'yard', { name: 'Desk', channels: DESK });
  await seen(desk, '.alert');
  await says(guard, '.alert-heard', /: 1$/);
});

test('the emergency channel’s rights decide about the button, whatever those of the shown one are', async (t) => {
  const server = await start(t);
  const may = await openConsole(t, server, 'budi', 'ops', { channels: ['ops*:listen,talk', 'emergency:listen,talk,emergency'] });
  const not = await openConsole(t, server, 'eko', 'ops', { channels: ['ops*:listen,talk,emergency'] });
  await seen(may, '#emergency');
  assert.equal(await may.page.locator('#peril').isVisible(), false);
  await seen(not, '#peril');
  await sleep(1000);
  assert.equal(await not.page.locator('#emergency').isVisible(), false);
  await raise(may);
  await seen(may, '.alert');
});

test('the token’s end is told before, a fresh one is taken in place, and who has none is told why it is out', async (t) => {
  const server = await start(t);
  const stays = await openConsole(t, server, 'budi', 'ops', { ttl: '40s' });
  await says(stays, '#expiry-text', /less than a minute/);
  await stays.page.locator('#expiry-token').fill('nonsense');
  await stays.page.locator('#expiry button[type="submit"]').click();
  await says(stays, '.notice', /not accepted/);
  await stays.page.locator('#expiry-token').fill(await server.token({ user: 'budi' }));
  await stays.page.locator('#expiry button[type="submit"]').click();
  await says(stays, '.notice', /renewed/);
  await stays.page.locator('#expiry').waitFor({ state: 'hidden' });

  const soon = await openConsole(t, server, 'sari', 'ops', { ttl: '5m' });
  await says(soon, '#expiry-text', /ends in [45] min/);
  await soon.page.locator('#expiry-later').click();
  await soon.page.locator('#expiry').waitFor({ state: 'hidden' });

  const out = await openConsole(t, server, 'eko', 'ops', { ttl: '20s' });
  await out.page.locator('#entry').waitFor({ timeout: 60_000 });
  await says(out, '.notice', /The token has expired/);
  assert.equal((await stays.state()).connection, 'online');
});
