/** Notifications of back ends: the three ways in, who gets what, and what is refused. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Emitter } from '@socket.io/redis-emitter';
import { createClient } from 'redis';
import { legacyClient } from './kit/legacy/index.js';
import { legacyUser } from './kit/scene.js';
import { sumOf } from './kit/metrics.js';
import { e2e, python, repository } from './kit/paths.js';
import { startRedis } from './kit/redis.js';
import { sharedServer, startServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/server.js').Server} Server */
/** @typedef {import('./kit/legacy/client.js').LegacyClient} LegacyClient */

const { SocketBroadcaster } = createRequire(import.meta.url)(join(repository, 'clients', 'node'));

const server = await sharedServer();
const service = await server.token({ user: 'billing', args: ['--scope', 'service'] });

/**
 * Logs a client in.
 * @param {T} t @param {Server} at @param {string} user @param {string} role
 * @param {{kind?: import('./kit/legacy/index.js').Kind} & import('./kit/legacy/client.js').ConnectOptions} [how]
 */
async function member(t, at, user, role, { kind = 'js4', ...options } = {}) {
  const client = legacyClient(kind);
  t.after(() => client.disconnect());
  const outcome = await client.connect(at.legacyUrl, { token: await at.token({ user, role }), ...options });
  assert.ok(outcome.connected, JSON.stringify(outcome));
  return client;
}

/** @param {unknown} body @param {{token?: string | null, at?: Server, raw?: string}} [how] */
async function post(body, { token = service, at = server, raw } = {}) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const request = { method: 'POST', headers, body: raw ?? JSON.stringify(body) };
  const response = await fetch(`${at.legacyUrl}/api/broadcast`, request);
  return { status: response.status, type: response.headers.get('content-type'), body: /** @type {any} */ (await response.json()) };
}

/** What a client got of these names, after a moment. @param {LegacyClient} client @param {string} event */
const got = (client, event) => client.heard.named(event).map(({ args }) => args);

/** @param {LegacyClient} client @param {string} event @param {any[][]} expected */
async function gets(client, event, expected) {
  await until(`${expected.length} × ${event}`, () => got(client, event).length >= expected.length, { ms: 5000 }).catch(() => {});
  assert.deepEqual(got(client, event), expected);
}

