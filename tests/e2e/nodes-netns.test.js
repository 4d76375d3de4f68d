/** Nodes on hosts of their own: one that Redis can't be reached from, one that is cut off as a whole, and slow lossy ways between them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertSameSpeech, speech } from './kit/audio.js';
import { makeHosts, noHosts, publish, redisThere } from './kit/hosts.js';
import { work } from './kit/paths.js';
import { legacyUser } from './kit/scene.js';
import { Server } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/legacy/client.js').LegacyClient} LegacyClient */

const skip = noHosts() ?? false;
const PCM = /** @type {const} */ ({ codec: 'pcm16', sample_rate: 16_000 });
/** Each node's, on its own host's loopback. */
const PORTS = [8080, 9464];
/** From a link that is there again to one channel: reconnecting backs off, and so does TCP. */
const HEALED_MS = 30_000;

/** Two nodes, each on a host. @param {T} t */
async function twoNodes(t) {
  /** @type {Server[]} */
  const nodes = [];
  const directory = mkdtempSync(join(work, 'suara-secret-'));
  // What runs on a host ends before the host does.
  t.after(async () => {
    await Promise.all(nodes.map((node) => node.stop('SIGINT').catch(() => {})));
    rmSync(directory, { recursive: true });
  });
  const hosts = makeHosts(t, 2);
  const redis = await redisThere(t);
  const secret = join(directory, 'secret');
  writeFileSync(secret, '0123456789abcdef0123456789abcdef', { mode: 0o600 });
  for (const host of hosts) {
    const args = ['--redis', redis, '--peer-secret-file', secret, '--peer', `${host.inner}:8090`];
    const variables = { SUARA_JWT_SECRET_FILE: secret };
    const [http, metrics] = PORTS.map((port) => `127.0.0.1:${port}`);
    publish(t, host, PORTS);
    nodes.push(new Server({ args, variables, http, metrics, before: host.before, host: host.address }));
  }
  await Promise.all(nodes.map((node) => node.start()));
  await Promise.all(nodes.map((node) => shows(node, 'suara_nodes', 2)));
  return { hosts, nodes };
}

/** @param {Server} node @param {string} name @param {number} value @param {number} [ms] @returns {Promise<number>} how long it took */
async function shows(node, name, value, ms = 20_000) {
  const begun = Date.now();
  await until(`${name} to be ${value}`, async () => (await node.metrics().catch(() => null))?.get(name) === value, { ms });
  return Date.now() - begun;
}

/** @param {T} t @param {Server} node @param {string} user */
async function member(t, node, user) {
  const client = await legacyUser(t, node, user);
  await client.enter('yard', PCM);
  return client;
}

const { samples, rate } = await speech('patrol');
const word = { samples: samples.slice(0, 5 * rate), rate };

/** @param {LegacyClient} talker @param {LegacyClient[]} near who hear it @param {LegacyClient[]} [far] who don't */
async function says(talker, near, far = []) {
  for (const client of [...near, ...far]) client.heard.clear();
  await talker.say(word);
  for (const client of near) {
    await client.heard.silence(700);
    assertSameSpeech(word, client.heard.pcm(PCM.sample_rate));
  }
  for (const client of far) assert.equal(client.heard.chunks.length, 0);
}

/** Voice has connections of its own, which may be back later than those of control. @param {Server} node */
async function joined(node) {
  const isWhole = async () => !(await (await fetch(`${node.url}/readyz`)).text()).includes('degraded');
  await until('Redis to be found', isWhole, { ms: HEALED_MS });
  await sleep(1000);
}

test('a node that Redis can’t be reached from serves its own, and is one of all when it can', { skip }, async (t) => {
  const { hosts: [host], nodes: [cut, other] } = await twoNodes(t);
  const [one, near] = [await member(t, cut, 'one'), await member(t, cut, 'near')];
  const [far, farther] = [await member(t, other, 'far'), await member(t, other, 'farther')];
  await says(one, [near, far]);

  host.cut('inner');
  t.diagnostic(`cut off: said so after ${await shows(cut, 'suara_channels_split', 1)} ms`);
  assert.match(await (await fetch(`${cut.url}/readyz`)).text(), /^ready\n(.*\n)*degraded: no Redis/);
  await says(one, [near], [far, farther]);
  // Redis is there for the other node: it isn't split, and decides once the lease is over.
  await shows(other, 'suara_channels_owned', 1);
  await says(far, [farther], [one, near]);
  assert.doesNotMatch(await (await fetch(`${other.url}/readyz`)).text(), /degraded/);

  host.heal('inner');
  t.diagnostic(`healed: one channel after ${await shows(cut, 'suara_channels_split', 0, HEALED_MS)} ms`);
  await Promise.all([cut, other].map((node) => shows(node, 'suara_nodes', 2)));
  await joined(cut);
  await says(one, [near, far, farther]);
  await says(farther, [one, near, far]);
});

test('a host that is cut off is missed, and comes back with its clients', { skip }, async (t) => {
  const { hosts: [host], nodes: [cut, other] } = await twoNodes(t);
  const [one, far, farther] = [await member(t, cut, 'one'), await member(t, other, 'far'), await member(t, other, 'farther')];
  await says(one, [far, farther]);

  host.cut('inner');
  host.cut('clients');
  t.diagnostic(`cut off: missed after ${await shows(other, 'suara_nodes', 1)} ms`);
  await shows(other, 'suara_channels_owned', 1);
  await says(far, [farther]);

  host.heal('clients');
  host.heal('inner');
  t.diagnostic(`healed: there after ${await shows(other, 'suara_nodes', 2, HEALED_MS)} ms`);
  await shows(cut, 'suara_channels_split', 0, HEALED_MS);
  // An answer: its client's TCP has noticed, too.
  await one.enter('yard', PCM);
  await joined(cut);
  await says(one, [far, farther]);
  assert.deepEqual(one.heard.named('disconnect'), [], 'its client waited');
});

test('slow and lossy ways between nodes and Redis cost time, and nothing else', { skip }, async (t) => {
  const { hosts, nodes } = await twoNodes(t);
  for (const host of hosts) {
    const wrong = host.impair('delay 25ms loss 2.5%');
    if (wrong) return t.skip(`ways can't be made worse here, netem is missing: ${wrong}`);
  }
  const [one, far] = [await member(t, nodes[0], 'one'), await member(t, nodes[1], 'far')];
  await says(one, [far]);
  await says(far, [one]);
  for (const node of nodes) assert.equal((await node.metrics()).get('suara_channels_split'), 0);
});
