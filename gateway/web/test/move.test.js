import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FIRST_LOOK_MS, LONGEST_MS, STILL_MS } from '../lib/move.js';
import { encode } from '../lib/wire/voice.js';
import { online } from './fakes.js';

/** @typedef {import('./fakes.js').FakeRoad} FakeRoad */

const LOOK = FIRST_LOOK_MS + 50;
const TAKEN = { type: 'floor_taken', channel: 17, talker: 8, user: 'eve', name: 'Eve', grant: 5, remaining_ms: 9000 };
const IDLE = { type: 'floor_idle', channel: 17, grant: 5 };

/** A frame of Eve's. @param {number} sequence */
function frame(sequence) {
  return encode({
    start: sequence === 0, end: false, talkAhead: false, channel: 17, talker: 8, grant: 5, sequence,
    timestamp: sequence * 960, redundant: [], packet: Uint8Array.of(0x78, sequence),
  });
}

/** Somebody says it to both sessions. @param {FakeRoad[]} roads @param {any} message */
const sayToAll = (roads, message) => roads.filter((road) => !road.closed).forEach((road) => road.say(message));

/** @param {FakeRoad[]} roads @param {number} sequence */
const frameToAll = (roads, sequence) => roads.forEach((road) => !road.closed && road.handlers?.onDatagram(frame(sequence)));

test('from a WebSocket it moves to WebTransport when nobody talks, and nobody notices', async () => {
  const { clock, roads, events, core } = await online('websocket');
  const before = events.filter(({ type }) => type === 'state').length;
  await clock.advance(LOOK);
  assert.deepEqual(roads.map(({ kind, closed }) => [kind, closed]), [['websocket', true], ['webtransport', false]]);
  assert.deepEqual(roads[1].all('join').map(({ channel }) => channel), ['ops']);
  assert.equal(events.filter(({ type }) => type === 'state').length, before, 'it was online all the time');
  assert.deepEqual(events.filter(({ type }) => type === 'left'), []);
  assert.deepEqual(events.filter(({ type }) => type === 'road').map(({ detail }) => detail.road), ['websocket', 'webtransport']);
  assert.equal(/** @type {any} */ (core.stats()).road, 'webtransport');
  core.press('ops');
  await clock.advance(500);
  assert.ok(roads[1].frames.length > 10, 'one talks on the new road');
  assert.equal(roads[0].frames.length, 0);
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
  const { clock, roads, heard } = await online('websocket');
  await clock.advance(FIRST_LOOK_MS - 200);
  sayToAll(roads, TAKEN);
  let sequence = 0;
  for (; sequence < 50; sequence++) {
    frameToAll(roads, sequence);
    await clock.advance(20);
  }
  assert.deepEqual(roads.map(({ closed }) => closed), [false, false], 'ready, and waiting for the end');
  // The faster road says the end first; what is still under way on the slower one is heard.
  roads[1].say(IDLE);
  await clock.advance(STILL_MS - 100);
  roads[0].handlers?.onDatagram(frame(sequence++));
  roads[0].say(IDLE);
  await clock.advance(STILL_MS - 100);
  assert.deepEqual(roads.map(({ closed }) => closed), [false, false], 'not while it is warm');
  await clock.advance(300);
  assert.deepEqual(roads.map(({ closed }) => closed), [true, false]);
  sayToAll(roads, { ...TAKEN, grant: 6 });
  assert.deepEqual(heard.map((its) => its.sequence), Array.from({ length: sequence }, (_, i) => i));
});

test('voice on the new road alone means that a burst begins', async () => {
  const { clock, roads, heard } = await online('websocket');
  sayToAll(roads, { ...TAKEN, grant: 4 });
  await clock.advance(LOOK);
  assert.equal(roads.length, 2);
  sayToAll(roads, { ...IDLE, grant: 4 });
  await clock.advance(STILL_MS - 50);
  // The next talker is on the faster road already; on the slower one it comes nearly half a second later.
  roads[1].handlers?.onDatagram(frame(0));
  await clock.advance(STILL_MS - 50);
  roads[0].handlers?.onDatagram(frame(0));
  sayToAll(roads, IDLE);
  await clock.advance(STILL_MS - 50);
  assert.ok(!roads[0].closed);
  await clock.advance(200);
  assert.ok(roads[0].closed);
  assert.equal(heard.length, 1);
});

test('one’s own burst goes to its end on the old road', async () => {
  const { clock, roads, core } = await online('websocket');
  await clock.advance(FIRST_LOOK_MS - 100);
  core.press('ops');
  await clock.advance(2000);
  assert.ok(roads[1].all('join').length > 0 && !roads[0].closed);
  core.release();
  await clock.advance(1000);
  assert.ok(roads[0].closed);
  assert.equal(roads[0].all('floor_release').length, 1);
  assert.equal(roads[1].frames.length, 0);
});

test('who enters another channel meanwhile is in it after the move', async () => {
  const { clock, roads, core, gateway } = await online('websocket');
  gateway.prepare = (road) => {
    const { sendControl } = road;
    road.sendControl = function (/** @type {Uint8Array} */ bytes) {
      const message = JSON.parse(new TextDecoder().decode(bytes));
      if (message.type !== 'join') return sendControl.call(road, bytes);
      road.said.push(message);
      road.say({ type: 'joined', request: message.request, channel: message.channel === 'ops' ? 17 : 18, name: message.channel,
        talker: 4, rights: ['listen', 'talk'], mode: 'ptt', version: 1, members: [] });
    };
  };
  gateway.prepare(roads[0]);
  sayToAll(roads, TAKEN);
  await clock.advance(LOOK);
  assert.equal(roads.length, 2);
  core.join('yard').catch(() => {});
  await clock.advance(200);
  assert.ok(roads[1].closed, 'what it had joined is no longer all');
  sayToAll(roads, IDLE);
  await clock.advance(20_000);
  assert.ok(roads[0].closed);
  assert.deepEqual(roads[2].all('join').map(({ channel }) => channel).sort(), ['ops', 'yard']);
});

test('a new session that is refused is given up, and the old one stays', async () => {
  const { clock, roads, gateway, last, core } = await online('websocket');
  gateway.prepare = (road) => {
    road.sendControl = (bytes) => {
      const { type, request } = JSON.parse(new TextDecoder().decode(bytes));
      if (type === 'hello') road.say({ type: 'welcome', version: 1, session: 't', user: 'alice', name: 'Alice', role: '',
        expires: 2e9, heartbeat_ms: 5000, idle_timeout_ms: 15_000, floor_renewal_ms: 2000 });
      if (type === 'join') road.say({ type: 'error', request, code: 'channel_full', message: 'full' });
    };
  };
  await clock.advance(LOOK);
  assert.deepEqual(roads.map(({ closed }) => closed), [false, true]);
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

test('who leaves, or loses the old road, moves nowhere', async () => {
  const left = await online('websocket');
  sayToAll(left.roads, TAKEN);
  await left.clock.advance(LOOK);
  left.core.close();
  assert.deepEqual(left.roads.map(({ closed }) => closed), [true, true]);
  const lost = await online('websocket');
  sayToAll(lost.roads, TAKEN);
  await lost.clock.advance(LOOK);
  lost.gateway.kind = 'webtransport';
  lost.road.lose('cable');
  assert.ok(lost.roads[1].closed);
  await lost.clock.advance(1000);
  assert.deepEqual(lost.roads.map(({ closed }) => closed), [true, true, false]);
  assert.equal(lost.last('state').phase, 'online');
});
