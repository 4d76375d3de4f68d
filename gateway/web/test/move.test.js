import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AFTER_MOVE_MS, FIRST_LOOK_MS, LONGEST_MS, STILL_MS } from '../lib/move.js';
import { encode } from '../lib/wire/voice.js';
import { online } from './fakes.js';

/** @typedef {import('./fakes.js').FakeRoad} FakeRoad */

const LOOK = FIRST_LOOK_MS + 50;
const TAKEN = { type: 'floor_taken', channel: 17, talker: 8, user: 'eve', name: 'Eve', grant: 5, remaining_ms: 9000 };
const IDLE = { type: 'floor_idle', channel: 17, grant: 5 };

/** A frame of Eve's. @param {number} sequence @param {number} [grant] */
function frame(sequence, grant = 5) {
  return encode({
    start: sequence === 0, end: false, talkAhead: false, channel: 17, talker: 8, grant, sequence,
    timestamp: sequence * 960, redundant: [], packet: Uint8Array.of(0x78, sequence),
  });
}

/** Somebody says it to both sessions. @param {FakeRoad[]} roads @param {any} message */
const sayToAll = (roads, message) => roads.filter((road) => !road.closed).forEach((road) => road.say(message));

/** A client on a WebSocket whose session any later one resumes. */
async function resumable() {
  const scene = await online('websocket');
  scene.gateway.prepare = (road) => { road.resumes = true; };
  return scene;
}

test('from a WebSocket it moves to WebTransport when nobody talks, with its places, and nobody notices', async () => {
  const { clock, roads, events, core, last } = await resumable();
  const before = events.filter(({ type }) => type === 'state').length;
  await clock.advance(LOOK);
  assert.deepEqual(roads.map(({ kind }) => kind), ['websocket', 'webtransport']);
  assert.equal(roads[1].all('hello')[0].resume, 'first');
  assert.deepEqual([last('roster').me, last('roster').version], [4, 7]);
  assert.equal(events.filter(({ type }) => type === 'state').length, before, 'it was online all the time');
  assert.deepEqual(events.filter(({ type }) => type === 'left'), []);
  assert.deepEqual(events.filter(({ type }) => type === 'road').map(({ detail }) => detail.road), ['websocket', 'webtransport']);
  assert.equal(/** @type {any} */ (core.stats()).road, 'webtransport');
  core.press('ops');
  await clock.advance(500);
  assert.ok(roads[1].frames.length > 10, 'one talks on the new road');
  assert.equal(roads[0].frames.length, 0);
  await clock.advance(AFTER_MOVE_MS);
  assert.deepEqual(roads.map(({ closed }) => closed), [true, false]);
});

test('on WebTransport nothing is looked for', async () => {
  const { clock, gateway } = await online('webtransport');
  await clock.advance(LONGEST_MS);
  assert.deepEqual(gateway.looks, []);
});

test('while UDP is blocked it looks less and less often, and at once when the network changes', async () => {
  const { clock, gateway, core, roads } = await online('websocket');
  gateway.blocked = true;
  await clock.advance(1_000_000);
  const gaps = gateway.looks.slice(1).map((at, i) => at - gateway.looks[i]);
  assert.deepEqual(gaps.slice(0, 4), [2, 4, 8, 16].map((times) => times * FIRST_LOOK_MS));
  assert.equal(gaps.at(-1), LONGEST_MS);
  const looks = gateway.looks.length;
  core.hurry();
  await clock.advance(1);
  assert.equal(gateway.looks.length, looks + 1);
  assert.deepEqual(roads.map(({ closed }) => closed), [false]);
});

test('a burst is heard to its end on the old road, and the next one on the new: nothing lost, nothing twice', async () => {
  const { clock, roads, heard } = await resumable();
  await clock.advance(FIRST_LOOK_MS - 200);
  sayToAll(roads, TAKEN);
  let sequence = 0;
  for (; sequence < 50; sequence++) {
    roads[0].handlers?.onDatagram(frame(sequence));
    await clock.advance(20);
  }
  assert.deepEqual(roads.map(({ closed, said }) => [closed, said.some(({ type }) => type === 'hello')]), [[false, true], [true, false]],
    'the other road works, and nothing is said on it');
  roads[0].say(IDLE);
  await clock.advance(STILL_MS - 100);
  assert.equal(roads.length, 2, 'not while it is warm');
  await clock.advance(300);
  assert.equal(roads.length, 3);
  // What is still under way on the slower road is heard, and then the next burst.
  roads[0].handlers?.onDatagram(frame(sequence++));
  roads[2].say({ ...TAKEN, grant: 6 });
  await clock.advance(10);
  roads[2].handlers?.onDatagram(frame(0, 6));
  assert.deepEqual(heard.map((its) => [its.grant, its.sequence]),
    [...Array.from({ length: sequence }, (_, i) => [5, i]), [6, 0]]);
});

test('voice that overtakes the welcome of the new session is heard', async () => {
  const { clock, roads, heard, gateway } = await resumable();
  gateway.prepare = (road) => {
    road.resumes = true;
    clock.after(() => road.handlers?.onDatagram(frame(0)), 0);
  };
  await clock.advance(LOOK);
  assert.equal(roads[1].all('hello').length, 1);
  assert.deepEqual(heard.map(({ sequence }) => sequence), [0]);
});

