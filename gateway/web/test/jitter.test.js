import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DEEPEST_MS, ENTRY_MS, SHALLOWEST_MS, START_MS } from '../lib/delay.js';
import { JitterBuffer } from '../lib/jitter.js';
import { packet, seeded } from './support.js';

/**
 * @param {number} number of the frame within its talkspurt
 * @param {Partial<import('../lib/wire/voice.js').VoiceFrame>} [fields]
 */
function frame(number, fields = {}) {
  return {
    start: number === 0, end: false, talkAhead: false, sequence: number & 0xffff, talker: 7, channel: 1, grant: 1,
    timestamp: (number * 960) >>> 0, redundant: [], packet: packet(number), ...fields,
  };
}

/**
 * Plays what arrives: a playback that takes 20 ms at a time and must be fed.
 * @param {JitterBuffer} buffer
 * @param {{at: number, frame: ReturnType<typeof frame>}[]} arrivals
 */
function play(buffer, arrivals) {
  const queue = [...arrivals].sort((a, b) => a.at - b.at);
  /** @type {(number | 'lost' | 'underrun')[]} */
  const heard = [];
  let started = 0;
  let nextPop = -1;
  for (let now = 0; now < 60_000; now++) {
    while (queue[0] && queue[0].at <= now) {
      if (buffer.push(/** @type {any} */ (queue.shift()).frame, now) === 'started') started++;
    }
    if (nextPop >= 0 && now < nextPop) continue;
    const popped = buffer.pop(now, true);
    if (popped.kind === 'end') {
      if (queue.length === 0) break;
      nextPop = -1;
    } else if (popped.kind !== 'nothing') {
      heard.push(popped.kind === 'packet' ? popped.packet[1] | (popped.packet[2] << 8) : popped.kind);
      nextPop = now + 20;
    }
  }
  return { heard, started };
}

/** @param {number} count @param {number} [first] of the sequence numbers */
function burst(count, first = 0, grant = 1) {
  return Array.from({ length: count }, (_, i) => ({
    at: i * 20, frame: frame(i, { sequence: (first + i) & 0xffff, end: i === count - 1, grant }),
  }));
}

const numbers = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => i);

test('frames in order are played in order, from the start delay on', () => {
  const buffer = new JitterBuffer();
  for (const { at, frame: each } of burst(3)) buffer.push({ ...each, end: false }, at);
  assert.equal(buffer.pop(START_MS - 1, true).kind, 'nothing');
  assert.equal(buffer.pop(START_MS, true).kind, 'packet');
  assert.deepEqual(play(new JitterBuffer(), burst(50)).heard, numbers(50));
});

test('sequence numbers wrap', () => {
  assert.deepEqual(play(new JitterBuffer(), burst(100, 0xffff - 50)).heard, numbers(100));
});

test('reordered frames are put in order', () => {
  const random = seeded(3);
  const arrivals = burst(200).map(({ at, frame: each }) => ({ at: at + random() * 35, frame: each }));
  assert.deepEqual(play(new JitterBuffer(), arrivals).heard, numbers(200));
});

test('a talkspurt whose first frames were overtaken begins with the first', () => {
  const arrivals = burst(30);
  arrivals[0].at = 30;
  assert.deepEqual(play(new JitterBuffer(), arrivals).heard, numbers(30));
});

test('a lost frame is concealed in its place, and only it', () => {
  const buffer = new JitterBuffer();
  const { heard } = play(buffer, burst(20).filter((_, i) => i !== 9));
  assert.deepEqual(heard, numbers(20).map((i) => (i === 9 ? 'lost' : i)));
  assert.deepEqual([buffer.stats.lost, buffer.stats.concealed, buffer.stats.late], [1, 1, 0]);
});

test('a later frame’s redundant packets fill the gap', () => {
  const buffer = new JitterBuffer();
  const arrivals = burst(20).filter((_, i) => i !== 9 && i !== 10);
  arrivals[9].frame.redundant = [packet(9), packet(10)];
  assert.deepEqual(play(buffer, arrivals).heard, numbers(20));
  assert.equal(buffer.stats.recovered, 2);
});

