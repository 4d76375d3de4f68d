// To another node before this one stops: nobody is deaf in between.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { online } from './fakes.js';

const WHERE_NOT = { node: '1f0c9a4e00000001', avoid: ['https://node-1/v1/wt'] };
const DRAINING = { type: 'draining', deadline_ms: 30_000, ...WHERE_NOT };
const EVE = { talker: 8, user: 'eve', name: 'Eve', grant: 5 };

/** A frame of Eve's. @param {number} sequence @param {number} channel */
const frame = (sequence, channel) => ({
  start: sequence === 0, end: false, talkAhead: false, channel, talker: 8, grant: 5, sequence, timestamp: sequence * 960,
  redundant: [], packet: Uint8Array.of(0x78, sequence),
});

/** A client whose next road leads to another gateway, where the channel has another number. */
async function elsewhere() {
  const scene = await online();
  scene.gateway.prepare = (road) => { road.number = 23; };
  return scene;
}

test('it is in its channels at the next node before it leaves the old one', async () => {
  const { clock, road, roads, events, last, core, gateway } = await elsewhere();
  const states = events.filter(({ type }) => type === 'state').length;
  road.say(DRAINING);
  await clock.advance(600);
  const [, next] = roads;
  assert.deepEqual(gateway.left, [undefined, WHERE_NOT], 'it says where it doesn’t want to be led again');
  assert.deepEqual(roads.map(({ closed }) => closed), [true, false]);
  assert.equal(next.all('hello')[0].resume, '', 'the other gateway has nothing of it');
  assert.deepEqual(next.all('join').map(({ channel }) => channel)[0], 'ops');
  assert.equal(road.comesBack, false, 'its places on the old one are free at once');
  assert.equal(events.filter(({ type }) => type === 'state').length, states, 'it was online all the time');
  assert.deepEqual(events.filter(({ type }) => type === 'left' || type === 'closing'), []);
  assert.equal(last('roster').me, 4);
  core.press('ops');
  await clock.advance(500);
  assert.ok(next.frames.length > 10 && next.frames.every(({ channel }) => channel === 23), 'one talks there');
});

test('while somebody talks it hears on by the old one, each frame once', async () => {
  const { clock, road, roads, heard } = await elsewhere();
  road.say({ type: 'floor_taken', channel: 17, ...EVE, remaining_ms: 29_000 });
  road.say(DRAINING);
  await clock.advance(10);
  for (let sequence = 0; sequence < 50; sequence++) {
    road.hear(frame(sequence, 17));
    roads[1]?.hear(frame(sequence, 23));
    await clock.advance(20);
  }
  assert.equal(roads.length, 2, 'the other is ready');
  assert.equal(road.closed, false);
  assert.deepEqual(heard.map(({ sequence }) => sequence), [...Array(50).keys()]);
  for (const each of roads) each.say({ type: 'floor_idle', channel: each.number, grant: 5 });
  await clock.advance(600);
  assert.deepEqual(roads.map(({ closed }) => closed), [true, false]);
});

test('who talks for longer goes on without a gap when half of the time is over', async () => {
  const { clock, road, roads, heard } = await elsewhere();
  road.say({ type: 'floor_taken', channel: 17, ...EVE, remaining_ms: 60_000 });
  await clock.advance(5);
  road.say({ ...DRAINING, deadline_ms: 2000 });
  for (let sequence = 0; sequence < 100; sequence++) {
    for (const each of roads.filter(({ closed }) => !closed)) each.hear(frame(sequence, each.number));
    if (sequence === 3) roads[1].say({ type: 'floor_taken', channel: 23, ...EVE, remaining_ms: 59_000 });
    await clock.advance(20);
  }
  assert.deepEqual(roads.map(({ closed }) => closed), [true, false]);
  assert.deepEqual(heard.map(({ sequence }) => sequence), [...Array(100).keys()]);
});

test('where there is no other node it leaves between two bursts, and comes back', async () => {
  const { clock, road, roads, gateway, last } = await online();
  gateway.refuse = 'draining';
  road.say(DRAINING);
  await clock.advance(3000);
  assert.equal(road.closed, true);
  assert.equal(road.comesBack, true);
  assert.equal(last('state').phase, 'waiting');
  gateway.refuse = null;
  await clock.advance(60_000);
  assert.deepEqual([roads.length, last('state').phase], [2, 'online']);
});

test('one that is lost meanwhile comes back the ordinary way, and what was under way is let go', async () => {
  const { clock, road, roads, last } = await elsewhere();
  road.say({ type: 'floor_taken', channel: 17, ...EVE, remaining_ms: 29_000 });
  road.say(DRAINING);
  await clock.advance(200);
  assert.equal(roads.length, 2);
  road.lose('cable');
  await clock.advance(2000);
  assert.deepEqual(roads.map(({ closed }) => closed), [true, true, false]);
  assert.equal(last('state').phase, 'online');
});
