import assert from 'node:assert/strict';
import { test } from 'node:test';

import { encode } from '../lib/wire/voice.js';
import { online } from './fakes.js';
import { packet } from './support.js';

/** @param {{packet: Uint8Array}[]} frames */
const spoken = (frames) => frames.map((frame) => frame.packet[1]);
const numbers = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => i);

test('a press sends every frame from the first, END thrice, and then releases', async () => {
  const { core, clock, road, last } = await online();
  core.press('ops');
  await clock.advance(1000);
  assert.equal(last('floor').phase, 'granted');
  core.release();
  await clock.advance(500);
  const frames = road.frames;
  const end = frames.filter((frame) => frame.end);
  assert.deepEqual(spoken(frames.slice(0, -2)), numbers(frames.length - 2));
  assert.deepEqual(frames.map((frame) => frame.start), frames.map((_, i) => i === 0));
  assert.equal(end.length, 3);
  assert.ok(end.every((frame) => frame.sequence === end[0].sequence && frame.packet.length > 0));
  assert.deepEqual([end[1].at - end[0].at, end[2].at - end[1].at], [20, 20]);
  const [release] = road.all('floor_release');
  assert.ok(release.at >= end[2].at);
  assert.equal(release.grant, 101);
  assert.equal(last('floor').phase, 'idle');
});

test('sequence and timestamp count on, and every field is filled', async () => {
  const { core, clock, road } = await online();
  core.press('ops');
  await clock.advance(400);
  core.release();
  await clock.advance(200);
  const frames = road.frames.slice(0, -2);
  for (const [i, frame] of frames.entries()) {
    assert.equal(frame.sequence, (frames[0].sequence + i) & 0xffff);
    assert.equal(frame.timestamp, (frames[0].timestamp + 960 * i) >>> 0);
    assert.deepEqual([frame.channel, frame.talker, frame.grant], [17, 4, 101]);
  }
});

test('the floor is given back by datagram too, behind the last frame; by WebSocket on the stream alone', async () => {
  for (const kind of /** @type {const} */ (['webtransport', 'websocket'])) {
    const { core, clock, road } = await online(kind);
    core.press('ops');
    await clock.advance(400);
    core.release();
    await clock.advance(500);
    const [{ at, grant }] = road.all('floor_release');
    const releases = road.words.filter(({ subtype }) => subtype === 'release');
    const expected = { at, subtype: 'release', channel: 17, talker: 4, grant };
    assert.deepEqual(releases, kind === 'webtransport' ? [expected] : []);
    assert.ok(at >= Math.max(...road.frames.map((frame) => frame.at)));
  }
});

/** @param {any} scene @param {number} ms that the gateway takes to grant the newest request */
async function grantAfter({ clock, road }, ms) {
  await clock.advance(ms);
  road.give(road.all('floor_request').at(-1).request);
}

test('what is said before the grant is sent at once, flagged, under the request’s number', async () => {
  const scene = await online();
  const { core, clock, road } = scene;
  road.answersFloor = false;
  core.press('ops');
  await grantAfter(scene, 210);
  await clock.advance(190);
  core.release();
  await clock.advance(500);
  const { request, at } = road.all('floor_request')[0];
  assert.deepEqual(spoken(road.frames.slice(0, -2)), numbers(road.frames.length - 2));
  const ahead = road.frames.filter((frame) => frame.talkAhead);
  assert.deepEqual(ahead.map((frame) => frame.at - at), numbers(10).map((i) => 20 * (i + 1)));
  assert.ok(ahead.every((frame) => frame.grant === request));
  assert.ok(road.frames.slice(10).every((frame) => !frame.talkAhead && frame.grant === 101));
  assert.deepEqual(road.frames.map((frame) => frame.start), road.frames.map((_, i) => i === 0));
});

test('a press while the last one ends is sent when its floor is asked for, the newest 300 ms of it', async () => {
  const scene = await online();
  const { core, clock, road } = scene;
  road.answersFloor = false;
  core.press('ops');
  await clock.advance(100);
  core.release();
  core.press('ops');
  await grantAfter(scene, 500);
  await clock.advance(400);
  assert.equal(road.all('floor_request').length, 2);
  const { request } = road.all('floor_request')[1];
  const second = road.frames.filter((frame) => frame.talkAhead && frame.grant === request);
  assert.ok(second[0].start);
  assert.equal(second.filter((frame) => frame.at === second[0].at).length, 15);
  assert.ok(/** @type {any} */ (core.stats()).framesHeldTooLong > 0);
});

test('a tap that ends before its grant is said whole, and released once it is out of the gateway', async () => {
  const scene = await online();
  const { core, clock, road } = scene;
  road.answersFloor = false;
  core.press('ops');
  await clock.advance(90);
  core.release();
  await grantAfter(scene, 310);
  await clock.advance(300);
  const words = numbers(4 + 7 + 2);
  const [last] = words.slice(-1);
  assert.deepEqual(spoken(road.frames), [...words, last, last, last, last]);
  const end = road.frames.filter((frame) => frame.end);
  assert.deepEqual(end.map((frame) => frame.talkAhead), [true, true, true, false, false]);
  assert.ok(end.every((frame) => frame.sequence === end[0].sequence));
  const [release] = road.all('floor_release');
  assert.equal(release.grant, 101);
  assert.ok(release.at - road.all('floor_request')[0].at >= 400 + 13 * 5);
});