test('one’s own burst goes to its end on the old road', async () => {
  const { clock, roads, core } = await resumable();
  await clock.advance(FIRST_LOOK_MS - 100);
  core.press('ops');
  await clock.advance(2000);
  assert.equal(roads[0].frames.length > 80, true);
  core.release();
  await clock.advance(2500);
  assert.ok(roads[0].closed);
  assert.equal(roads[0].all('floor_release').length, 1);
  const last = roads.at(-1);
  assert.deepEqual([last?.all('hello').length, last?.frames.length], [1, 0]);
});

test('a press that begins while it moves is asked for on the new road, and all of it is heard', async () => {
  const { clock, roads, core, gateway, last } = await resumable();
  gateway.prepare = (road) => {
    road.resumes = true;
    roads[0].answersFloor = false;
    const { say } = road;
    road.say = (message) => {
      if (message.type === 'welcome') core.press('ops');
      say.call(road, message);
    };
  };
  await clock.advance(LOOK);
  const [asked] = roads[1].all('floor_request');
  assert.notEqual(asked.request, roads[0].all('floor_request')[0].request, 'a number stands for one request');
  await clock.advance(500);
  assert.equal(last('floor').phase, 'granted');
  const said = roads[1].frames.map(({ packet }) => packet[1]);
  assert.deepEqual(said, Array.from({ length: said.length }, (_, i) => i));
});

test('a channel where one’s place wasn’t kept is joined again', async () => {
  const { clock, roads, gateway, events, core } = await resumable();
  gateway.prepare = (road) => {
    road.resumes = true;
    const { say } = road;
    road.say = (message) => say.call(road, message.type === 'joined' && message.request == null
      ? { type: 'left', channel: 17, reason: 'disconnected' } : message);
    const { sendControl } = road;
    road.sendControl = (bytes) => {
      road.resumes = JSON.parse(new TextDecoder().decode(bytes)).type !== 'join';
      sendControl.call(road, bytes);
    };
  };
  await clock.advance(LOOK);
  assert.deepEqual(roads[1].all('join').map(({ channel }) => channel), ['ops']);
  assert.deepEqual(events.filter(({ type }) => type === 'left'), []);
  core.press('ops');
  await clock.advance(300);
  assert.ok(roads[1].frames.length > 5);
});

test('a new session that doesn’t get the old one’s place is given up, and the old one stays', async () => {
  const { clock, roads, gateway, last, core } = await online('websocket');
  await clock.advance(LOOK);
  assert.deepEqual(roads.map(({ closed }) => closed), [false, true], 'it was not resumed');
  gateway.prepare = (road) => {
    road.sendControl = () => road.say({ type: 'closing', code: 'overloaded', reason: 'full' });
  };
  await clock.advance(2 * LOOK);
  assert.deepEqual(roads.map(({ closed }) => closed), [false, true, true]);
  assert.equal(last('state').phase, 'online');
  core.press('ops');
  await clock.advance(200);
  assert.ok(roads[0].frames.length > 0);
});

test('the old session’s end by the new one is no end', async () => {
  const { clock, roads, events, last, gateway } = await resumable();
  gateway.prepare = (road) => {
    road.resumes = true;
    const { say } = road;
    // On the old road it is said first.
    road.say = (message) => {
      if (message.type === 'welcome') roads[0].say({ type: 'closing', code: 'replaced', reason: 'resumed' });
      clock.after(() => say.call(road, message), 20);
    };
  };
  await clock.advance(LOOK + 50);
  assert.deepEqual(events.filter(({ type }) => type === 'closing'), []);
  assert.deepEqual([last('state').phase, last('road').road], ['online', 'webtransport']);
});

test('a move that breaks off after the old session’s end is a loss, and no end', async () => {
  const { clock, roads, last, gateway } = await resumable();
  gateway.prepare = (road) => {
    road.sendControl = () => {
      roads[0].say({ type: 'closing', code: 'replaced', reason: 'resumed' });
      clock.after(() => road.lose('cable'), 20);
    };
  };
  await clock.advance(LOOK);
  gateway.prepare = () => {};
  assert.equal(last('state').phase, 'waiting');
  await clock.advance(1000);
  assert.deepEqual([last('state').phase, last('roster').channel], ['online', 'ops']);
});

test('who leaves, or loses the old road, moves nowhere', async () => {
  const left = await resumable();
  sayToAll(left.roads, TAKEN);
  await left.clock.advance(LOOK);
  left.core.close();
  await left.clock.advance(LONGEST_MS);
  assert.deepEqual(left.roads.map(({ closed }) => closed), [true, true]);
  const lost = await resumable();
  sayToAll(lost.roads, TAKEN);
  await lost.clock.advance(LOOK);
  lost.gateway.kind = 'webtransport';
  lost.road.lose('cable');
  await lost.clock.advance(1000);
  assert.deepEqual(lost.roads.map(({ closed }) => closed), [true, true, false]);
  assert.equal(lost.last('state').phase, 'online');
});
