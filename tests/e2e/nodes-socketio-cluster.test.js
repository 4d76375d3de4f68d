/** Nodes on a Redis Cluster behind a balancer that knows nothing of sessions: each session's key is in a slot of its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createClient } from 'redis';
import { legacyClient } from './kit/legacy/index.js';
import { startNginx } from './kit/nginx.js';
import { metric, startNodes } from './kit/nodes.js';
import { startCluster } from './kit/redis.js';
import { until } from './kit/wait.js';

/** Sessions: of so many some are on each master. */
const CLIENTS = 12;
/** A client asks so often, each with an answer. */
const ROUNDS = 8;
/** Not the one that is usual: what nodes have in Redis obeys it. */
const PREFIX = 'site-2';

test('each client’s session goes on at whichever node is asked, whatever master knows of it', async (t) => {
  const cluster = await startCluster(t);
  const nodes = await startNodes(t, 3, ['--redis', cluster.url, '--redis-prefix', PREFIX]);
  const nginx = await startNginx(t, nodes.map((node) => node.bridgeAddresses.http));
  // Ordinary messages go by any master: the last one isn’t where nodes listen.
  const publisher = createClient({ url: cluster.nodes[2].url });
  publisher.on('error', () => {});
  await publisher.connect();
  t.after(() => publisher.destroy());

  const clients = await Promise.all(Array.from({ length: CLIENTS }, async (_, n) => {
    const [client, user] = [legacyClient('js4'), `user-${n}`];
    t.after(() => client.disconnect());
    const transports = /** @type {('polling' | 'websocket')[]} */ (n % 2 ? ['polling'] : ['polling', 'websocket']);
    const outcome = await client.connect(nginx.url, { token: await nodes[0].token({ user }), transports });
    assert.ok(outcome.connected, `${user}: ${JSON.stringify(outcome)}`);
    await until(`${user}’s upgrade`, async () => (await client.transport()) === transports.at(-1));
    return { client, user };
  }));
  const at = cluster.nodes.map(({ port }) => keys(port, `${PREFIX}:sid:*`));
  assert.ok(at.every((count) => count > 0), `sessions at each master: ${at}`);
  assert.deepEqual(cluster.nodes.map(({ port }) => keys(port, 'suara:*')), [0, 0, 0]);

  await Promise.all(clients.map(async ({ client, user }) => {
    for (let round = 0; round < ROUNDS; round++) {
      await client.enter(`${user}-${round % 2}`);
      const notification = { event: 'notification', payload: round, room: `user_${user}` };
      await publisher.publish('socket:broadcast', JSON.stringify(notification));
    }
    const told = () => client.heard.named('notification').map(({ args: [round] }) => round);
    await until(`what ${user} is told`, () => told().length >= ROUNDS);
    assert.deepEqual(told(), Array.from({ length: ROUNDS }, (_, round) => round), `${user} is told once, in order`);
    assert.deepEqual(client.heard.named('disconnect'), [], user);
  }));
  assert.deepEqual(nginx.requests().filter(({ status }) => status >= 400), [], 'nobody was refused anything');
  const forwarded = await Promise.all(nodes.map((node) => metric(node, 'forwarded_total', 'outcome="answered"')));
  assert.ok(forwarded.every((count) => count > 0), `asked of others: ${forwarded}`);
});

/** How many keys of that pattern a master has. @param {number} port @param {string} pattern */
function keys(port, pattern) {
  const said = execFileSync('redis-cli', ['-p', String(port), '--scan', '--pattern', pattern], { encoding: 'utf8' });
  return said.split('\n').filter(Boolean).length;
}
