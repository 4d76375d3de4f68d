/** Three nodes on one Redis and one PostgreSQL: a channel of them all, and one that dies without a word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertSameSpeech, microphone, speech } from './kit/audio.js';
import { assertPlayed, openConsole } from './kit/console.js';
import { Postgres } from './kit/postgres.js';
import { startCluster, startRedis } from './kit/redis.js';
import { displayName, legacyUser } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/server.js').Server} Server */

/** @param {Server} server @param {string} path */
async function said(server, path) {
  const response = await fetch(`${server.url}${path}`);
  return response.text();
}

/** @param {T} t @param {number} count */
async function nodes(t, count) {
  const redis = await startRedis(t);
  return { redis, servers: await nodesOn(t, count, redis.url) };
}

/** @param {T} t @param {number} count @param {string} redis its URL */
async function nodesOn(t, count, redis) {
  const args = ['--redis', redis, '--database', new Postgres(t).url];
  const servers = await Promise.all(Array.from({ length: count }, () => startServer({ args })));
  t.after(() => Promise.all(servers.map((server) => server.stop('SIGINT').catch(() => {}))));
  for (const server of servers) {
    await until('the node to find the others', async () => {
      const metrics = await server.metrics();
      return metrics.get('suara_nodes') === count;
    }, { ms: 20_000 });
  }
  return servers;
}

test('on a Redis Cluster of three masters members of three nodes hear each other in channels of each', async (t) => {
  const cluster = await startCluster(t);
  const servers = await nodesOn(t, 3, cluster.url);
  const { samples, rate } = await speech('patrol');
  const word = { samples: samples.slice(0, 5 * rate), rate };
  // Each channel’s topics and keys are on one master; of so many some are on each.
  await Promise.all(['north', 'south', 'east', 'west', 'harbour', 'tower'].map(async (channel) => {
    const clients = await Promise.all(servers.map(async (server, n) => {
      const client = await legacyUser(t, server, `${channel}-${n}`);
      await client.enter(channel, { codec: 'pcm16', sample_rate: 16000 });
      return client;
    }));
    // All are in before anybody talks.
    await sleep(300);
    const [talker, ...listeners] = clients;
    await talker.say(word);
    for (const listener of listeners) {
      await listener.heard.silence(700);
      assertSameSpeech(word, listener.heard.pcm(16000));
    }
  }));
});

test('a browser at one node and Socket.IO clients at others hear each other, also when the node that decides is killed', async (t) => {
  const { servers: [first, second, third] } = await nodes(t, 3);
  const [asked, answered] = [await speech('patrol'), await speech('dispatch')];
  // Who comes first makes its node the one that decides.
  const early = await legacyUser(t, third, 'early');
  await early.enter('yard', { codec: 'pcm16', sample_rate: 16000 });
  const console = await openConsole(t, first, 'dispatcher', 'yard', { microphone: await microphone(answered) });
  const guard = await legacyUser(t, second, 'guard');
  await guard.enter('yard', { codec: 'pcm16', sample_rate: 16000 });

  await assertPlayed(t, console, guard, displayName('guard'), asked);
  guard.heard.clear();
  await console.press();
  await sleep((answered.samples.length / answered.rate + 1) * 2000);
  await console.release();
  await guard.heard.silence(1000);
  t.diagnostic(JSON.stringify(assertSameSpeech(answered, guard.heard.pcm(16000))));

  const killed = sleep(1000).then(() => third.stop('SIGKILL'));
  await assertPlayed(t, console, guard, displayName('guard'), asked);
  await killed;
  // And the floor has an owner again.
  await until('another node to decide', async () => {
    const owned = await Promise.all([first, second].map(async (server) => (await server.metrics()).get('suara_channels_owned')));
    return owned.some((channels) => (channels ?? 0) > 0);
  }, { ms: 10_000 });
  await assertPlayed(t, console, guard, displayName('guard'), asked);
});

test('without Redis the nodes go on for their own, and say so', async (t) => {
  const { redis, servers: [first, second] } = await nodes(t, 2);
  const one = await legacyUser(t, first, 'one');
  const other = await legacyUser(t, second, 'other');
  const near = await legacyUser(t, first, 'near');
  for (const client of [one, other, near]) await client.enter('yard', { codec: 'pcm16', sample_rate: 16000 });

  await redis.kill();
  await until('the split', async () => (await first.metrics()).get('suara_channels_split') === 1, { ms: 10_000 });
  assert.match(await said(first, '/readyz'), /^ready\n(.*\n)*degraded: no Redis/);
  const word = await speech('patrol');
  near.heard.clear();
  await one.say(word);
  await near.heard.silence(1000);
  assertSameSpeech(word, near.heard.pcm(16000));

  await redis.start();
  await until('the end of the split', async () => {
    const split = await Promise.all([first, second].map(async (server) => (await server.metrics()).get('suara_channels_split')));
    return split.every((channels) => channels === 0);
  }, { ms: 20_000 });
  // Voice has connections of its own.
  await until('Redis to be found', async () => {
    const texts = await Promise.all([first, second].map((server) => said(server, '/readyz')));
    return texts.every((text) => !text.includes('degraded'));
  }, { ms: 20_000 });
  other.heard.clear();
  await one.say(word);
  await other.heard.silence(1000);
  assertSameSpeech(word, other.heard.pcm(16000));
});
