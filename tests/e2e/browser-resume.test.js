/** A console that loses its transport: what it was about goes on when it is back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { microphone, speech } from './kit/audio.js';
import { openConsole } from './kit/console.js';
import { legacyUser } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { Line } from './kit/tcp.js';
import { closedPort } from './kit/udp.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */

/**
 * A console by WebSocket, on a line that can be cut, and a guard by Socket.IO.
 * @param {T} t @param {string} channel
 */
async function onALine(t, channel) {
  const server = await startServer({ args: ['--webtransport-announce', `https://127.0.0.1:${await closedPort()}/v1/wt`] });
  t.after(() => server.stop('SIGINT'));
  const line = await Line.lay(t, server.addresses.http);
  const guard = await legacyUser(t, server, 'guard');
  await guard.enter(channel, { sample_rate: 16000 });
  const console = await openConsole(t, server, 'dispatcher', channel, {
    road: 'websocket', url: `http://${line.at}`, microphone: await microphone(await speech('dispatch')),
  });
  await console.page.evaluate(() => {
    const phases = /** @type {string[]} */ ([]);
    Object.assign(globalThis, { phases });
    const { client } = /** @type {any} */ (globalThis).suara;
    for (const type of ['state', 'floor']) {
      client.addEventListener(type, (/** @type {CustomEvent} */ { detail }) => phases.push(`${type} ${detail.phase}`));
    }
  });
  const cut = async () => {
    line.cut();
    await until('the loss to be noticed', () => console.page.evaluate(() => /** @type {any} */ (globalThis).phases.includes('state waiting')));
    await until('the console to be back', () => console.page.evaluate(() => /** @type {any} */ (globalThis).phases.at(-1) !== 'state waiting'
      && /** @type {any} */ (globalThis).suara.client.state.phase === 'online'));
  };
  return { guard, console, cut };
}

test('a button that is held through a loss goes on talking under the same grant', async (t) => {
  const { guard, console, cut } = await onALine(t, 'quay');
  await console.press();
  await guard.heard.event('floor_taken');
  await until('voice before the loss', () => guard.heard.chunks.length > 20);
  await cut();
  await console.shows('granted');
  const before = guard.heard.chunks.length;
  await until('voice after the loss', () => guard.heard.chunks.length > before + 50);
  assert.deepEqual(guard.heard.named('floor_idle'), [], 'the floor was never given back');
  assert.equal(guard.heard.named('floor_taken').length, 1, 'it is one burst');
  await console.release();
  await guard.heard.event('floor_idle');
  await console.shows('idle');
});

test('one who waits in the queue keeps its place through a loss', async (t) => {
  const { guard, console, cut } = await onALine(t, 'wharf');
  await guard.call('floor_request');
  const keeping = setInterval(() => void guard.emit('voice_packet', Buffer.alloc(640, 1)), 20);
  t.after(() => clearInterval(keeping));
  await console.shows('taken');
  await console.page.keyboard.down('Space');
  await console.shows('queued');
  await cut();
  await console.shows('queued');
  clearInterval(keeping);
  await guard.call('floor_release');
  await console.shows('granted');
  const before = guard.heard.chunks.length;
  await until('its voice', () => guard.heard.chunks.length > before + 20);
  await console.release();
  await sleep(500);
  assert.equal((await console.state()).look, 'idle');
});
