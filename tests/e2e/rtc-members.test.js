/** What the RTC contract has in common with the other transports: rights, the floor, notifications, guests. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumOf } from './kit/metrics.js';
import { producing } from './kit/rtc/produce.js';
import { rtcSocket, rtcUser } from './kit/rtc/socket.js';
import { legacyUser } from './kit/scene.js';
import { sharedServer, startServer } from './kit/server.js';
import { until } from './kit/wait.js';

const server = await sharedServer();

test('who may not talk may not produce, and nothing is left of the attempt', async (t) => {
  const other = await rtcUser(t, server, 'quiet-ear', 'quiet');
  assert.deepEqual([other.welcome.rights, other.welcome.mode], [['listen', 'talk'], 'ptt']);
  const { socket, welcome } = await rtcUser(t, server, 'quiet-mouth', 'quiet', ['*:listen']);
  assert.deepEqual(welcome.rights, ['listen']);
  await socket.ask('create-transport');
  assert.equal(await socket.refused('produce', producing()), 'forbidden');
  assert.equal(await socket.refused('produce', producing()), 'forbidden', 'not too_many_producers');
  const rtpCapabilities = welcome.routerRtpCapabilities;
  assert.equal((await socket.ask('consume', { rtpCapabilities })).type, 'consume');
  assert.deepEqual((await other.socket.ask('get-producers')).data.producers, []);
  assert.ok(!other.socket.frames.some(({ type }) => type === 'new-producer'));
  await socket.ask('floor_request');
  assert.equal((await socket.next('floor_denied')).data.cause, 'receive_only');
});

test('the floor is wished for with a level, waited for and taken back as on Socket.IO', async (t) => {
  const rights = ['*:listen,talk,emergency'];
  const guard = await legacyUser(t, server, 'wish-guard');
  await guard.enter('wish');
  const [one, two] = [await rtcUser(t, server, 'wish-1', 'wish', rights), await rtcUser(t, server, 'wish-2', 'wish', rights)];
  await guard.call('floor_request', {});
  await guard.heard.event('floor_granted');
  await one.socket.ask('floor_request', { queue: true });
  const queued = (await one.socket.next('floor_queued')).data;
  assert.deepEqual([queued.position, queued.size, queued.channel_id], [1, 1, 'wish']);
  assert.equal((await one.socket.ask('floor_cancel')).type, 'floor_cancel');
  await two.socket.ask('floor_request', { level: 'emergency' });
  await two.socket.next('floor_granted');
  await guard.heard.event('floor_revoked');
  const taken = await until('the emergency', () =>
    one.socket.frames.find(({ type, data }) => type === 'floor_taken' && data.user_id === 'wish-2'));
  assert.equal(taken.data.level, 'emergency');
  await two.socket.ask('floor_release');
  await until('an idle floor', () => one.socket.frames.some(({ type }) => type === 'floor_idle'));
  assert.ok(!one.socket.frames.some(({ type }) => type === 'floor_granted'), 'what was taken back is not granted');
  for (const data of [{ level: 'urgent' }, { priority: 256 }, { queue: 'yes' }]) {
    assert.equal(await one.socket.refused('floor_request', data), 'bad_field', JSON.stringify(data));
  }
});

test('what a back end says reaches those who are here by RTC alone', async (t) => {
  const [one, two] = [await rtcUser(t, server, 'told-1', 'told'), await rtcUser(t, server, 'told-2', 'told')];
  const service = await server.token({ user: 'billing', args: ['--scope', 'service'] });
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${service}` };
  const tell = async (/** @type {any} */ said) => {
    const body = JSON.stringify({ event: 'ticket_updated', ...said });
    const answer = await fetch(`${server.legacyUrl}/api/broadcast`, { method: 'POST', headers, body });
    assert.equal(answer.status, 200);
    return answer.json();
  };
  assert.equal((await tell({ payload: 1, room: 'user_told-1', keep_ms: 60_000 })).kept, false, 'it is here');
  await tell({ payload: 2, room: 'role_guard' });
  await tell({ payload: 3, room: 'told' });
  await tell({ payload: 4, room: 'elsewhere' });
  await tell({ payload: 5 });
  /** @param {import('./kit/rtc/socket.js').RtcSocket} socket @param {number[]} expected */
  const heard = async (socket, expected) => {
    const all = () => socket.frames.filter(({ type }) => type === 'notification').map(({ data }) => data);
    await until(`the notifications ${expected}`, () => all().length >= expected.length);
    assert.deepEqual(all(), expected.map((payload) => ({ event: 'ticket_updated', payload })));
  };
  await heard(one.socket, [1, 2, 3, 5]);
  await heard(two.socket, [2, 3, 5]);
});

test('clients without a token are guests where the deployment lets them', async (t) => {
  const args = ['--legacy-anonymous', 'rtc', '--guest-channel', 'lobby:listen,talk', '--guest-channel', 'news:listen'];
  const open = await startServer({ args });
  t.after(() => open.stop('SIGINT'));
  const [first, second] = [rtcSocket(t, open, { channel: 'lobby' }), rtcSocket(t, open, { channel: 'lobby' })];
  assert.deepEqual((await first.next('welcome')).data.rights, ['listen', 'talk']);
  await second.next('welcome');
  await first.ask('create-transport');
  assert.equal((await first.ask('produce', producing())).type, 'produce');
  const { userId, name } = (await second.next('new-producer')).data;
  assert.match(userId, /^guest-[0-9a-f]{16}$/);
  assert.equal(name, userId);
  const user = await rtcUser(t, open, 'alice', 'lobby');
  await first.ask('floor_request');
  assert.equal((await user.socket.next('floor_taken')).data.user_id, userId);
  const listener = rtcSocket(t, open, { channel: 'news' });
  assert.deepEqual((await listener.next('welcome')).data.rights, ['listen']);
  const refused = rtcSocket(t, open, { channel: 'ops' });
  assert.equal((await refused.next('error')).data.code, 'forbidden');
  const liar = rtcSocket(t, open, { channel: 'lobby', token: 'nonsense' });
  assert.equal((await liar.next('error')).data.code, 'unauthenticated', 'a bad token makes no guest');
  for (const socket of [first, second, listener, user.socket]) await socket.close();
  const left = async () => sumOf(await open.metrics(), /^suara_bridge_members$/);
  await until('no guest to be left', async () => (await left()) === 0);
});
