import assert from 'node:assert/strict';
import { test } from 'node:test';

import { online } from './fakes.js';

const CALL = { kind: 'private', by: 'bob', name: 'Bob', users: ['bob', 'alice'] };

/** @param {any} [more] */
const ringing = (more) => ({
  type: 'joined', channel: 19, name: 'call/5f0c', talker: 2, rights: ['listen', 'talk'], mode: 'ptt', version: 2,
  members: [{ talker: 1, user: 'bob', name: 'Bob', role: '' }, { talker: 2, user: 'alice', name: 'Alice', role: '' }],
  call: CALL, ...more,
});

test('one who is called is in the call without asking, and talks there', async () => {
  const { clock, core, road, last } = await online();
  assert.equal(road.all('hello')[0].calls, true, 'it says that it knows calls');
  road.say(ringing());
  await clock.advance(5);
  assert.deepEqual([last('joined').channel, last('joined').call], ['call/5f0c', CALL]);
  assert.equal(road.all('leave').length, 0);

  core.press('call/5f0c');
  await clock.advance(5);
  assert.equal(road.all('floor_request')[0].channel, 19);
});

test('a channel that nobody asked for and that is no call is left again', async () => {
  const { clock, road } = await online();
  road.say(ringing({ name: 'stranger', call: undefined }));
  await clock.advance(5);
  assert.equal(road.all('leave')[0].channel, 19);
});

test('who calls gets the call that it made, and who is reached', async () => {
  const { clock, core, road } = await online();
  const called = core.calls.call(['bob', 'eve']);
  const { request, users } = road.all('call')[0];
  assert.deepEqual(users, ['bob', 'eve']);
  road.say(ringing({ call: { ...CALL, by: 'alice' } }));
  road.say({ type: 'called', request, channel: 19, users: ['bob'] });
  await clock.advance(5);
  const { channel, reached, call } = await called;
  assert.deepEqual([channel, reached, call?.by], ['call/5f0c', ['bob'], 'alice']);

  core.calls.end('call/5f0c');
  assert.equal(road.all('call_end')[0].channel, 19);
});

test('a call that is over is not entered again', async () => {
  const { clock, road, roads, last } = await online();
  road.say(ringing());
  road.say({ type: 'left', channel: 19, reason: 'ended' });
  await clock.advance(5);
  assert.deepEqual(last('left'), { channel: 'call/5f0c', reason: 'ended' });
  road.lose('cable');
  await clock.advance(5000);
  assert.deepEqual(roads[1].all('join').map(({ channel }) => channel), ['ops']);
});

test('who is refused a call is told why', async () => {
  const { clock, core, road } = await online();
  const called = core.calls.call(['nobody']);
  road.say({ type: 'error', request: road.all('call')[0].request, code: 'unknown_user', message: '' });
  const refused = assert.rejects(called, { code: 'unknown_user' });
  await clock.advance(5);
  await refused;
});

test('a dispatcher patches two channels, and the page is told what a channel is patched to', async () => {
  const { clock, core, road, last } = await online();
  road.say(ringing());
  await clock.advance(5);
  const patched = core.calls.patch('ops', 'call/5f0c', true);
  const { request, channel, with: other } = road.all('patch')[0];
  assert.deepEqual([channel, other], [17, 19]);
  road.say({ type: 'patched', channel: 17, with: [{ channel: 19, name: 'call/5f0c' }] });
  road.say({ type: 'patched', request, channel: 17, with: [{ channel: 19, name: 'call/5f0c' }] });
  await clock.advance(5);
  await patched;
  assert.deepEqual(last('patched'), { channel: 'ops', with: ['call/5f0c'] });
  road.say({ type: 'channel_state', channel: 17, split: true });
  await clock.advance(5);
  assert.deepEqual(last('split'), { channel: 'ops', split: true });

  const unpatched = core.calls.patch('ops', 'call/5f0c', false);
  road.say({ type: 'error', request: road.all('unpatch')[0].request, code: 'unavailable', message: '' });
  const refused = assert.rejects(unpatched, { code: 'unavailable' });
  await clock.advance(5);
  await refused;
  await assert.rejects(core.calls.patch('ops', 'nowhere', true), { code: 'not_joined' });
});
