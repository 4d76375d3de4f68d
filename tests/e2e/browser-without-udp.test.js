/** A browser whose network blocks UDP: it talks and hears by WebSocket, and comes back when UDP works. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertSameSpeech, microphone, speech } from './kit/audio.js';
import { assertPlayed, openConsole } from './kit/console.js';
import { displayName, legacyUser } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { closedPort, Tunnel } from './kit/udp.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */

/**
 * A server that sends its clients' UDP to another port than its own.
 * @param {T} t @param {number} port
 */
async function serverBehind(t, port) {
  const server = await startServer({ args: ['--webtransport-announce', `https://127.0.0.1:${port}/v1/wt`] });
  t.after(() => server.stop('SIGINT'));
  return server;
}

/**
 * Speech both ways between a browser without UDP and a legacy client.
 * @param {T} t @param {import('./kit/server.js').Server} server
 */
async function assertBothWays(t, server) {
  const [asked, answered] = [await speech('patrol'), await speech('dispatch')];
  const dispatcher = { road: /** @type {const} */ ('websocket'), microphone: await microphone(answered) };
  const console = await openConsole(t, server, 'dispatcher', 'yard', dispatcher);
  const guard = await legacyUser(t, server, 'guard');
  await guard.enter('yard', { codec: 'pcm16', sample_rate: 16000 });
  await console.page.locator('#quality-text').getByText('TCP').waitFor({ state: 'visible', timeout: 5000 });

  await assertPlayed(t, console, guard, displayName('guard'), asked);

  guard.heard.clear();
  await console.press();
  await sleep((answered.samples.length / answered.rate + 1) * 2000);
  await console.release();
  await guard.heard.silence(1000);
  const report = assertSameSpeech(answered, guard.heard.pcm(16000));
  t.diagnostic(JSON.stringify(report));
  assert.equal((await server.metrics()).get('suara_websockets'), 1);
}

// Both at once: they are as long as speech is, and begin and end together.
describe('without UDP a browser talks and hears by WebSocket', { concurrency: 2 }, () => {
  test('where the port is closed', async (t) => {
    await assertBothWays(t, await serverBehind(t, await closedPort()));
  });

  test('where packets are swallowed', async (t) => {
    const tunnel = await Tunnel.dig(t);
    await assertBothWays(t, await serverBehind(t, tunnel.port));
    assert.ok(tunnel.swallowed > 0, 'WebTransport was not even tried');
  });
});

test('when UDP works again it comes back between two bursts, and nothing is lost or heard twice', async (t) => {
  const tunnel = await Tunnel.dig(t);
  const server = await serverBehind(t, tunnel.port);
  const guard = await legacyUser(t, server, 'guard');
  const console = await openConsole(t, server, 'dispatcher', 'gate', { road: 'websocket' });
  await guard.enter('gate', { sample_rate: 16000 });
  await console.page.evaluate(() => {
    const seen = /** @type {string[]} */ ([]);
    Object.assign(globalThis, { seen });
    const { client } = /** @type {any} */ (globalThis).suara;
    for (const type of ['state', 'left', 'road']) {
      client.addEventListener(type, (/** @type {CustomEvent} */ { detail }) => seen.push(`${type} ${detail.phase ?? detail.road}`));
    }
  });

  const { me } = await console.state();
  // It looks after five seconds: in mid-burst.
  console.road = null;
  tunnel.openTo(Number(server.addresses.webtransport?.split(':').at(-1)));
  await assertPlayed(t, console, guard, displayName('guard'), await speech('patrol'));
  await console.goes('webtransport');
  await assertPlayed(t, console, guard, displayName('guard'), await speech('medic'));

  const seen = await console.page.evaluate(() => /** @type {any} */ (globalThis).seen);
  assert.deepEqual(seen, ['road webtransport'], 'it was online and in its channel all the time');
  assert.equal((await console.state()).me, me, 'it has the place that it had');
  await until('the WebSocket to be closed', async () => (await server.metrics()).get('suara_websockets') === 0);
  assert.equal((await server.metrics()).get('suara_members'), 2);
});
