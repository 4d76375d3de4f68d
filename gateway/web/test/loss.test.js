// Loss from end to end in a simulation: both legs, the gateway between them, the client's own code at both ends.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { JitterBuffer } from '../lib/jitter.js';
import { Reporter } from '../lib/reception.js';
import { online } from './fakes.js';
import { Redundancy } from './redundancy.js';
import { simulate } from './path.js';
import { packet } from './support.js';

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
for (const [loss, first, then] of [[0, 0, 0], [0.02, 0.5, 0.2], [0.05, 0.8, 0.2], [0.1, 1.2, 0.8]]) {
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

test('without jitter the targets hold from the first frame on, and no buffer gets deeper for it but by 10 ms for 10 %', () => {
  for (const [loss, most, deepest] of [[0.02, 0.1, 60], [0.05, 0.2, 60], [0.1, 0.5, 70]]) {
    assert.ok(concealed(loss, { jitter: 0 }).first <= most);
    for (let seed = 1; seed <= 10; seed++) assert.ok(simulate({ loss, seed, jitter: 0, seconds: 3 }).targetMs <= deepest, `${loss}`);
  }
});

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
  assert.equal(reporter.frame(frame(21, { redundant: [packet(20)] }), 1000), null, 'earlier packets that everybody gets');
  assert.deepEqual(reports(new Reporter(), [0, 4, 5, 7, 11]), [{ at: 220, expected: 12, lost: 7, gap: 3, earlier: 0 }]);
});

test('earlier packets are reported from a loss on, until a second comes without', () => {
  const reporter = new Reporter();
  /** Frames of one second, with one earlier packet each; whether there was a report. */
  const second = (/** @type {number} */ from, has = true, lost = -1) => numbers(50).filter((back) => back !== lost
    && reporter.frame(frame(from + back, { redundant: has ? [packet(0)] : [] }), (from + back) * 20)).length > 0;
  assert.deepEqual([second(0), second(50), second(100, true, 20), second(150), second(200)], [false, false, true, true, true]);
  assert.deepEqual([second(250, false), second(300, false), second(350), second(400)], [true, false, false, false]);
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

test('earlier packets deepen no buffer, and what they repair counts as late as it came', () => {
  const buffer = new JitterBuffer();
  const spoken = (/** @type {number} */ grant, /** @type {number} */ number, /** @type {number} */ at) => buffer.push(
    frame(number, { start: number === 0, grant, redundant: numbers(Math.min(number, 2)).map((back) => packet(number - 2 + back)) }), at);
  for (const number of numbers(100)) if (number % 10 !== 5) spoken(1, number, number * 20);
  spoken(2, 0, 5000);
  assert.equal(buffer.targetMs, 60, 'of each ten one came 20 ms late');
  for (const number of numbers(100)) if (number % 10 < 7) spoken(2, number, 5000 + number * 20 + (number % 10 === 6 ? 60 : 0));
  spoken(3, 0, 9000);
  assert.ok(buffer.targetMs > 60, 'and this is jitter');
});

test('a START that the next frame brings is played when it was due', () => {
  const buffer = new JitterBuffer();
  buffer.push(frame(1, { redundant: [packet(0)] }), 20);
  assert.equal(buffer.pop(59, true).kind, 'nothing');
  assert.deepEqual(buffer.pop(60, true), { kind: 'packet', packet: packet(0) });
});

test('an END that comes long after the rest says nothing twice, and what it repairs once', () => {
  for (const [end, expected] of [[3, [3]], [4, [3, 4]]]) {
    const buffer = new JitterBuffer();
    for (const number of numbers(3)) buffer.push(frame(number, { start: number === 0 }), number * 20);
    for (let at = 60; buffer.pop(at, true).kind !== 'end'; at += 20);
    buffer.push(frame(Number(end), { end: true, redundant: [packet(Number(end) - 2), packet(Number(end) - 1)] }), 900);
    const played = numbers(4).map((back) => buffer.pop(900 + back * 20, true)).flatMap((popped) => (popped.kind === 'packet' ? [popped.packet[1]] : []));
    assert.deepEqual(played, expected);
  }
});

test('a second talkspurt within a grant whose START was lost is heard', () => {
  const buffer = new JitterBuffer();
  buffer.push(frame(0, { start: true, end: true }), 0);
  assert.deepEqual([buffer.pop(100, true).kind, buffer.pop(120, true).kind], ['packet', 'end']);
  assert.equal(buffer.push(frame(0, { end: true }), 130), 'dropped');
  assert.equal(buffer.push(frame(31), 900), 'started');
});
