import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Hasten } from '../audio/hasten.js';
import { HURRY, Replay, REPLAYED } from '../lib/replay.js';
import { join } from '../lib/wire/frames.js';
import { ReplayReader, replayRequest } from '../lib/wire/replay.js';
import { encode } from '../lib/wire/voice.js';
import { online } from './fakes.js';
import { bytes, FakeClock, hex, packet } from './support.js';

const GRANT = 50;
/** @param {number} number */
const frame = (number, grant = GRANT) => ({
  start: number === 0, end: false, talkAhead: false, sequence: (65_530 + number) & 0xffff, talker: 9, timestamp: 960 * number,
  channel: 17, grant, redundant: [], packet: packet(number),
});
const head = (live = true) => ({ type: 'replaying', channel: 17, talker: 9, user: 'eve', name: 'Eve', grant: GRANT,
  remaining_ms: 9000, live, frames: 0, age_ms: 400 });

/** @param {object} message @param {ReturnType<typeof frame>[]} frames */
function stream(message, frames) {
  const parts = [join(new TextEncoder().encode(JSON.stringify(message)))];
  for (const one of frames) {
    const datagram = encode(one);
    parts.push(Uint8Array.of(datagram.length >> 8, datagram.length & 0xff), datagram);
  }
  return Uint8Array.from(Buffer.concat(parts));
}

/** @param {any} scene @param {Uint8Array} answer @param {number} [ms] until it comes */
function answers({ road, clock }, answer, ms = 50) {
  /** @type {string[]} */
  const asked = [];
  road.openStream = async function* (/** @type {Uint8Array} */ request) {
    asked.push(hex(request));
    await new Promise((resolve) => { clock.after(() => resolve(undefined), ms); });
    yield answer.subarray(0, 7);
    yield answer.subarray(7);
  };
  return asked;
}

const said = (/** @type {any[]} */ heard) => heard.map((one) => one.packet[1]);

test('a replay is asked for as PROTOCOL.md says', () => {
  assert.equal(hex(replayRequest(17)), `030000001f${Buffer.from('{"type":"replay","channel":17}').toString('hex')}`.replace('1f', '1e'));
});

test('the answer is read in chunks of any size', () => {
  const whole = stream(head(), [frame(0), frame(1), frame(2)]);
  for (const size of [1, 2, 3, 50, whole.length]) {
    const reader = new ReplayReader();
    const frames = [];
    for (let at = 0; at < whole.length; at += size) frames.push(...reader.push(whole.subarray(at, at + size)));
    assert.deepEqual([reader.head.user, said(frames)], ['eve', [0, 1, 2]]);
  }
  assert.throws(() => new ReplayReader().push(bytes('ffffffff')), RangeError);
});

test('the last burst is played again as it was said, twice if one likes, beside what is said meanwhile', async () => {
  const scene = await online();
  const { core, clock, heard } = scene;
  answers(scene, stream(head(false), [frame(0), frame(1), frame(2)]));
  for (const round of [1, 2]) {
    const playing = core.hearing.replay('ops');
    await clock.advance(500);
    assert.deepEqual(await playing, { talker: 9, user: 'eve', name: 'Eve', live: false, ageMs: 400 });
    assert.deepEqual(said(heard), [0, 1, 2]);
    assert.ok(heard.every((one) => one.talker === REPLAYED + 9 && one.grant === round));
    heard.length = 0;
  }
});

test('who enters in mid-burst hears it from its start, in order, faster until it is live', async () => {
  const scene = await online();
  const { core, clock, heard, road, speeds } = scene;
  answers(scene, stream(head(), Array.from({ length: 20 }, (_, i) => frame(i))));
  road.handlers?.onDatagram(encode(frame(19)));
  heard.length = 0;
  const playing = core.hearing.replay('ops', true);
  for (let number = 20; number < 400; number++) {
    await clock.advance(20);
    road.handlers?.onDatagram(encode(frame(number)));
  }
  await clock.advance(100);
  assert.equal((await playing)?.live, true);
  assert.deepEqual(heard.map((one) => one.sequence), Array.from({ length: 400 }, (_, i) => frame(i).sequence));
  assert.ok(heard.every((one) => one.talker === REPLAYED + 9));
  assert.deepEqual(speeds.map(([, , speed]) => speed), [HURRY, 1]);
});

test('a refused or slow replay leaves what is said as it is', async () => {
  const scene = await online();
  const { core, clock, heard, road } = scene;
  road.handlers?.onDatagram(encode(frame(0)));
  answers(scene, stream({ type: 'error', code: 'rate_limited', message: '' }, []), 100);
  const refused = assert.rejects(core.hearing.replay('ops'), (/** @type {any} */ error) => error.code === 'rate_limited');
  road.handlers?.onDatagram(encode(frame(1)));
  await clock.advance(200);
  await refused;
  assert.deepEqual(said(heard), [0, 1]);
  answers(scene, stream(head(), [frame(0)]), 3000);
  const late = core.hearing.replay('ops');
  for (let number = 2; number < 160; number++) {
    await clock.advance(20);
    road.handlers?.onDatagram(encode(frame(number)));
  }
  assert.equal(await late, null);
  assert.equal(heard.length, 160);
});

