import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toneFor } from '../ui/tones.js';
import { online } from './fakes.js';

/** A press that waits in the queue. */
async function waiting() {
  const scene = await online();
  const { core, clock, road } = scene;
  road.answersFloor = false;
  core.press('ops', { queue: true });
  await clock.advance(30);
  const { request } = road.all('floor_request')[0];
  road.say({ type: 'floor_queued', channel: 17, request, position: 2, size: 2 });
  await clock.advance(10);
  return { ...scene, request };
}

test('who waits is told its place, and talks when its turn comes', async () => {
  const { clock, road, last, request } = await waiting();
  assert.deepEqual([last('floor').phase, last('floor').position], ['queued', 2]);
  await clock.advance(5000);
  assert.equal(last('floor').phase, 'queued');
  road.give(request);
  await clock.advance(40);
  assert.equal(last('floor').phase, 'granted');
  assert.equal(road.frames.at(-1)?.grant, 101);
});

test('letting go takes the request back, and nothing more is sent', async () => {
  const { clock, core, road, last, microphone, request } = await waiting();
  core.release();
  const sent = road.frames.length;
  await clock.advance(500);
  assert.deepEqual(road.all('floor_cancel').map((message) => message.request), [request]);
  assert.deepEqual([last('floor').phase, microphone.open, road.frames.length], ['idle', 0, sent]);
});

test('a tap that lands in the queue is taken back', async () => {
  const { clock, core, road, last } = await online();
  road.answersFloor = false;
  core.press('ops', { queue: true });
  await clock.advance(30);
  core.release();
  const { request } = road.all('floor_request')[0];
  road.say({ type: 'floor_queued', channel: 17, request, position: 1, size: 1 });
  await clock.advance(500);
  assert.equal(road.all('floor_cancel').length, 1);
  assert.equal(last('floor').phase, 'idle');
});

test('a dispatcher’s action is answered, or refused by name', async () => {
  const { clock, core, road } = await online();
  const done = core.calls.dispatch('ops', 'mute', 9);
  await clock.advance(5);
  const [{ request, ...said }] = road.all('dispatch');
  assert.deepEqual([said.channel, said.action, said.talker], [17, 'mute', 9]);
  road.say({ type: 'dispatched', request, channel: 17, action: 'mute' });
  await clock.advance(5);
  await done;
  const refused = assert.rejects(core.calls.dispatch('ops', 'clear'), (/** @type {any} */ error) => error.code === 'forbidden');
  await clock.advance(5);
  const clear = road.all('dispatch')[1];
  assert.equal('talker' in clear, false);
  road.say({ type: 'error', request: clear.request, code: 'forbidden', message: '' });
  await clock.advance(5);
  await refused;
});

test('who is muted is so in the roster', async () => {
  const { clock, road, last } = await online();
  const member = { talker: 9, user: 'eve', name: 'Eve', role: '' };
  road.say({ type: 'roster', channel: 17, since: 1, version: 2, joined: [member] });
  road.say({ type: 'roster', channel: 17, since: 2, version: 3, changed: [{ ...member, muted: true }] });
  await clock.advance(5);
  assert.deepEqual(last('roster').members, [{ ...member, muted: true }]);
});

test('those who talk at the time of joining are all known', async () => {
  const { clock, road, last, core } = await online();
  core.leave('ops');
  const { sendControl } = road;
  const other = { talker: 2, user: 'eve', name: 'Eve', grant: 40, remaining_ms: 9000, level: 'imminent_peril' };
  road.sendControl = function (/** @type {Uint8Array} */ bytes) {
    const message = JSON.parse(new TextDecoder().decode(bytes));
    if (message.type !== 'join') return sendControl.call(road, /** @type {any} */ (bytes));
    road.say({ type: 'joined', request: message.request, channel: 17, name: 'ops', talker: 4, rights: ['listen', 'talk'],
      mode: 'dual', version: 1, members: [], talking: { ...other, talker: 3, grant: 41, level: undefined }, also_talking: [other] });
  };
  const joining = core.join('ops');
  await clock.advance(10);
  assert.equal((await joining).canTalk, true);
  assert.deepEqual(last('floor').talkers.map((/** @type {any} */ { grant, level }) => [grant, level]), [[41, 'normal'], [40, 'imminent_peril']]);
});

test('tones say what the floor does, each once', () => {
  const floor = (/** @type {any} */ change) => ({
    channel: 'ops', phase: /** @type {const} */ ('idle'), cause: null, by: null, talkers: [], position: 0, warned: false, remainingMs: 0, ...change,
  });
  const eve = { talker: 9, user: 'eve', name: 'Eve', grant: 5, level: 'emergency' };
  assert.equal(toneFor(undefined, floor({ phase: 'granted' })), 'grant');
  assert.equal(toneFor(floor({ phase: 'queued' }), floor({ phase: 'queued', position: 1 })), null);
  assert.equal(toneFor(floor({ phase: 'granted' }), floor({ phase: 'granted', warned: true })), 'warning');
  assert.equal(toneFor(floor({ phase: 'granted', warned: true }), floor({ phase: 'granted', warned: true })), null);
  assert.equal(toneFor(floor({ phase: 'requesting' }), floor({ phase: 'denied' })), 'deny');
  assert.equal(toneFor(floor({}), floor({ phase: 'taken', talkers: [eve] })), 'alarm');
  assert.equal(toneFor(floor({ phase: 'taken', talkers: [eve] }), floor({ phase: 'taken', talkers: [eve] })), null);
  assert.equal(toneFor(floor({ phase: 'taken' }), floor({})), 'roger');
});
