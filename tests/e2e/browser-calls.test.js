/** Calls and emergencies in consoles, and at a legacy client. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openConsole } from './kit/console.js';
import { legacyUser } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('./kit/console.js').Console} Console */

/** Long enough to be seen open, short enough to be waited for. */
const MICROPHONE_MS = 3000;

/** @param {import('node:test').TestContext} t */
async function server(t) {
  const server = await startServer({ args: ['--emergency-microphone-ms', String(MICROPHONE_MS)] });
  t.after(() => server.stop('SIGINT'));
  return server;
}

/** @param {Console} console @param {string} selector */
const visible = (console, selector) => until(`${selector} to be seen`, () => console.page.locator(selector).first().isVisible());
/** @param {Console} console @param {string} selector */
const hidden = (console, selector) => until(`${selector} to be gone`, async () => !await console.page.locator(selector).first().isVisible());
/** @param {Console} console */
const heard = async (console) => (await console.stats()).framesHeard;

describe('private calls', () => {
  test('two call each other, and a third in their channel hears nothing', async (t) => {
    const at = await server(t);
    const budi = await openConsole(t, at, 'budi', 'yard', { name: 'Budi' });
    const sari = await openConsole(t, at, 'sari', 'yard', { name: 'Sari' });
    const eko = await openConsole(t, at, 'eko', 'yard', { name: 'Eko' });

    await budi.page.locator('#people-list li', { hasText: 'Sari' }).locator('.call-one').click();
    await visible(budi, '.call');
    await visible(sari, '.call');
    assert.match(await sari.page.locator('.call').textContent() ?? '', /Budi/);
    await budi.page.locator('.call-talk').hover();
    await budi.page.mouse.down();
    await until('Sari to hear', async () => await heard(sari) > 20);
    await budi.page.mouse.up();
    assert.deepEqual([await heard(eko), await eko.page.locator('.call').count()], [0, 0]);

    await budi.page.locator('.call-end').click();
    await hidden(sari, '.call');
    await hidden(budi, '.call');
    await budi.press();
    await eko.shows('taken');
    await budi.release();
  });

  test('a legacy client is called, hears the call alone, and answers', async (t) => {
    const at = await server(t);
    const budi = await openConsole(t, at, 'budi', 'dock', { name: 'Budi' });
    const called = await legacyUser(t, at, 'sari');
    const other = await legacyUser(t, at, 'eko');
    for (const client of [called, other]) await client.enter('dock');

    await budi.page.locator('#people-list li', { hasText: 'sari Wijaya' }).locator('.call-one').click();
    await visible(budi, '.call');
    const channel = await budi.page.locator('.call').getAttribute('data-channel');
    await budi.page.locator('.call-talk').hover();
    await budi.page.mouse.down();
    await called.heard.voiceOf(16_000);
    await budi.page.mouse.up();
    assert.equal(other.heard.voice().length, 0);

    const before = await heard(budi);
    const answer = await called.call('join_channel', { channel_id: channel });
    assert.equal(answer.status, 'ok');
    await called.say({ samples: new Int16Array(16_000).fill(1000), rate: 16_000 });
    await until('Budi to hear the answer', async () => await heard(budi) > before + 20);
    assert.equal(other.heard.voice().length, 0);
  });
});

/** Who may raise an emergency, and end another's. */
const channels = ['*:listen,talk,emergency,dispatch'];

describe('an emergency', () => {
  test('is raised by one action, is shown to others until it is over, and its microphone closes by itself', async (t) => {
    const at = await server(t);
    const guard = await openConsole(t, at, 'budi', 'gate', { name: 'Budi', channels });
    const watch = await openConsole(t, at, 'sari', 'emergency', { name: 'Sari', channels });

    await guard.page.locator('#emergency').hover();
    await guard.page.mouse.down();
    await sleep(1300);
    await guard.page.mouse.up();
    await visible(watch, '.alert');
    assert.match(await watch.page.locator('.alert').textContent() ?? '', /Budi/);
    await watch.shows('taken');
    assert.equal(await watch.talker(), 'Budi');
    await until('the watch to hear', async () => await heard(watch) > 20);
    await watch.shows('idle');

    await watch.page.locator('.alert-end').click();
    await hidden(watch, '.alert');
    await hidden(guard, '.alert');
  });

  test('a tap of the button raises none', async (t) => {
    const at = await server(t);
    const guard = await openConsole(t, at, 'budi', 'gate', { name: 'Budi', channels });
    const watch = await openConsole(t, at, 'sari', 'emergency', { name: 'Sari', channels });
    await guard.page.locator('#emergency').click();
    await sleep(1500);
    assert.equal(await watch.page.locator('.alert').count(), 0);
    assert.equal((await watch.state()).look, 'idle');
  });
});
