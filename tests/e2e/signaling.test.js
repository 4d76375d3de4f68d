/** WebRTC signaling by real Socket.IO clients: who is told what, and that nobody forges anything. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { legacyClient } from './kit/legacy/index.js';
import { assertHeard, legacyUser } from './kit/scene.js';
import { sharedServer, startServer } from './kit/server.js';
import { sumOf } from './kit/metrics.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/legacy/index.js').Kind} Kind */
/** @typedef {import('./kit/legacy/client.js').LegacyClient} LegacyClient */

const server = await sharedServer();

/** @param {T} t @param {string} user @param {import('./kit/scene.js').Who & import('./kit/legacy/index.js').ConnectOptions} [how] */
const client = (t, user, how) => legacyUser(t, server, user, how);

/** Its Socket.IO id, as another in the room is told. @param {LegacyClient} other @param {string} user */
async function idOf(other, user) {
  const told = other.heard.named('new_peer').find(({ args: [peer] }) => peer.userId === user);
  return (told ?? (await other.heard.event('new_peer'))).args[0].peerId;
}

describe('two peers', { concurrency: 2 }, () => {
  for (const kind of /** @type {Kind[]} */ (['js4', 'js3', 'js2', 'python', 'java'])) {
    test(`${kind} is told who is there, is announced, signals and goes`, async (t) => {
      const room = `pair-${kind}`;
      const [first, second] = [await client(t, 'first'), await client(t, 'second', { kind })];
      assert.deepEqual(await first.call('join_room', { room, role: 'guard', userId: 'first' }), []);
      const peers = await second.call('join_room', { room, role: 'guard', userId: 'second' });
      const secondId = await idOf(first, 'second');
      assert.deepEqual(first.heard.named('new_peer')[0].args, [{ peerId: secondId, role: 'guard', userId: 'second' }]);
      assert.equal(peers.length, 1);
      const { peerId: firstId, ...who } = peers[0];
      assert.deepEqual(who, { role: 'guard', userId: 'first' });
      assert.deepEqual((await second.heard.event('existing_peers')).args, [peers]);
      assert.notEqual(firstId, secondId);

      const offer = { type: 'offer', sdp: 'v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n', nested: [{ none: null, n: 1.5 }] };
      assert.deepEqual(await second.call('signal', { targetId: firstId, signal: offer }), { status: 'ok' });
      assert.deepEqual((await first.heard.event('signal')).args, [{ fromId: secondId, signal: offer }]);
      await first.emit('signal', { targetId: secondId, signal: 'an answer in text' });
      const answered = (await second.heard.event('signal')).args;
      assert.deepEqual(answered, [{ fromId: firstId, signal: 'an answer in text' }]);

      await second.disconnect();
      assert.deepEqual((await first.heard.event('peer_disconnected')).args, [{ peerId: secondId }]);
      assert.deepEqual(await first.call('join_room', { room }), [], 'it is not there any more');
    });
  }

  test('on different namespaces find each other; leave_room is told like a disconnect', async (t) => {
    const [root, ptt] = [await client(t, 'root'), await client(t, 'ptt', { namespace: '/ptt' })];
    await root.call('join_room', { room: 4711 });
    assert.equal((await ptt.call('join_room', { room: '4711' })).length, 1);
    const id = await idOf(root, 'ptt');
    assert.deepEqual(await ptt.call('leave_room', { room: 4711 }), { status: 'ok' });
    assert.deepEqual((await root.heard.event('peer_disconnected')).args, [{ peerId: id }]);
    assert.equal((await ptt.call('leave_room', { room: 4711 })).status, 'error');
  });
});

