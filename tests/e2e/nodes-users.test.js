/** Users of two nodes on one Redis and one PostgreSQL: signaling, notifications, the livechat, and who is thrown out. */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { createClient } from 'redis';
import { WebSocket } from 'ws';
import { Livechat } from '../../clients/livechat/suara-livechat.js';
import { legacyClient } from './kit/legacy/index.js';
import { sumOf } from './kit/metrics.js';
import { work } from './kit/paths.js';
import { Postgres } from './kit/postgres.js';
import { startRedis } from './kit/redis.js';
import { Server } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/legacy/client.js').LegacyClient} LegacyClient */
/** @typedef {{role?: string, kind?: import('./kit/legacy/index.js').Kind}} Who */

const WAIT_MS = 10_000;
const file = /** @type {any} */ ({ after: (/** @type {() => void} */ end) => ends.unshift(end) });
/** @type {(() => unknown)[]} what is to be ended, the last begun first */
const ends = [];
after(async () => {
  for (const end of ends) await end();
});

const redis = await startRedis(file);
const database = new Postgres(file);
const secret = join(mkdtempSync(join(work, 'suara-secret-')), 'jwt.secret');
writeFileSync(secret, '0123456789abcdef0123456789abcdef', { mode: 0o600 });
const [one, other] = await startNodes();
const service = await one.token({ user: 'billing', args: ['--scope', 'service'] });

async function startNodes() {
  const args = ['--redis', redis.url, '--database', database.url];
  const nodes = [0, 1].map(() => new Server({ args, variables: { SUARA_JWT_SECRET_FILE: secret } }));
  file.after(() => Promise.all(nodes.map((node) => node.stop('SIGINT'))));
  await Promise.all(nodes.map((node) => node.start()));
  const counted = async (/** @type {Server} */ node) => sumOf(await node.metrics(), /^suara_nodes$/);
  const ready = async (/** @type {Server} */ node) => (await (await fetch(`${node.url}/readyz`)).text()) === 'ready\n';
  for (const node of nodes) await until('the nodes to see each other', async () => (await ready(node)) && (await counted(node)) === 2, { ms: WAIT_MS });
  return nodes;
}

/** @param {T} t @param {Server} node @param {string} user @param {Who} [who] */
async function client(t, node, user, { role = 'guard', kind = 'js4' } = {}) {
  const [token, legacy] = [await one.token({ user, role }), legacyClient(kind)];
  t.after(() => legacy.disconnect());
  const outcome = await legacy.connect(node.legacyUrl, { token });
  assert.ok(outcome.connected, JSON.stringify(outcome));
  return legacy;
}