test('a frame that comes after its time is dropped and counted', () => {
  const buffer = new JitterBuffer();
  const arrivals = burst(30);
  arrivals[9].at += 200;
  const { heard } = play(buffer, arrivals);
  assert.equal(heard[9], 'lost');
  assert.deepEqual([buffer.stats.late, heard.length], [1, 30]);
});

test('END is played once, however often it comes', () => {
  const buffer = new JitterBuffer();
  const arrivals = burst(10);
  arrivals.push({ at: 200, frame: arrivals[9].frame }, { at: 220, frame: arrivals[9].frame }, { at: 900, frame: arrivals[9].frame });
  assert.deepEqual(play(buffer, arrivals), { heard: numbers(10), started: 1 });
  assert.deepEqual([buffer.stats.duplicate, buffer.stats.late], [3, 0]);
});

test('an empty END ends, and is not played', () => {
  const arrivals = burst(10);
  arrivals[9].frame.packet = new Uint8Array(0);
  assert.deepEqual(play(new JitterBuffer(), arrivals).heard, numbers(9));
});

test('without END the talkspurt ends by itself', () => {
  const arrivals = burst(10);
  arrivals[9].frame.end = false;
  const { heard } = play(new JitterBuffer(), arrivals);
  assert.deepEqual(heard.slice(0, 10), numbers(10));
  assert.ok(heard.slice(10).every((what) => what === 'underrun') && heard.length <= 25);
});

test('a stall is waited out, and what comes after it is heard whole', () => {
  const buffer = new JitterBuffer();
  const arrivals = burst(100).map(({ at, frame: each }) => ({ at: at >= 600 && at < 800 ? 800 : at, frame: each }));
  const { heard } = play(buffer, arrivals);
  assert.deepEqual(heard.filter((what) => typeof what === 'number'), numbers(100));
  assert.ok(buffer.stats.underruns > 0 && buffer.stats.underruns <= 10);
});

test('what is lost in a stall is not concealed twice', () => {
  const arrivals = burst(100).filter((_, i) => i < 40 || i >= 45);
  const { heard } = play(new JitterBuffer(), arrivals);
  assert.equal(heard.length, 100);
});

test('a buffer that grows too deep skips to live', () => {
  const buffer = new JitterBuffer();
  for (const { frame: each } of burst(60)) buffer.push({ ...each, end: false }, 0);
  assert.ok(buffer.depthMs <= 480);
  assert.ok(buffer.stats.skipped > 0);
  const popped = buffer.pop(1000, true);
  assert.equal(popped.kind, 'packet');
});

test('voice held for the grant, sent 5 ms apart, is heard whole', () => {
  const buffer = new JitterBuffer();
  const held = burst(80).map(({ at, frame: each }, i) => ({ at: Math.max(i * 5, at - 280), frame: each }));
  assert.deepEqual(play(buffer, held).heard, numbers(80));
  assert.equal(buffer.stats.skipped, 0);
});

test('a newer grant begins anew, an older one is stale', () => {
  const buffer = new JitterBuffer();
  buffer.push(frame(0, { grant: 5 }), 0);
  assert.equal(buffer.push(frame(40, { grant: 6, start: false }), 10), 'started');
  assert.equal(buffer.push(frame(1, { grant: 5 }), 20), 'dropped');
  assert.equal(buffer.stats.stale, 1);
});

test('a second talkspurt within a grant begins anew', () => {
  const later = burst(10, 500).map(({ at, frame: each }) => ({ at: at + 1000, frame: { ...each, timestamp: each.timestamp + 1 } }));
  assert.deepEqual(play(new JitterBuffer(), [...burst(10), ...later]), { heard: [...numbers(10), ...numbers(10)], started: 2 });
});