test('the last word is captured for 150 ms after the button is up', async () => {
  const { core, clock, road, microphone } = await online();
  core.press('ops');
  await clock.advance(410);
  core.release();
  await clock.advance(140);
  assert.equal(microphone.open, 1);
  assert.ok(road.frames.every((frame) => !frame.end));
  await clock.advance(200);
  assert.equal(microphone.open, 0);
  assert.deepEqual(spoken(road.frames.slice(0, -2)), numbers(27 + 2));
});

test('a denied press says why until the button is up, and nothing is sent after the denial', async () => {
  const { core, clock, road, last, microphone } = await online();
  road.answersFloor = false;
  core.press('ops');
  await clock.advance(100);
  const { request } = road.all('floor_request')[0];
  road.say({ type: 'floor_deny', channel: 17, request, cause: 'another_has_permission' });
  await clock.advance(2);
  const sent = road.frames.length;
  await clock.advance(500);
  assert.deepEqual([last('floor').phase, last('floor').cause], ['denied', 'another_has_permission']);
  assert.equal(microphone.open, 0);
  core.release();
  await clock.advance(300);
  assert.equal(last('floor').phase, 'idle');
  assert.equal(road.frames.length, sent);
  assert.ok(road.frames.every((frame) => frame.talkAhead));
  assert.equal(road.all('floor_release').length, 0);
});

test('an unanswered press is denied and taken back, and so is a grant that comes after', async () => {
  const { core, clock, road, last } = await online();
  road.answersFloor = false;
  core.press('ops');
  await clock.advance(3300);
  assert.deepEqual([last('floor').phase, last('floor').cause], ['denied', 'timeout']);
  road.give(road.all('floor_request')[0].request);
  await clock.advance(10);
  const { request } = road.all('floor_request')[0];
  assert.deepEqual(road.all('floor_cancel').map((message) => message.request), [request, request]);
  assert.equal(road.all('floor_release').length, 0);
  assert.ok(road.frames.every((frame) => frame.talkAhead));
});

test('a refusal by error is a denial', async () => {
  const { core, clock, road, last } = await online();
  road.answersFloor = false;
  core.press('ops');
  await clock.advance(10);
  road.say({ type: 'error', request: road.all('floor_request')[0].request, code: 'not_joined', message: '' });
  await clock.advance(10);
  assert.deepEqual([last('floor').phase, last('floor').cause], ['denied', 'not_joined']);
});

test('a revoke ends the talkspurt properly, and shows until the button is up', async () => {
  const { core, clock, road, last } = await online();
  core.press('ops');
  await clock.advance(300);
  road.say({ type: 'floor_revoke', channel: 17, grant: 101, cause: 'media_burst_too_long', grace_ms: 3000 });
  await clock.advance(500);
  assert.equal(road.frames.filter((frame) => frame.end).length, 3);
  assert.deepEqual(road.all('floor_release').map(({ grant }) => grant), [101]);
  const sent = road.frames.length;
  await clock.advance(500);
  assert.equal(road.frames.length, sent);
  assert.equal(last('floor').phase, 'revoked');
  core.release();
  await clock.advance(10);
  assert.equal(last('floor').phase, 'idle');
});

test('two presses in a row are two talkspurts, the second asked for after the first is released', async () => {
  const { core, clock, road, microphone } = await online();
  core.press('ops');
  await clock.advance(300);
  core.release();
  core.press('ops');
  await clock.advance(300);
  core.release();
  await clock.advance(300);
  assert.deepEqual(road.all('floor_release').map(({ grant }) => grant), [101, 102]);
  const words = road.said.filter(({ type }) => type.startsWith('floor')).map(({ type }) => type);
  assert.deepEqual(words, ['floor_request', 'floor_release', 'floor_request', 'floor_release']);
  assert.equal(road.frames.filter((frame) => frame.start).length, 2);
  assert.equal(microphone.open, 0);
});

test('frantic pressing leaves neither the floor nor the microphone taken', async () => {
  const { core, clock, road, microphone, last } = await online();
  for (let i = 0; i < 40; i++) {
    core.press('ops');
    await clock.advance((i * 7) % 45);
    core.release();
    await clock.advance((i * 3) % 25);
  }
  await clock.advance(1000);
  assert.equal(microphone.open, 0);
  assert.equal(last('floor').phase, 'idle');
  assert.equal(road.all('floor_release').length, road.all('floor_request').length);
});

test('a press while the session is away is denied', async () => {
  const { core, clock, road, last } = await online();
  road.lose('gone');
  await clock.advance(1);
  core.press('ops');
  assert.deepEqual([last('floor').phase, last('floor').cause], ['denied', 'offline']);
});

test('one’s own frames, other channels’ and older grants’ are not played', async () => {
  const { core, road, heard } = await online();
  const frame = { start: true, end: false, talkAhead: false, sequence: 1, talker: 9, timestamp: 0, channel: 17, grant: 5, redundant: [], packet: packet(0) };
  for (const change of [{}, { talker: 4 }, { channel: 18 }, { grant: 4 }, { talkAhead: true }]) {
    road.handlers?.onDatagram(encode({ ...frame, ...change }));
  }
  road.handlers?.onDatagram(new Uint8Array(40));
  road.handlers?.onDatagram(Uint8Array.of(1, 9));
  assert.equal(heard.length, 1);
  assert.equal(/** @type {any} */ (core.stats()).framesRefused, 1);
});
