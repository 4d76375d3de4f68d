// Loss from end to end in a simulation: both legs, the gateway between them, the client's own code at both ends.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { JitterBuffer } from '../lib/jitter.js';
import { Reporter } from '../lib/reception.js';
import { OPENING, Talkspurt } from '../lib/talkspurt.js';
import { online } from './fakes.js';
import { Redundancy } from './redundancy.js';
import { simulate } from './path.js';
import { FakeClock, packet } from './support.js';

/** @type {{name: string, reports: [expected: number, lost: number, gap: number, level: number][]}[]} */
const vectors = JSON.parse(readFileSync(new URL('redundancy.json', import.meta.url), 'utf8'));
for (const { name, reports } of vectors) {
  test(`redundancy: ${name}`, () => {
    const rule = new Redundancy();
    assert.deepEqual(reports.map(([expected, lost, gap]) => rule.report({ expected, lost, gap })), reports.map((each) => each[3]));
  });
}

/**
 * Concealed frames of all, in percent: up to the first second's end, and after it.
 * @param {number} loss
 * @param {{jitter?: number, seconds?: number}} [how]
 */
function concealed(loss, how = {}) {
  const sum = { early: 0, earlyOf: 0, late: 0, lateOf: 0 };
  for (let seed = 1; seed <= 10; seed++) {
    const { early, earlyOf, late, lateOf } = simulate({ loss, seed, ...how });
    sum.early += early;
    sum.earlyOf += earlyOf;
    sum.late += late;
    sum.lateOf += lateOf;
  }
  return { first: (100 * sum.early) / sum.earlyOf, then: (100 * sum.late) / sum.lateOf };
}

// Of what is lost on both legs together (2 × 5 % are 9.8 %) this much is heard as lost. [loss, first second, after it]
for (const [loss, first, then] of [[0, 0, 0], [0.02, 3, 0.2], [0.05, 4.5, 0.5], [0.1, 9, 2]]) {
  test(`of ${loss * 100} % on each leg less than ${then} % is concealed, and less than ${first} % in the first second`, (t) => {
    for (const jitter of [0, 10, 25]) {
      for (const seconds of [3, 8, 25]) {
        const share = concealed(loss, { jitter, seconds });
        const what = `${loss * 100} %, ${jitter} ms, ${seconds} s: ${share.first.toFixed(2)} %, then ${share.then.toFixed(2)} %`;
        t.diagnostic(what);
        assert.ok(share.then <= then && share.first <= first, what);
      }
    }
  });
}

/** @param {number} sequence @param {Partial<import('../lib/wire/voice.js').VoiceFrame>} [fields] */
function frame(sequence, fields = {}) {
  return {
    start: false, end: false, talkAhead: false, sequence: sequence & 0xffff, talker: 7, channel: 17, grant: 1,
    timestamp: (sequence * 960) >>> 0, redundant: [], packet: packet(sequence), ...fields,
  };
}

/** @param {Reporter} reporter @param {number[]} numbers @param {number} [since] */
function reports(reporter, numbers, since = 0) {
  return numbers.flatMap((number) => {
    const at = since + number * 20;
    const report = reporter.frame(frame(number), at);
    return report ? [{ at, ...report }] : [];
  });
}

const numbers = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => i);

test('a path that loses nothing has nothing to say, and the first loss is told soon', () => {
  const reporter = new Reporter();
  assert.deepEqual(reports(reporter, numbers(200)), []);
  const lossy = new Reporter();
  const times = reports(lossy, numbers(160).filter((number) => number % 10 !== 5)).map(({ at }) => at);
  assert.deepEqual(times, [200, 1200, 2200]);
});

test('late frames, repeats and other talkspurts are no loss', () => {
  const reporter = new Reporter();
  for (const number of [65_534, 65_535, 1, 0, 1, 2]) assert.equal(reporter.frame(frame(number), 0), null);
  for (const number of [90, 9000, 20]) reporter.frame(frame(number, { start: true }), 0);
  assert.equal(reporter.frame(frame(21, { redundant: [packet(20)] }), 1000)?.lost, 0);
  assert.deepEqual(reports(new Reporter(), [0, 4, 5, 7, 11]), [{ at: 220, expected: 12, lost: 7, gap: 3, earlier: 0 }]);
});

test('a listener reports what it lost, but not by WebSocket, where nothing is', async () => {
  const { road, clock } = await online();
  for (const number of numbers(30).filter((number) => number % 5 !== 3)) {
    road.hear(frame(number, { start: number === 0 }));
    await clock.advance(20);
  }
  assert.equal(road.reports.length, 1);
  const [{ expected, lost, gap }] = road.reports;
  assert.ok(lost > 0 && lost <= expected && gap === 1);
  road.kind = 'websocket';
  for (const number of [40, 45, 50]) {
    road.hear(frame(number));
    await clock.advance(1000);
  }
  assert.equal(road.reports.length, 1);
});

test('a talker sends as many earlier packets as the gateway wants', async () => {
  const { core, road, clock } = await online();
  core.press('ops');
  await clock.advance(300);
  // Nobody can know yet what is lost: the first frames carry what they can, those after them nothing.
  assert.deepEqual(road.frames.map((each) => each.redundant.length), road.frames.map((_, n) => (n < OPENING ? Math.min(n, 2) : 0)));
  assert.ok(road.frames.length > OPENING);
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

test('what does not fit into a datagram is left out, the oldest first', () => {
  /** @type {any[]} */
  const sent = [];
  const clock = new FakeClock();
  const talkspurt = new Talkspurt({
    clock, channel: 1, talker: 2, sequence: 0, timestamp: 0, earlier: () => 2, send: (each) => sent.push(each),
    onHeldTooLong: () => {}, release: () => {}, done: () => {},
  });
  talkspurt.asked(1);
  for (const length of [100, 500, 400, 970, 990]) talkspurt.packet(new Uint8Array(length).fill(0x78));
  assert.deepEqual(sent.map((each) => each.redundant.map((/** @type {Uint8Array} */ earlier) => earlier.length)),
    [[], [100], [500], [], []]);
});

test('who is sent earlier packets from the start waits for them, and who isn’t does not', () => {
  for (const [count, expected] of [[0, 60], [1, 80], [2, 100]]) {
    const buffer = new JitterBuffer();
    for (const number of numbers(3)) {
      buffer.push(frame(number, { start: number === 0, redundant: numbers(Math.min(number, count)).map(packet) }), number * 20);
    }
    assert.equal(buffer.targetMs, expected);
    assert.equal(buffer.pop(expected - 1, true).kind, 'nothing');
    assert.equal(buffer.pop(expected, true).kind, 'packet');
    buffer.push(frame(3, { redundant: [packet(1), packet(2)] }), expected);
    assert.equal(buffer.targetMs, expected, 'never within a talkspurt');
  }
});

test('a second talkspurt within a grant whose START was lost is heard', () => {
  const buffer = new JitterBuffer();
  buffer.push(frame(0, { start: true, end: true }), 0);
  assert.deepEqual([buffer.pop(100, true).kind, buffer.pop(120, true).kind], ['packet', 'end']);
  assert.equal(buffer.push(frame(0, { end: true }), 130), 'dropped');
  assert.equal(buffer.push(frame(31), 900), 'started');
});