test('who enters in the middle of a talkspurt hears it at once, and waits as ever for the next', () => {
  const buffer = new JitterBuffer();
  assert.equal(buffer.push(frame(70), 0, true), 'started');
  assert.equal(buffer.pop(ENTRY_MS - 1, true).kind, 'nothing');
  assert.equal(buffer.pop(ENTRY_MS, true).kind, 'packet');
  buffer.push(frame(0, { grant: 2 }), 900, true);
  assert.equal(buffer.pop(900 + START_MS - 1, true).kind, 'nothing');
  assert.equal(buffer.pop(900 + START_MS, true).kind, 'packet');
});

test('who enters in the middle of a talkspurt misses little of it, however the path jitters', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seeded(seed);
    const buffer = new JitterBuffer();
    const queue = burst(200).slice(50).map(({ at, frame: each }) => ({ at: at + random() * 40, frame: each })).sort((a, b) => a.at - b.at);
    let [next, concealed] = [-1, 0];
    for (let now = 0; now < 6000; now++) {
      while (queue[0] && queue[0].at <= now) {
        if (buffer.push(/** @type {any} */ (queue.shift()).frame, now, true) === 'started') next = now;
      }
      if (next < 0 || now < next) continue;
      const { kind } = buffer.pop(now, true);
      if (kind === 'end') break;
      if (kind === 'nothing') continue;
      next = now + 20;
      if (kind !== 'packet') concealed++;
    }
    assert.ok(queue.length === 0 && concealed <= 6, `seed ${seed}: ${concealed} of 150`);
  }
});

test('a talker who falls silent without END and goes on is heard again', () => {
  const arrivals = burst(60).map(({ at, frame: each }) => ({ at: at >= 400 ? at + 2000 : at, frame: each }));
  const { heard, started } = play(new JitterBuffer(), arrivals);
  assert.deepEqual(heard.filter((what) => typeof what === 'number'), numbers(60));
  assert.equal(started, 2);
});

test('the target follows the jitter between talkspurts, never within', () => {
  const buffer = new JitterBuffer();
  const random = seeded(5);
  const targets = [];
  for (let grant = 1; grant <= 6; grant++) {
    const arrivals = burst(200, 0, grant).map(({ at, frame: each }) => ({ at: at + random() * 100, frame: each }));
    let within = -1;
    for (const { at, frame: each } of arrivals.sort((a, b) => a.at - b.at)) {
      buffer.push(each, at);
      if (within < 0) within = buffer.targetMs;
      assert.equal(buffer.targetMs, within);
    }
    targets.push(buffer.targetMs);
  }
  assert.equal(targets[0], START_MS);
  assert.ok(targets[1] > 90 && targets[1] <= 150, `${targets}`);
  for (let grant = 7; grant <= 30; grant++) play(buffer, burst(200, 0, grant));
  assert.ok(buffer.targetMs < START_MS && buffer.targetMs >= SHALLOWEST_MS, `${buffer.targetMs}`);
});

test('under any jitter, loss, reordering and repeats: in order, none twice, every slot accounted for', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seeded(seed);
    const buffer = new JitterBuffer();
    const loss = random() * 0.3;
    const jitter = random() * 150;
    const count = 20 + Math.floor(random() * 200);
    const arrivals = [];
    for (const { at, frame: each } of burst(count, Math.floor(random() * 0x10000))) {
      const i = each.packet[1] | (each.packet[2] << 8);
      if (random() < 0.5) each.redundant = [i - 2, i - 1].filter((n) => n >= 0).map(packet);
      for (let copies = random() < 0.05 ? 2 : 1; copies > 0; copies--) {
        if (each.end || random() >= loss) arrivals.push({ at: Math.floor(at + random() * jitter), frame: each });
      }
    }
    const { heard } = play(buffer, arrivals);
    const played = heard.filter((what) => typeof what === 'number');
    for (let i = 1; i < played.length; i++) assert.ok(played[i] > played[i - 1], `seed ${seed}: ${played[i - 1]}, ${played[i]}`);
    assert.ok(buffer.targetMs <= DEEPEST_MS);
    assert.equal(buffer.stats.concealed, heard.length - played.length, `seed ${seed}`);
  }
});
