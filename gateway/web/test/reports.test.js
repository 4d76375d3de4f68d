import assert from 'node:assert/strict';
import { test } from 'node:test';

import { FirstSound } from '../audio/first-sound.js';
import { GatewayClock } from '../lib/gateway-clock.js';
import { decodeClock, encodeClock } from '../lib/wire/clock.js';
import { online } from './fakes.js';
import { packet } from './support.js';

const HOUR_US = 3_600_000_000;

test('of several answers the fastest is believed, and none that was not asked for', () => {
  const clock = new GatewayClock();
  assert.equal(clock.at(0), null);
  const ask = (/** @type {number} */ now) => {
    let echo = '';
    clock.tick(now, (bytes) => { echo = decodeClock(bytes).echo; });
    return echo;
  };
  // The gateway is 1000 ms ahead; the way back is slow, so the middle is 40 ms off.
  clock.answer(encodeClock({ subtype: 'tell', echo: ask(0), time_us: 1_010_000 }), 100);
  assert.equal(clock.at(0), 960_000);
  clock.answer(encodeClock({ subtype: 'tell', echo: ask(250), time_us: 1_255_000 }), 260);
  assert.equal(clock.at(0), 1_000_000);
  clock.answer(encodeClock({ subtype: 'tell', echo: 'ffffffffffffffff', time_us: 5 }), 260);
  clock.answer(new Uint8Array([4, 1]), 260);
  assert.deepEqual([clock.at(0), clock.rttMs], [1_000_000, 10]);
});

test('it asks fast four times, and then every 2 s', () => {
  const clock = new GatewayClock();
  /** @type {number[]} */
  const asked = [];
  for (let now = 0; now <= 6000; now += 250) clock.tick(now, () => asked.push(now));
  assert.deepEqual(asked, [0, 250, 500, 750, 1000, 3000, 5000]);
});

test('a burst of ours is reported once it is released', async () => {
  const { core, clock, road } = await online();
  await clock.advance(2000);
  const pressed = clock.time;
  core.press('ops');
  await clock.advance(400);
  assert.equal(road.all('burst_report').length, 0);
  core.release();
  await clock.advance(500);
  const [report] = road.all('burst_report');
  const { pressed_us, granted_us, at_us, timestamp } = report.said;
  assert.deepEqual([report.channel, report.grant, road.all('burst_report').length], [17, 101, 1]);
  // The clocks are known to half of the round trip of 1 ms.
  assert.ok(Math.abs(pressed_us - HOUR_US - pressed * 1000) <= 1000, `${pressed_us}`);
  assert.deepEqual([granted_us - pressed_us, at_us - pressed_us], [1000, 0]);
  assert.equal(timestamp, road.frames[0].timestamp);
});

test('who waited in the queue tells no time of access', async () => {
  const { core, clock, road } = await online();
  road.answersFloor = false;
  await clock.advance(2000);
  core.press('ops', { queue: true });
  await clock.advance(50);
  const { request } = road.all('floor_request')[0];
  road.say({ type: 'floor_queued', channel: 17, request, position: 1 });
  await clock.advance(300);
  road.give(request);
  await clock.advance(300);
  core.release();
  await clock.advance(500);
  const [{ said }] = road.all('burst_report');
  assert.ok(said.pressed_us > 0 && !('granted_us' in said));
});

test('what was heard is reported on the gateway’s clock, with what the loudspeaker takes', async () => {
  const { core, clock, road } = await online();
  await clock.advance(2000);
  core.reports.outputLatencyMs = 15;
  core.reports.heard(17, 3, { grant: 7, at: clock.time - 100, timestamp: 480 });
  const [{ heard, grant }] = road.all('burst_report');
  assert.equal(grant, 7);
  assert.ok(Math.abs(heard.at_us - HOUR_US - (clock.time - 85) * 1000) <= 1000);
  assert.deepEqual([heard.timestamp, 'entered_us' in heard], [480, false]);
  core.reports.heard(99, 3, { grant: 7, at: 0, timestamp: 0 });
  assert.equal(road.all('burst_report').length, 1, 'a channel that one is not in');
});

test('the first sound is that of the packet that is decoded first', () => {
  const first = new FirstSound();
  const [before, own] = [packet(1), packet(2)];
  const frame = {
    start: false, end: false, talkAhead: false, sequence: 9, talker: 3, channel: 17, grant: 7,
    timestamp: 480, redundant: [before], packet: own,
  };
  first.start(7);
  assert.equal(first.heard, null);
  first.note(frame);
  first.decoding(before);
  first.leaves(1234);
  first.decoding(own);
  first.leaves(1254);
  assert.deepEqual(first.heard, { grant: 7, at: 1234, timestamp: (480 - 960) >>> 0 });
});