/** @param {Server} node @param {string} method @param {string} path @param {unknown} [body] */
async function api(node, method, path, body) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${service}` };
  const response = await fetch(`${node.url}${path}`, { method, headers, body: JSON.stringify(body) });
  return { status: response.status, body: response.status === 204 ? null : /** @type {any} */ (await response.json()) };
}

/** @param {LegacyClient} legacy @param {string} event @param {any[]} expected the first arguments */
async function gets(legacy, event, expected) {
  const got = () => legacy.heard.named(event).map(({ args }) => args[0]);
  await until(`${expected.length} × ${event}`, () => got().length >= expected.length, { ms: WAIT_MS }).catch(() => {});
  assert.deepEqual(got(), expected);
}

describe('signaling', () => {
  for (const kind of /** @type {import('./kit/legacy/index.js').Kind[]} */ (['js4', 'python'])) {
    test(`${kind} finds a peer of the other node, signals and goes`, async (t) => {
      const room = `pair-${kind}`;
      const [first, second] = [await client(t, one, 'first'), await client(t, other, 'second', { kind })];
      assert.deepEqual(await first.call('join_room', { room }), []);
      const peers = await until('the room to be known', async () => {
        await second.call('leave_room', { room });
        const found = await second.call('join_room', { room });
        return found.length === 1 && found;
      });
      const { peerId: firstId, ...who } = peers[0];
      assert.deepEqual(who, { role: 'guard', userId: 'first' });
      const secondId = await until('the newcomer', () => first.heard.named('new_peer').at(-1)?.args[0].peerId);
      for (const signal of [{ type: 'offer', sdp: 'v=0\r\n', deep: [[{ x: null }]] }, { candidate: 'candidate:1 1 udp 1' }]) {
        second.heard.clear();
        first.heard.clear();
        assert.deepEqual(await second.call('signal', { targetId: firstId, signal }), { status: 'ok' });
        assert.deepEqual((await first.heard.event('signal')).args, [{ fromId: secondId, signal }]);
        await first.emit('signal', { targetId: secondId, signal });
        assert.deepEqual((await second.heard.event('signal')).args, [{ fromId: firstId, signal }]);
      }
      const stranger = await client(t, other, 'stranger');
      await stranger.call('join_room', { room: 'elsewhere' });
      assert.equal((await stranger.call('signal', { targetId: firstId, signal: 1 })).status, 'error');
      await second.disconnect();
      assert.deepEqual((await first.heard.event('peer_disconnected')).args, [{ peerId: secondId }]);
      await sleep(200);
      assert.equal(first.heard.named('peer_disconnected').length, 1);
    });
  }
});

describe('notifications', () => {
  test('of either way reach clients of both nodes once', async (t) => {
    const near = await client(t, one, 'ann', { role: 'admin' });
    const far = await client(t, other, 'ann', { role: 'admin' });
    const guard = await client(t, other, 'gus');
    await guard.enter('gate');
    await api(one, 'POST', '/api/broadcast', { event: 'posted', payload: 1 });
    await api(one, 'POST', '/api/broadcast', { event: 'posted', payload: 2, room: 'role_admin' });
    await api(other, 'POST', '/api/broadcast', { event: 'posted', payload: 3, room: 'user_ann' });
    await api(one, 'POST', '/api/broadcast', { event: 'posted', payload: 4, room: 'gate' });
    const publisher = await createClient({ url: redis.url }).connect();
    t.after(() => publisher.close());
    await publisher.publish('socket:broadcast', JSON.stringify({ event: 'published', payload: 5 }));
    for (const admin of [near, far]) await gets(admin, 'published', [5]);
    await gets(guard, 'published', [5]);
    await sleep(300);
    for (const admin of [near, far]) assert.deepEqual(admin.heard.named('posted').map(({ args }) => args[0]).sort(), [1, 2, 3]);
    await gets(guard, 'posted', [1, 4]);

    const kept = { event: 'kept', payload: 6, room: 'user_away', keep_ms: 600_000 };
    await publisher.publish('socket:broadcast', JSON.stringify(kept));
    await publisher.publish('socket:broadcast', JSON.stringify({ ...kept, payload: 7, room: 'user_ann' }));
    await sleep(500);
    assert.equal((await api(one, 'POST', '/api/broadcast', { ...kept, payload: 8 })).body.kept, true);
    assert.equal((await api(one, 'POST', '/api/broadcast', { ...kept, payload: 9, room: 'user_gus' })).body.kept, false);
    const away = await client(t, other, 'away');
    await gets(away, 'kept', [6, 8]);
    const again = await client(t, one, 'away');
    await gets(guard, 'kept', [9]);
    await sleep(300);
    assert.deepEqual([again.heard.named('kept').length, away.heard.named('kept').length], [0, 2]);
    for (const admin of [near, far]) await gets(admin, 'kept', [7]);
  });
});

test('a visitor of one node and staff of the other write to each other', async (t) => {
  const staff = await client(t, other, 'sari', { role: 'penyiar' });
  const chat = new Livechat({ url: one.legacyUrl, name: 'Budi', WebSocket: /** @type {any} */ (WebSocket) });
  t.after(() => chat.close());
  /** @type {any[]} */
  const heard = [];
  chat.on('message', (/** @type {any} */ data) => heard.push(data));
  chat.connect();
  await until('the visitor is let in', () => chat.state === 'open', { ms: WAIT_MS });
  const sessionId = chat.session?.sessionId;
  const presence = (await staff.heard.event('livechat:presence', WAIT_MS)).args[0];
  assert.deepEqual(presence, { sessionId, name: 'Budi', open: true });
  await chat.send('Request lagu');
  assert.equal((await staff.heard.event('livechat:message', WAIT_MS)).args[0].text, 'Request lagu');
  const answered = await staff.call('livechat:reply', { sessionId, text: 'Segera!' });
  assert.deepEqual([answered.status, answered.messageId], ['ok', 2]);
  await until('the answer', () => heard.length > 0, { ms: WAIT_MS });
  assert.deepEqual(heard.map(({ from, text, messageId }) => [from, text, messageId]), [['sari', 'Segera!', 2]]);
  await chat.send('Terima kasih');
  await until('the next', () => staff.heard.named('livechat:message').length >= 2, { ms: WAIT_MS });
  await sleep(200);
  assert.deepEqual(staff.heard.named('livechat:message').map(({ args }) => args[0].messageId), [1, 3]);
  const { conversations } = await staff.call('livechat:inbox', {});
  assert.deepEqual(conversations.map((/** @type {any} */ talk) => [talk.sessionId, talk.open]), [[sessionId, true]]);
  chat.close();
  await until('its end', () => staff.heard.named('livechat:presence').at(-1)?.args[0].open === false, { ms: WAIT_MS });
});

test('who is thrown out at one node is out of the other, and the API knows what is there', async (t) => {
  const eve = await client(t, other, 'eve');
  await eve.enter('far away');
  const { body } = await api(one, 'GET', '/api/channels/far%20away/members');
  assert.deepEqual(body.members.map((/** @type {any} */ member) => member.user), ['eve']);
  const { body: page } = await api(one, 'GET', '/api/channels');
  assert.ok(page.channels.some((/** @type {any} */ channel) => channel.name === 'far away'), JSON.stringify(page));
  const kicked = await api(one, 'POST', '/api/users/eve/kick', { ban_seconds: 600 });
  assert.deepEqual([kicked.status, kicked.body.sessions, kicked.body.lasting], [200, 1, true]);
  const again = async (/** @type {Server} */ node) => {
    const legacy = legacyClient('js4');
    t.after(() => legacy.disconnect());
    return (await legacy.connect(node.legacyUrl, { token: await one.token({ user: 'eve' }) })).connected;
  };
  assert.deepEqual([await again(one), await again(other)], [false, false]);
  assert.equal((await api(other, 'DELETE', '/api/users/eve/ban')).status, 204);
  await until('the ban to be lifted at both', async () => (await again(one)) && (await again(other)));
});

test('a node that dies takes its peers with it', async (t) => {
  const [near, far] = [await client(t, one, 'near'), await client(t, other, 'far')];
  await near.call('join_room', { room: 'last' });
  await far.call('join_room', { room: 'last' });
  const id = await until('both to know', () => [...near.heard.named('new_peer'), ...near.heard.named('existing_peers')]
    .map(({ args: [told] }) => (Array.isArray(told) ? told[0]?.peerId : told.peerId)).find(Boolean));
  await other.stop('SIGKILL');
  const gone = await near.heard.event('peer_disconnected', 15_000);
  assert.deepEqual(gone.args, [{ peerId: id }]);
  assert.deepEqual(await near.call('join_room', { room: 'last' }), []);
});