describe('POST /api/broadcast', () => {
  test('reaches everybody, a user, a role, a channel, and nobody else', async (t) => {
    const admin = await member(t, server, 'ann', 'admin');
    const guard = await member(t, server, 'gus', 'guard', { namespace: '/ptt' });
    const second = await member(t, server, 'gus', 'guard', { kind: 'python' });
    await guard.enter('gate');
    assert.deepEqual((await post({ event: 'all', payload: { n: 1 } })).body, { status: 'ok', kept: false });
    await post({ event: 'ticket_updated', payload: { id: 2 }, room: 'role_admin' });
    await post({ event: 'notification', payload: 'for gus', room: 'user_gus' });
    await post({ event: 'alarm', payload: ['fire', 1.5, null], room: 'gate' });
    for (const client of [admin, guard, second]) await gets(client, 'all', [[{ n: 1 }]]);
    await gets(admin, 'ticket_updated', [[{ id: 2 }]]);
    for (const client of [guard, second]) await gets(client, 'notification', [['for gus']]);
    await gets(guard, 'alarm', [[['fire', 1.5, null]]]);
    await guard.leave('gate');
    await post({ event: 'alarm', payload: 2, room: 'gate' });
    await sleep(300);
    assert.deepEqual([got(guard, 'alarm').length, got(admin, 'alarm'), got(second, 'alarm')], [1, [], []]);
    assert.deepEqual([got(guard, 'ticket_updated'), got(admin, 'notification')], [[], []]);
  });

  for (const kind of /** @type {import('./kit/legacy/index.js').Kind[]} */ (['js4', 'js3', 'js2', 'python', 'java', 'java1'])) {
    test(`${kind} gets its user’s and its role’s`, async (t) => {
      const client = await member(t, server, `u-${kind}`, `r-${kind}`, { kind });
      await post({ event: 'notification', payload: { for: kind }, room: `user_u-${kind}` });
      await post({ event: 'ticket_created', payload: { id: 5, tags: ['a'] }, room: `role_r-${kind}` });
      await gets(client, 'notification', [[{ for: kind }]]);
      await gets(client, 'ticket_created', [[{ id: 5, tags: ['a'] }]]);
    });
  }

  test('a polling Python client that slept gets all that came meanwhile, in portions that its library takes', async (t) => {
    const client = await member(t, server, 'sleeper', 'guard', { kind: 'python', transports: ['polling'] });
    const all = Array.from({ length: 50 }, (_, n) => [n]);
    await client.sleepThrough(async () => {
      for (const [n] of all) assert.equal((await post({ event: 'notification', payload: n, room: 'user_sleeper' })).status, 200);
    });
    await gets(client, 'notification', all);
    assert.deepEqual(got(client, 'disconnect'), []);
  });

  test('no name that a client chooses is a role’s or a user’s room', async (t) => {
    const snoop = await member(t, server, 'snoop', 'guard');
    for (const name of ['role_admin', 'user_ann', 'role:admin', 'user:ann', 'everybody', 'in:role:admin']) {
      assert.equal((await snoop.join(name)).status, 'ok');
      assert.deepEqual(await snoop.call('join_room', { room: name, role: 'admin', userId: 'ann' }), []);
      await snoop.emit('join', name);
    }
    await post({ event: 'secret', payload: 1, room: 'role_admin' });
    await post({ event: 'secret', payload: 1, room: 'user_ann' });
    await sleep(300);
    assert.deepEqual(got(snoop, 'secret'), []);
  });

  test('takes a service token and no other', async () => {
    const user = await server.token({ user: 'mallory' });
    for (const [token, status] of /** @type {[string | null, number][]} */ ([[null, 401], ['nonsense', 401], [user, 403]])) {
      const answer = await post({ event: 'n', payload: 1 }, { token });
      assert.deepEqual([answer.status, answer.type, answer.body.status], [status, 'application/problem+json', status]);
      assert.equal(typeof answer.body.detail, 'string');
    }
  });

  /** @type {any} */
  let deep = 1;
  for (let level = 0; level < 100; level++) deep = [deep];
  /** @type {Record<string, any>} */
  const bad = {
    'a list': [],
    'no event': { payload: 1 },
    'an event of another type': { event: { name: 'x' } },
    'the server’s own event': { event: 'floor_granted', payload: {} },
    'a peer’s event': { event: 'signal', payload: { fromId: 'x' } },
    'a library’s event': { event: 'disconnect' },
    'a room of another type': { event: 'n', room: ['role_admin'] },
    'nobody’s room': { event: 'n', room: 'role_' },
    'keeping for everybody': { event: 'n', keep_ms: 1000 },
    'a deep payload': { event: 'n', payload: deep },
  };
  for (const [what, body] of Object.entries(bad)) {
    test(`refuses ${what}`, async () => {
      const answer = await post(body);
      assert.deepEqual([answer.status, answer.type], [400, 'application/problem+json'], JSON.stringify(answer.body));
    });
  }

  test('refuses what is no JSON, and what is too large', async () => {
    assert.equal((await post(null, { raw: '{"event":' })).status, 400);
    assert.equal((await post({ event: 'n', payload: 'x'.repeat(60_000) })).status, 413);
  });
});

describe('kept for one who is away', () => {
  test('is delivered on the next log-in, once; nothing is kept for one who is here, or beyond its time', async (t) => {
    const keep = (/** @type {number} */ payload, /** @type {number} */ keep_ms) =>
      post({ event: 'notification', payload, room: 'user_away', keep_ms });
    assert.deepEqual((await keep(1, 60_000)).body, { status: 'ok', kept: true });
    assert.deepEqual((await keep(2, 50)).body, { status: 'ok', kept: true });
    assert.deepEqual((await keep(3, 60_000)).body, { status: 'ok', kept: true });
    await sleep(100);
    const first = await member(t, server, 'away', 'guard');
    await gets(first, 'notification', [[1], [3]]);
    assert.deepEqual((await keep(4, 60_000)).body, { status: 'ok', kept: false });
    await gets(first, 'notification', [[1], [3], [4]]);
    await first.disconnect();
    const second = await member(t, server, 'away', 'guard');
    await sleep(300);
    assert.deepEqual(got(second, 'notification'), []);
  });

  test('outlives kill -9 once it was answered', async (t) => {
    const own = await startServer();
    t.after(() => own.stop('SIGINT'));
    const token = await own.token({ user: 'billing', args: ['--scope', 'service'] });
    const body = { event: 'notification', payload: 'still here', room: 'user_away', keep_ms: 600_000 };
    assert.deepEqual((await post(body, { token, at: own })).body, { status: 'ok', kept: true });
    await own.stop('SIGKILL');
    await own.start();
    await gets(await member(t, own, 'away', 'guard'), 'notification', [['still here']]);
  });
});

