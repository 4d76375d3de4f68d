import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FIRST_MS } from '../lib/backoff.js';
import { online } from './fakes.js';

/** @typedef {import('./fakes.js').FakeRoad} FakeRoad */

/** @param {{packet: Uint8Array}[]} frames */
const spoken = (frames) => frames.map(({ packet }) => packet[1]);
/** @param {number} from @param {number} to */
const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/**
 * One who talks, and loses its session.
 * @param {any[]} restates what the gateway says of the floor to the session that comes back; its requests are 2 and more
 * @param {{queue?: boolean}} [urgency]
 */
async function cutOff(restates, urgency) {
  const scene = await online();
  const { clock, core, road, gateway } = scene;
  if (urgency) road.answersFloor = false;
  core.press('ops', urgency);
  await clock.advance(500);
  const { request } = road.all('floor_request')[0];
  gateway.prepare = (next) => {
    next.resumes = true;
    next.grant = 200;
    next.restates = restates.map((word) => ({ ...word, ...('request' in word && { request }) }));
  };
  road.lose('cable');
  return { ...scene, request };
}

const GRANTED = { type: 'floor_granted', request: 0, grant: 101, duration_ms: 20_000 };

test('a button that is held goes on talking under the same grant, with what was said last', async () => {
  const { clock, core, road, roads, last, microphone } = await cutOff([GRANTED]);
  const before = road.frames.length;
  await clock.advance(FIRST_MS / 2 - 20);
  assert.equal(microphone.open, 1, 'it is captured all the time');
  await clock.advance(400);
  const frames = roads[1].frames;
  const said = spoken(frames);
  assert.deepEqual(said, numbers(said[0], said[0] + said.length - 1));
  assert.equal(said[0], before, 'a quarter of a second is kept whole');
  assert.ok(frames.every(({ grant, talkAhead }) => grant === 101 && !talkAhead));
  const burst = frames.filter(({ at }) => at === frames[0].at);
  assert.ok(burst.length >= 5 && burst.length <= 15, `${burst.length} frames were kept`);
  assert.equal(frames[0].sequence, (road.frames[before - 1].sequence + 1) & 0xffff, 'it is one talkspurt');
  assert.equal(last('floor').phase, 'granted');
  assert.deepEqual(roads[1].all('floor_request'), []);
  core.release();
  await clock.advance(500);
  assert.deepEqual(roads[1].all('floor_release').map(({ grant }) => grant), [101]);
  assert.deepEqual([last('floor').phase, microphone.open], ['idle', 0]);
});

test('of a longer loss the newest 300 ms are kept', async () => {
  const { clock, gateway, roads } = await cutOff([GRANTED]);
  gateway.refuse = 'refused';
  await clock.advance(3000);
  gateway.refuse = null;
  await clock.advance(10_000);
  const frames = roads.at(-1)?.frames ?? [];
  assert.equal(frames.filter(({ at }) => at === frames[0].at).length, 15);
});

test('a button that went up meanwhile says its last word, and gives the floor back', async () => {
  const { clock, core, roads, microphone } = await cutOff([GRANTED]);
  core.release();
  await clock.advance(1000);
  const { frames } = roads[1];
  assert.equal(frames.filter(({ end }) => end).length, 3);
  assert.deepEqual(roads[1].all('floor_release').map(({ grant }) => grant), [101]);
  assert.equal(microphone.open, 0);
});

test('a revoke that was missed ends it', async () => {
  const revoke = { type: 'floor_revoke', grant: 101, cause: 'pre_empted', grace_ms: 2000 };
  const { clock, core, roads, last, microphone } = await cutOff([GRANTED, revoke]);
  await clock.advance(1000);
  assert.deepEqual([last('floor').phase, last('floor').cause, microphone.open], ['revoked', 'pre_empted', 0]);
  assert.equal(roads[1].all('floor_release').length, 1);
  core.release();
  assert.equal(last('floor').phase, 'idle');
});

test('a grant that is over by then ends the press, and is seen for as long as the button is down', async () => {
  const { clock, core, roads, last, microphone } = await cutOff([]);
  await clock.advance(1000);
  assert.deepEqual([last('floor').phase, last('floor').cause, microphone.open], ['revoked', 'lost', 0]);
  assert.deepEqual([roads[1].frames.length, roads[1].all('floor_request').length], [0, 0]);
  core.release();
  await clock.advance(10);
  assert.equal(last('floor').phase, 'idle');
  core.press('ops');
  await clock.advance(300);
  assert.ok(roads[1].frames.length > 5, 'the next press is like any other');
});

test('one who waits in the queue waits on, at the same request', async () => {
  const queued = { type: 'floor_queued', request: 0, position: 2, size: 3 };
  const { clock, roads, last, request } = await cutOff([queued], { queue: true });
  await clock.advance(1000);
  assert.deepEqual([last('floor').phase, last('floor').position], ['queued', 2]);
  assert.deepEqual(roads[1].all('floor_request'), []);
  roads[1].give(request);
  await clock.advance(300);
  assert.equal(last('floor').phase, 'granted');
  assert.ok(roads[1].frames.some(({ talkAhead }) => !talkAhead));
});

test('a request that never came is asked again by another number', async () => {
  const { clock, roads, last, request } = await cutOff([], { queue: true });
  await clock.advance(1000);
  const [again, ...more] = roads[1].all('floor_request');
  assert.deepEqual(more, []);
  assert.deepEqual([again.queue, again.request > request], [true, true]);
  assert.equal(last('floor').phase, 'granted');
  assert.ok(roads[1].frames.length > 20);
});

test('a request that never came and isn’t wanted any more is not asked again', async () => {
  const { clock, core, roads, last, microphone } = await cutOff([], { queue: true });
  core.release();
  await clock.advance(1000);
  assert.deepEqual(roads[1].all('floor_request'), []);
  assert.deepEqual([last('floor').phase, microphone.open], ['idle', 0]);
});

test('a session that isn’t resumed has nothing of it', async () => {
  const { clock, core, roads, gateway, last, microphone } = await cutOff([]);
  gateway.prepare = () => {};
  await clock.advance(1000);
  assert.deepEqual([last('floor').phase, last('floor').cause, microphone.open], ['revoked', 'lost', 0]);
  assert.equal(roads[1].frames.length, 0);
  core.release();
  core.press('ops');
  await clock.advance(300);
  assert.ok(roads[1].frames.length > 5);
});

test('a place of another number is another place', async () => {
  const { clock, gateway, roads, last } = await cutOff([GRANTED]);
  const { prepare } = gateway;
  gateway.prepare = (next) => {
    prepare(next);
    next.joined = { talker: 9 };
  };
  await clock.advance(1000);
  assert.equal(roads[1].frames.length, 0);
  assert.equal(last('floor').cause, 'lost');
});

test('an end for good stops the microphone', async () => {
  const ended = await online();
  ended.core.press('ops');
  await ended.clock.advance(200);
  ended.road.say({ type: 'closing', code: 'kicked', reason: 'x' });
  await ended.clock.advance(100);
  assert.equal(ended.microphone.open, 0);
  const left = await cutOff([]);
  left.core.close();
  await left.clock.advance(100);
  assert.equal(left.microphone.open, 0);
});

test('a second press while the session is lost is denied, and the next one after it is granted', async () => {
  const { clock, core, roads, last } = await cutOff([]);
  core.release();
  core.press('ops');
  assert.deepEqual([last('floor').phase, last('floor').cause], ['denied', 'offline']);
  await clock.advance(1000);
  core.press('ops');
  await clock.advance(300);
  assert.ok(roads[1].frames.length > 5);
});
