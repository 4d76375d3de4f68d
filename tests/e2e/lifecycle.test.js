/** Starting, being watched, and stopping, as one process and as two. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { speech } from './kit/audio.js';
import { assertPlayed, openConsole } from './kit/console.js';
import { Daemon, answers } from './kit/daemon.js';
import { sumOf } from './kit/metrics.js';
import { assertHeard, displayName, legacyUser } from './kit/scene.js';
import { Server, startServer } from './kit/server.js';
import { sleep } from './kit/wait.js';

/** Ctrl-C ends it within this. */
const INTERRUPT_MS = 5000;
/** With nobody there it ends "at once". */
const AT_ONCE_MS = 1500;

/**
 * A server of this test alone.
 * @param {import('node:test').TestContext} t @param {import('./kit/server.js').Options} [options]
 */
async function ownServer(t, options) {
  const server = await startServer(options);
  t.after(() => server.stop('SIGINT'));
  return server;
}

/** What an operator must find, each by the names that count it. */
const expectedMetrics = {
  sessions: /^suara_\w*sessions/,
  members: /^suara_\w*members/,
  'frames in': /^suara_\w*frames\w*(received|_in)/,
  'frames out': /^suara_\w*frames\w*(sent|_out)/,
  'frames dropped by reason': /^suara_\w*dropped\w*_total\{(.*,)?reason="/,
  bytes: /^suara_\w*bytes_total/,
  'floor decisions': /^suara_\w*floor\w*_total\{/,
  'queue age': /^suara_\w*queue_age_seconds_bucket/,
};

// Both at once: they are as long as speech is, and begin and end together.
describe('in each mode', { concurrency: 2 }, () => {
  for (const mode of /** @type {('serve' | 'split')[]} */ (['serve', 'split'])) {
    describe(mode === 'serve' ? 'one process' : 'gateway and bridge as two processes', () => {
      test('says where it is, that it lives and that it is ready', async (t) => {
        const server = await ownServer(t, { mode });
        const files = mode === 'serve' ? ['addresses.json'] : ['addresses.json', 'addresses-bridge.json'];
        for (const [index, file] of files.entries()) {
          const addresses = JSON.parse(readFileSync(join(server.data, file), 'utf8'));
          assert.match(addresses.http, /^127\.0\.0\.1:[1-9]\d*$/);
          assert.match(addresses.metrics, /^127\.0\.0\.1:[1-9]\d*$/);
          if (index === 0) assert.match(addresses.webtransport, /^127\.0\.0\.1:[1-9]\d*$/);
          assert.equal(await answers(`http://${addresses.http}/healthz`), 200);
          assert.equal(await answers(`http://${addresses.http}/readyz`), 200);
          assert.equal(await answers(`http://${addresses.metrics}/metrics`), 200);
          assert.ok(server.daemons[index].log().includes(`http=${addresses.http}`), 'the address is not printed');
        }
        assert.equal(await answers(`${server.url}/api/connect`), 200);
        assert.equal(await answers(`${server.url}/`), 200);
        assert.equal(await answers(`${server.legacyUrl}/socket.io/?EIO=4&transport=polling`), 200);
      });

      test('counts what happens', async (t) => {
        const server = await ownServer(t, { mode });
        const [talker, listener] = [await legacyUser(t, server, 'talker'), await legacyUser(t, server, 'listener')];
        await talker.enter('counted');
        await listener.enter('counted');
        await assertHeard(talker, listener);
        const metrics = await server.metrics();
        for (const [what, name] of Object.entries(expectedMetrics)) {
          assert.ok([...metrics.keys()].some((series) => name.test(series)), `no metric for ${what}`);
        }
        const members = /^suara_members/;
        assert.ok(sumOf(metrics, members) >= 2, 'two members are not counted');
        await talker.disconnect();
        await listener.disconnect();
        await sleep(500);
        assert.equal(sumOf(await server.metrics(), members), 0);
      });

      test('legacy clients and a browser talk', async (t) => {
        const server = await ownServer(t, { mode });
        const console = await openConsole(t, server, 'dispatcher', 'both');
        const [talker, listener] = [await legacyUser(t, server, 'talker'), await legacyUser(t, server, 'listener', { kind: 'python' })];
        await talker.enter('both');
        await listener.enter('both');
        await assertHeard(talker, listener);
        await sleep(1000);
        await assertPlayed(t, console, talker, displayName('talker'), await speech('indonesia'));
      });

      test('ends cleanly within 5 s of SIGINT though somebody talks', async (t) => {
        const server = await startServer({ mode });
        const talker = await legacyUser(t, server, 'talker');
        await talker.enter('interrupted');
        const { samples, rate } = await speech('patrol');
        const talking = talker.say({ samples: samples.slice(0, 3 * rate), rate });
        await sleep(1000);
        for (const { code, ms } of await server.stop('SIGINT')) {
          assert.equal(code, 0);
          assert.ok(ms < INTERRUPT_MS, `${ms} ms`);
        }
        await talker.heard.event('disconnect');
        await talking;
      });

      test('ends at once at SIGTERM when nobody is there', async () => {
        const server = await startServer({ mode });
        for (const { code, ms } of await server.stop('SIGTERM')) {
          assert.equal(code, 0);
          assert.ok(ms < AT_ONCE_MS, `${ms} ms`);
        }
      });
    });
  }
});

test('drains at SIGTERM for as long as it was told while somebody is there', async (t) => {
  const server = await startServer({ args: ['--drain', '3'] });
  const guest = await legacyUser(t, server, 'guest');
  await guest.enter('drained');
  const [{ code, ms }] = await server.stop('SIGTERM');
  assert.equal(code, 0);
  assert.ok(ms < 3000 + AT_ONCE_MS, `${ms} ms`);
  await guest.heard.event('disconnect');
});

test('ends a drain as soon as the last one has gone', async (t) => {
  const server = await startServer({ args: ['--drain', '30'] });
  const guest = await legacyUser(t, server, 'guest');
  await guest.enter('last-one');
  const stopped = server.stop('SIGTERM', 10_000);
  await sleep(300);
  await guest.disconnect();
  assert.equal((await stopped)[0].code, 0);
});

test('keeps its keys: a token outlives a restart, and no secret is readable by others', async (t) => {
  const server = await startServer();
  const token = await server.token({ user: 'old' });
  assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  await server.stop('SIGINT');
  for (const name of readdirSync(server.data).filter((file) => /secret|key/.test(file))) {
    assert.equal(statSync(join(server.data, name)).mode & 0o077, 0, name);
  }

  server.daemons = [];
  await server.start();
  t.after(() => server.stop('SIGINT'));
  const guest = await legacyUser(t, server, 'new', { token });
  await guest.enter('kept');
});

test('serves with metrics on an address of one network alone, and without a name service', async (t) => {
  const others = Object.values(networkInterfaces()).flat().filter((one) => one && !one.internal && one.family === 'IPv4');
  if (others.length === 0) return t.skip('this machine has no other address');
  const metrics = `${others[0]?.address}:0`;
  const server = await ownServer(t, { metrics, args: ['--rtc-announce', 'nobody.invalid'] });
  assert.equal(new URL(`http://${server.addresses.metrics}`).hostname, others[0]?.address);
  assert.equal(await answers(`http://${server.addresses.metrics}/metrics`), 200);
  const ready = await fetch(`${server.url}/readyz`);
  assert.equal(ready.status, 200, 'the bridge has found its gateway');
  assert.match(await ready.text(), /degraded: RTC/);
});

test('refuses development keys on an address that others reach, and says so', async (t) => {
  const server = new Server();
  const args = ['--http', '0.0.0.0:0', '--webtransport', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--data', server.data];
  const daemon = new Daemon('public', args, server.data);
  server.daemons.push(daemon);
  t.after(() => daemon.stop('SIGKILL'));
  const { code } = await daemon.exited;
  assert.notEqual(code, 0);
  assert.match(daemon.log(), /secret|key|loopback/i);
  assert.ok(!existsSync(join(server.data, 'addresses.json')));
});