describe('by Redis', () => {
  test('the emitters of Node and Python, the library, and JSON of our own', async (t) => {
    const redis = await startRedis(t);
    const own = await startServer({ args: ['--redis', redis.url] });
    t.after(() => own.stop('SIGINT'));
    const ready = async () => (await (await fetch(`${own.legacyUrl}/readyz`)).text()) === 'ready\n';
    await until('Redis to be listened to', ready);
    const client = await redisClient(t, redis.url);
    const admin = await member(t, own, 'ann', 'admin');
    const guard = await member(t, own, 'gus', 'guard', { namespace: '/ptt' });
    await admin.enter('gate');

    const emitter = new Emitter(/** @type {any} */ (client));
    emitter.emit('all', { n: 1 }, 'two', null);
    emitter.to('role_admin').emit('ticket_created', { id: 5, none: undefined });
    emitter.of('/ptt').to('user_gus').emit('notification', { title: 'x' });
    emitter.to('gate').to('user_gus').emit('alarm', Buffer.from([1, 2, 3]));
    emitter.except('role_admin').emit('not_for_admins', 1);
    await gets(admin, 'all', [[{ n: 1 }, 'two', null]]);
    await gets(admin, 'ticket_created', [[{ id: 5 }]]);
    await gets(admin, 'alarm', [[Buffer.from([1, 2, 3])]]);
    await gets(guard, 'notification', [[{ title: 'x' }]]);

    await pythonEmits(redis.url, [
      { event: 'py_all', data: { n: 1 } },
      { event: 'py_role', data: { $several: ['a', 2] }, room: 'role_admin' },
      { event: 'py_binary', data: { file: { $binary: 'AQID' } }, room: 'user_gus', namespace: '/ptt' },
      { event: 'py_none', data: null },
    ]);
    await gets(admin, 'py_all', [[{ n: 1 }]]);
    await gets(admin, 'py_role', [['a', 2]]);
    await gets(admin, 'py_none', [[]]);
    await gets(guard, 'py_binary', [[{ file: Buffer.from([1, 2, 3]) }]]);

    const broadcaster = new SocketBroadcaster({ redis: client });
    await broadcaster.invoiceCreated({ id: 7 });
    await broadcaster.notifyRole('guard', 'to guards');
    await client.publish('socket:broadcast', JSON.stringify({ event: 'plain', payload: [1], room: 'gate' }));
    for (const one of [admin, guard]) await gets(one, 'invoice_created', [[{ id: 7 }]]);
    await gets(guard, 'notification', [[{ title: 'x' }], ['to guards']]);
    await gets(admin, 'plain', [[[1]]]);
    assert.deepEqual([got(admin, 'not_for_admins'), got(guard, 'ticket_created'), got(guard, 'plain')], [[], [], []]);

    await t.test('hostile messages are refused by name, and the next good one comes', async () => {
      const refused = async () => sumOf(await own.metrics(), /bad_input_total\{kind="broadcast_/);
      const before = await refused();
      const publish = (/** @type {string} */ channel, /** @type {string | Buffer} */ bytes) => client.publish(channel, bytes);
      await publish('socketio', Buffer.from('80049510', 'hex'));
      await publish('socketio', 'cos\nsystem\n');
      await publish('socketio', JSON.stringify({ method: 'disconnect', sid: 'x' }));
      await publish('socket:broadcast', '{');
      await publish('socket:broadcast', JSON.stringify({ event: 'voice_packet', payload: 1 }));
      await publish('socket:broadcast', JSON.stringify({ event: 'n', payload: 'x'.repeat(300_000) }));
      await publish('socket.io#/#', Buffer.from('ddffffffff', 'hex'));
      await publish('socket.io#/#', Buffer.alloc(100_000, 0x91));
      emitter.socketsJoin('role_admin');
      emitter.disconnectSockets(true);
      await until('the refusals to be counted', async () => (await refused()) === before + 10);
      assert.equal((await own.metrics()).get('suara_bridge_bad_input_total{kind="broadcast_pickle"}'), 1);
      await broadcaster.broadcast('after', 1);
      for (const one of [admin, guard]) await gets(one, 'after', [[1]]);
    });
  });

  test('a lost Redis is reported, costs only what needs it, and is come back to', async (t) => {
    const redis = await startRedis(t);
    const own = await startServer({ args: ['--redis', redis.url] });
    t.after(() => own.stop('SIGINT'));
    const readyz = async () => {
      const response = await fetch(`${own.legacyUrl}/readyz`);
      return `${response.status} ${await response.text()}`;
    };
    await until('Redis', async () => (await readyz()) === '200 ready\n');
    const token = await own.token({ user: 'billing', args: ['--scope', 'service'] });
    const guard = await legacyUser(t, own, 'gus');

    await redis.kill();
    await until('the loss to be reported', async () => /^200 ready\ndegraded: no Redis/.test(await readyz()));
    assert.equal((await own.metrics()).get('suara_bridge_redis_up'), 0);
    assert.equal((await post({ event: 'meanwhile', payload: 1 }, { token, at: own })).status, 200);
    await gets(guard, 'meanwhile', [[1]]);
    await guard.enter('gate');

    await redis.start();
    await until('Redis again', async () => (await readyz()) === '200 ready\n', { ms: 40_000 });
    const client = await redisClient(t, redis.url);
    await new SocketBroadcaster({ redis: client }).broadcast('again', 2);
    await gets(guard, 'again', [[2]]);
  });

  test('two bridges: what comes in at one by HTTP, or once by Redis, reaches each client once', async (t) => {
    const redis = await startRedis(t);
    const own = await startServer({ mode: 'split', args: ['--redis', redis.url] });
    t.after(() => own.stop('SIGINT'));
    const other = await own.launch('bridge', ['--gateway', own.url], 'addresses-bridge.json');
    const there = /** @type {Server} */ (Object.create(own, { legacyUrl: { value: `http://${other.http}` } }));
    for (const at of [own, there]) {
      await until('Redis', async () => (await (await fetch(`${at.legacyUrl}/readyz`)).text()) === 'ready\n');
    }
    const token = await own.token({ user: 'billing', args: ['--scope', 'service'] });
    const [here, far] = [await member(t, own, 'here', 'guard'), await member(t, there, 'far', 'guard')];
    await post({ event: 'by_http', payload: 1 }, { token, at: own });
    const client = await redisClient(t, redis.url);
    await new SocketBroadcaster({ redis: client }).broadcast('by_redis', 2);
    await new SocketBroadcaster({ redis: client }).notifyUser('away', 'kept once', { keepMs: 60_000 });
    for (const one of [here, far]) {
      await gets(one, 'by_http', [[1]]);
      await gets(one, 'by_redis', [[2]]);
    }
    await sleep(300);
    assert.deepEqual([got(here, 'by_http').length, got(far, 'by_http').length], [1, 1]);
    const away = await member(t, there, 'away', 'guard');
    await gets(away, 'notification', [['kept once']]);
    await sleep(300);
    assert.equal(got(away, 'notification').length, 1);
  });

  test('orders by Redis are carried out where the deployment lets them', async (t) => {
    const redis = await startRedis(t);
    const own = await startServer({ args: ['--redis', redis.url, '--redis-orders'] });
    t.after(() => own.stop('SIGINT'));
    await until('Redis', async () => (await (await fetch(`${own.legacyUrl}/readyz`)).text()) === 'ready\n');
    const client = await redisClient(t, redis.url);
    const [gus, ann] = [await member(t, own, 'gus', 'guard'), await member(t, own, 'ann', 'admin')];
    const emitter = new Emitter(/** @type {any} */ (client));
    emitter.in('user_gus').socketsJoin('vip');
    emitter.to('vip').emit('for_vips', 1);
    await gets(gus, 'for_vips', [[1]]);
    emitter.in('user_gus').disconnectSockets();
    await gus.heard.event('disconnect');
    assert.deepEqual([got(ann, 'for_vips'), got(ann, 'disconnect')], [[], []]);
  });
});

/** @param {T} t @param {string} url */
async function redisClient(t, url) {
  const client = createClient({ url });
  // Redis ends before it does.
  client.on('error', () => {});
  await client.connect();
  t.after(() => client.destroy());
  return client;
}

/** @param {string} url @param {object[]} calls @returns {Promise<void>} */
function pythonEmits(url, calls) {
  const child = spawn(python, [join(e2e, 'kit', 'legacy', 'python_emitter.py'), url], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(JSON.stringify(calls));
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the Python emitter ended with ${code}`))));
  });
}