test('a page that stood still while the replay came plays it all the same', async () => {
  const scene = await online();
  const { core, clock, heard, road } = scene;
  road.handlers?.onDatagram(encode(frame(0)));
  heard.length = 0;
  answers(scene, stream(head(), Array.from({ length: 100 }, (_, i) => frame(i))));
  const playing = core.hearing.replay('ops', true);
  // What came in two seconds is read at once, and the stream behind it.
  for (let number = 1; number < 100; number++) road.handlers?.onDatagram(encode(frame(number)));
  await clock.advance(3000);
  assert.equal((await playing)?.live, true);
  assert.deepEqual(heard.map((one) => one.sequence), Array.from({ length: 100 }, (_, i) => frame(i).sequence));
  assert.ok(heard.every((one) => one.talker === REPLAYED + 9));
});

test('a burst that ends while one catches up is played to its end, and no repeat of that is waited for', async () => {
  const scene = await online();
  const { core, clock, heard, road, speeds } = scene;
  road.handlers?.onDatagram(encode(frame(0)));
  heard.length = 0;
  answers(scene, stream(head(), [frame(0), frame(1)]));
  const playing = core.hearing.replay('ops', true);
  await clock.advance(60);
  await playing;
  const last = { ...frame(2), end: true };
  for (const wait of [0, 20, 20]) {
    await clock.advance(wait);
    road.handlers?.onDatagram(encode(last));
  }
  await clock.advance(100);
  assert.deepEqual([...new Set(said(heard))], [0, 1, 2]);
  assert.deepEqual(speeds.map(([, , speed]) => speed), [HURRY, 1]);
});

test('of a replay that is stopped nothing more is heard, though its stream goes on', async () => {
  const clock = new FakeClock();
  /** @type {any[]} */
  const heard = [];
  const play = (/** @type {any} */ one) => heard.push(one);
  const replay = new Replay({ clock, speed: 1, of: GRANT, play, onLive: () => assert.fail('it is over') });
  replay.recorded(frame(0));
  replay.stop();
  replay.recorded(frame(1));
  replay.whole();
  await clock.advance(200);
  assert.deepEqual(said(heard), [0]);
});

test('where there is no stream for it, it is unavailable', async () => {
  const { core } = await online('websocket');
  await assert.rejects(core.hearing.replay('ops'), (/** @type {any} */ error) => error.code === 'unavailable');
});

test('faster speech has the same pitch, no click, and the right length', () => {
  const hasten = new Hasten();
  hasten.speed = HURRY;
  /** @type {number[]} */
  const out = [];
  for (let i = 0; i < 100; i++) {
    const samples = Float32Array.from({ length: 960 }, (_, k) => 0.5 * Math.sin(((i * 960 + k) * 2 * Math.PI * 150) / 48_000));
    out.push(...hasten.shorten(samples));
  }
  assert.ok(Math.abs(out.length - 96_000 / HURRY) < 1000, `${out.length}`);
  const steps = out.slice(1).map((sample, i) => Math.abs(sample - out[i]));
  assert.ok(Math.max(...steps) < 0.03, `${Math.max(...steps)}`);
  const rises = out.slice(1).filter((sample, i) => sample >= 0 && out[i] < 0).length;
  assert.ok(Math.abs(rises / (out.length / 48_000) - 150) < 8, `${rises / (out.length / 48_000)} Hz`);
});

test('at its own speed nothing is touched', () => {
  const samples = new Float32Array(960).fill(0.25);
  assert.equal(new Hasten().shorten(samples), samples);
});

test('late entry is asked for when somebody talks already, and when one wants it', async () => {
  for (const wanted of [true, false]) {
    const scene = await online();
    const { core, clock, gateway, road, roads } = scene;
    core.lateEntry = wanted;
    /** @type {string[]} */
    let asked = [];
    gateway.prepare = (next) => {
      asked = answers({ ...scene, road: next }, stream(head(), [frame(0)]));
      const { say } = next;
      next.say = (message) => say.call(next, message.type !== 'joined' ? message : {
        ...message, talking: { talker: 9, user: 'eve', name: 'Eve', grant: GRANT, remaining_ms: 9000 },
      });
    };
    road.lose('cable');
    await clock.advance(1000);
    assert.equal(roads.length, 2);
    assert.deepEqual(asked, wanted ? [hex(replayRequest(17))] : []);
  }
});
