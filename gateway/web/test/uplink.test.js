// What a talker's frames carry besides, and how long they are for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Talkspurt } from '../lib/talkspurt.js';
import { BITRATE, FIRST_SECOND, LEAST_BITRATE, OPENING, TRIAL, Uplink } from '../lib/uplink.js';
import { online } from './fakes.js';
import { FakeClock, packet } from './support.js';

test('a talker sends as many earlier packets as the gateway wants', async () => {
  const { core, road, clock } = await online();
  core.press('ops');
  await clock.advance(300);
  await clock.advance(900);
  await clock.advance(3000);
  // Nobody can know yet what is lost: a session's first frames carry what they can, those after them none.
  assert.deepEqual(road.frames.slice(0, TRIAL).map((each) => each.redundant.length), Array.from({ length: TRIAL }, (_, n) => Math.min(n, 2)));
  assert.ok(road.frames.length > TRIAL + OPENING);
  assert.equal(road.frames.at(-1)?.redundant.length, 0);
  road.reported({ expected: 50, lost: 5, gap: 1, earlier: 2 });
  const before = road.frames.length;
  await clock.advance(200);
  const after = road.frames.slice(before);
  assert.ok(after.length > 5);
  for (const each of after) {
    const number = each.packet[1];
    assert.deepEqual(each.redundant.map((earlier) => earlier[1]), [number - 2, number - 1]);
  }
  road.reported({ expected: 50, lost: 0, gap: 0, earlier: 0 });
  await clock.advance(100);
  assert.equal(road.frames.at(-1)?.redundant.length, 0);
});

/** An uplink whose trial is over. @param {number} wanted @param {number} [rttMs] */
function known(wanted, rttMs = 20) {
  const uplink = new Uplink();
  for (let said = 0; said < TRIAL; said++) uplink.earlier({ number: OPENING, end: false, packet: packet(0) }, []);
  return Object.assign(uplink, { wanted, rttMs });
}

test('an opening and an END carry two earlier packets, the first second one, and the rest what the gateway wants', () => {
  const before = [packet(1), packet(2)];
  const carried = (/** @type {Uplink} */ uplink, /** @type {number} */ number, end = false) =>
    uplink.earlier({ number, end, packet: packet(3) }, before).length;
  for (const wanted of [0, 1, 2]) {
    const all = [carried(known(wanted), OPENING - 1), carried(known(wanted), OPENING), carried(known(wanted), FIRST_SECOND)];
    assert.deepEqual(all, [2, Math.max(1, wanted), wanted]);
    assert.equal(carried(known(wanted), 500, true), 2, 'behind END nothing comes that could repair a last word');
  }
  assert.deepEqual(known(0).earlier({ number: 500, end: true, packet: new Uint8Array(0) }, before), before);
});

test('where two earlier packets would make voice wait for a small window it carries one, and never none', () => {
  const long = (/** @type {number} */ rttMs, /** @type {Partial<{number: number, end: boolean}>} */ frame = {}) => {
    const packets = [1, 2, 3].map((number) => new Uint8Array(75).fill(number));
    return known(2, rttMs).earlier({ number: 200, end: false, packet: packets[2], ...frame }, packets.slice(0, 2)).map(([first]) => first);
  };
  assert.deepEqual([20, 50, 90].map((rtt) => long(rtt)), [[1, 2], [1, 2], [1, 2]]);
  assert.deepEqual([120, 200, 1000].map((rtt) => long(rtt)), [[2], [2], [2]]);
  assert.deepEqual([long(1000, { number: 3 }), long(1000, { end: true })], [[1, 2], [1, 2]], 'but for the edges');
});

test('a press has as few bits as the earlier packets need that the gateway wants, and no fewer than a voice needs', () => {
  assert.deepEqual([0, 1, 2].map((wanted) => known(wanted, 20).bitrate), [BITRATE, BITRATE, BITRATE]);
  assert.deepEqual([0, 1, 2].map((wanted) => known(wanted, 200).bitrate), [BITRATE, 18_000, LEAST_BITRATE]);
  assert.equal(known(2, 1000).bitrate, LEAST_BITRATE);
  assert.equal(new Uplink().bitrate, BITRATE, 'nothing is known');
  for (const rttMs of [0, 50, 100, 150, 200]) {
    for (const wanted of [1, 2]) {
      const uplink = known(wanted, rttMs);
      const packets = [1, 2, 3].map(() => new Uint8Array(uplink.bitrate / 8 / 50));
      const carried = uplink.earlier({ number: 200, end: false, packet: packets[2] }, packets.slice(0, 2)).length;
      assert.equal(carried, wanted, `${wanted} at ${rttMs} ms`);
    }
  }
});

test('the next press has the bits for what the gateway wants by then', async () => {
  const { core, road, clock, microphone } = await online();
  const press = async () => {
    core.press('ops');
    await clock.advance(300);
    core.release();
    await clock.advance(1000);
    return microphone.bitrate;
  };
  assert.equal(await press(), BITRATE);
  road.reported({ expected: 50, lost: 5, gap: 1, earlier: 2 });
  assert.equal(await press(), BITRATE, 'the path is short');
  const { sendControl } = road;
  road.sendControl = function (/** @type {Uint8Array} */ bytes) {
    const { type } = JSON.parse(new TextDecoder().decode(bytes));
    if (type === 'ping') clock.after(() => sendControl.call(road, bytes), 200);
    else sendControl.call(road, bytes);
  };
  await clock.advance(10_000);
  assert.equal(await press(), LEAST_BITRATE);
});

test('what does not fit into a datagram is left out, the oldest first', () => {
  /** @type {any[]} */
  const sent = [];
  const clock = new FakeClock();
  const talkspurt = new Talkspurt({
    clock, channel: 1, talker: 2, sequence: 0, timestamp: 0, uplink: () => new Uplink(), send: (each) => sent.push(each),
    onHeldTooLong: () => {}, release: () => {}, done: () => {},
  });
  talkspurt.asked(1);
  for (const length of [100, 500, 400, 970, 990]) talkspurt.packet(new Uint8Array(length).fill(0x78));
  assert.deepEqual(sent.map((each) => each.redundant.map((/** @type {Uint8Array} */ earlier) => earlier.length)),
    [[], [100], [500], [], []]);
});