describe('nobody forges anything', () => {
  test('role and userId of the payload are compared with the token, never believed', async (t) => {
    const [victim, mallory] = [await client(t, 'victim'), await client(t, '17')];
    await victim.call('join_room', { room: 'forged' });
    const before = sumOf(await server.metrics(), /bad_input_total\{kind="identity"/);
    await mallory.call('join_room', { room: 'forged', role: 'admin', userId: 'boss' });
    const { role, userId } = (await victim.heard.event('new_peer')).args[0];
    assert.deepEqual({ role, userId }, { role: 'guard', userId: '17' });
    assert.equal(sumOf(await server.metrics(), /bad_input_total\{kind="identity"/), before + 1);
    const honest = await client(t, '18');
    await honest.call('join_room', { room: 'forged', role: 'guard', userId: 18 });
    await sleep(200);
    assert.equal(victim.heard.named('new_peer')[1].args[0].userId, 18, 'a number of the same text is kept as it was sent');
  });

  test('a signal goes to nobody outside the sender’s rooms, and its ack says so', async (t) => {
    const [inside, beside] = [await client(t, 'inside'), await client(t, 'beside')];
    const witness = await client(t, 'witness');
    await witness.call('join_room', { room: 'closed' });
    await inside.call('join_room', { room: 'closed' });
    await beside.call('join_room', { room: 'other' });
    const targetId = await idOf(witness, 'inside');
    const refused = { status: 'error', msg: 'Peer tidak ada di room yang sama' };
    assert.deepEqual(await beside.call('signal', { targetId, signal: { sdp: 'x' } }), refused);
    const names = ['role_guard', 'user_inside', 'user:inside', 'role:guard', 'everybody', `seat:${targetId}`];
    for (const name of names) assert.deepEqual(await beside.call('signal', { targetId: name, signal: 1 }), refused);
    await sleep(300);
    assert.deepEqual(inside.heard.named('signal'), []);
  });

  test('a room takes the right to listen to the channel of that name', async (t) => {
    const guard = await client(t, 'narrow', { channels: ['ops*:listen'] });
    assert.deepEqual(await guard.call('join_room', { room: 'vault' }), { status: 'error', msg: 'Akses Ditolak' });
    assert.deepEqual(await guard.call('join_room', { room: 'ops-1' }), []);
  });

  test('rooms named like others’ rooms are signaling rooms and nothing else', async (t) => {
    const [talker, listener] = [await client(t, 'talker'), await client(t, 'listener')];
    const snoop = await client(t, 'snoop');
    for (const room of ['voice:pcm16-16000:"secret"', 'role_admin', 'user_listener', 'in:secret', 'secret']) {
      assert.deepEqual(await snoop.call('join_room', { room }), []);
    }
    await talker.enter('secret');
    await listener.enter('secret');
    await assertHeard(talker, listener);
    assert.deepEqual(snoop.heard.chunks, []);
  });
});

describe('bad input is answered and costs nobody anything', () => {
  /** @type {any} */
  let deep = 'x';
  for (let level = 0; level < 4000; level++) deep = [deep];
  /** @type {Record<string, [string, any[]]>} */
  const bad = {
    'no payload': ['join_room', []],
    'text': ['join_room', ['yard']],
    'no room': ['join_room', [{ role: 'admin' }]],
    'a room of another type': ['join_room', [{ room: { name: 'yard' } }]],
    'an endless room': ['join_room', [{ room: 'x'.repeat(5000) }]],
    'a user of another type': ['join_room', [{ room: 'yard', userId: { id: 1 } }]],
    'a signal for nobody': ['signal', [{ signal: {} }]],
    'a signal for a list': ['signal', [{ targetId: ['a'], signal: {} }]],
    'an empty signal': ['signal', [{ targetId: 'x' }]],
    'a huge signal': ['signal', [{ targetId: 'x', signal: 'y'.repeat(70_000) }]],
    'a deep signal': ['signal', [{ targetId: 'x', signal: deep }]],
    'binary': ['signal', [Buffer.from('nonsense')]],
    'a room that one is not in': ['leave_room', [{ room: 'nowhere' }]],
  };
  for (const [what, [event, args]] of Object.entries(bad)) {
    test(`${event}: ${what}`, async (t) => {
      const clumsy = await client(t, 'clumsy');
      const answer = await clumsy.call(event, ...args);
      assert.equal(answer?.status, 'error', JSON.stringify(answer));
      assert.ok(typeof answer.msg === 'string' && answer.msg.length > 0);
      assert.deepEqual(await clumsy.call('join_room', { room: 'after' }), []);
      await clumsy.disconnect();
    });
  }

  test('a burst of candidates arrives whole and in order, over polling too', async (t) => {
    for (const transport of /** @type {('polling' | 'websocket')[]} */ (['polling', 'websocket'])) {
      const [from, to] = [await client(t, 'from', { transports: [transport] }), await client(t, 'to')];
      await to.call('join_room', { room: `burst-${transport}` });
      await from.call('join_room', { room: `burst-${transport}` });
      const targetId = (await from.heard.event('existing_peers')).args[0][0].peerId;
      const numbers = Array.from({ length: 120 }, (_, number) => number);
      await Promise.all(numbers.map((number) => from.emit('signal', { targetId, signal: { number } })));
      await until('all of them', () => to.heard.named('signal').length >= numbers.length, { ms: 5000 });
      assert.deepEqual(to.heard.named('signal').map(({ args: [{ signal }] }) => signal.number), numbers);
    }
  });

  test('a flood of joins is slowed down, and others signal on', async (t) => {
    const [flooder, one, other] = [await client(t, 'flooder'), await client(t, 'one'), await client(t, 'other')];
    await one.call('join_room', { room: 'calm' });
    await other.call('join_room', { room: 'calm' });
    const answers = await Promise.all(Array.from({ length: 60 }, () => flooder.call('join_room', { room: 'flood' })));
    assert.ok(answers.some((answer) => answer.msg === 'Terlalu banyak permintaan'));
    const targetId = await idOf(one, 'other');
    assert.deepEqual(await one.call('signal', { targetId, signal: 1 }), { status: 'ok' });
  });
});

test('clients without a token signal where the deployment lets them, and do nothing else', async (t) => {
  const open = await startServer({ args: ['--legacy-anonymous', 'signaling'] });
  t.after(() => open.stop('SIGINT'));
  const guests = [legacyClient('js4'), legacyClient('js2')];
  for (const guest of guests) {
    t.after(() => guest.disconnect());
    assert.ok((await guest.connect(open.legacyUrl, { authMode: 'none' })).connected);
  }
  const [first, second] = guests;
  const user = await legacyUser(t, open, 'known');
  await user.enter('yard');
  assert.deepEqual(await first.call('join_room', { room: 'yard', role: 'admin', userId: 'boss' }), []);
  const peers = await second.call('join_room', { room: 'yard' });
  assert.deepEqual(peers, [{ peerId: peers[0].peerId, role: 'anonymous', userId: `anonymous:${peers[0].peerId}` }]);
  assert.deepEqual(await second.call('signal', { targetId: peers[0].peerId, signal: { sdp: 'v=0' } }), { status: 'ok' });
  await first.heard.event('signal');
  assert.deepEqual(await first.call('join_channel', { channel_id: 'yard' }), { status: 'error', msg: 'Akses Ditolak' });
  const service = await open.token({ user: 'billing', args: ['--scope', 'service'] });
  const headers = { authorization: `Bearer ${service}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ event: 'notification', payload: 'for those who logged in' });
  assert.equal((await fetch(`${open.legacyUrl}/api/broadcast`, { method: 'POST', headers, body })).status, 200);
  await user.heard.event('notification');
  assert.deepEqual([first, second].map((guest) => guest.heard.named('notification')), [[], []]);
  const liar = legacyClient('js4');
  t.after(() => liar.disconnect());
  const outcome = await liar.connect(open.legacyUrl, { token: 'nonsense' });
  assert.deepEqual(outcome, { connected: false, message: 'Autentikasi Gagal' }, 'a bad token makes no guest');
});
