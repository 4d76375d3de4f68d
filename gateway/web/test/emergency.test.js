import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MOST_KEPT } from '../lib/early.js';
import { online } from './fakes.js';

const JOINED = {
  type: 'joined', channel: 20, name: 'emergency', talker: 9, rights: ['listen', 'talk', 'emergency'], mode: 'ptt', version: 1,
  members: [],
};

/** @param {Awaited<ReturnType<typeof online>>} scene @param {number} [roundTripMs] */
async function raise({ clock, core, road }, roundTripMs = 40) {
  const raised = core.alarm.raise({ location: { latitude: -6.2088, longitude: 106.8456, accuracy: 11.6 }, text: 'Man down' });
  await clock.advance(roundTripMs);
  const { request } = road.all('emergency')[0];
  road.say(JOINED);
  road.say({ type: 'emergency_raised', request, channel: 20, microphone_ms: 10_000 });
  await clock.advance(5);
  return raised;
}

test('one action raises the alert, takes the floor and closes the microphone by itself', async () => {
  const scene = await online();
  const { clock, road } = scene;
  assert.deepEqual(await raise(scene), { channel: 'emergency', microphoneMs: 10_000 });
  const { location, text } = road.all('emergency')[0];
  assert.deepEqual(location, { latitude_e7: -62_088_000, longitude_e7: 1_068_456_000, accuracy_m: 12 });
  assert.equal(text, 'Man down');
  assert.equal(road.all('leave').length, 0, 'it stays where it was brought');
  const asked = road.all('floor_request')[0];
  assert.deepEqual([asked.channel, asked.level], [20, 'emergency']);

  road.say({ type: 'floor_granted', channel: 20, request: asked.request, grant: 7, duration_ms: 3_600_000 });
  await clock.advance(9000);
  assert.equal(road.all('floor_release').length, 0);
  await clock.advance(1500);
  assert.deepEqual(road.all('floor_release').map(({ channel, grant }) => [channel, grant]), [[20, 7]]);
});

test('what is said before the answer is heard, and no more than may wait is kept', async () => {
  const scene = await online();
  const { road } = scene;
  await raise(scene, 1000);
  const ahead = road.frames.filter(({ talkAhead }) => talkAhead);
  assert.ok(ahead.length >= MOST_KEPT && ahead.length <= MOST_KEPT + 2, `${ahead.length}`);
  assert.ok(ahead.every(({ channel }) => channel === 20));
});

test('a refusal closes the microphone', async () => {
  const { clock, core, road, microphone } = await online();
  const raised = assert.rejects(core.alarm.raise(), { code: 'forbidden' });
  road.say({ type: 'error', request: road.all('emergency')[0].request, code: 'forbidden', message: '' });
  await clock.advance(100);
  await raised;
  assert.equal(road.frames.length, 0);
  const { made } = microphone;
  await clock.advance(200);
  assert.equal(microphone.made, made, 'it is closed');
  core.press('ops');
  await clock.advance(100);
  assert.ok(microphone.made > made, 'and can be opened again');
});

test('alerts are told to the page, one’s own as such, and their end', async () => {
  const scene = await online();
  const { clock, core, road, last } = scene;
  await raise(scene);
  road.say({ type: 'emergency_alert', channel: 20, talker: 3, user: 'bob', name: 'Bob', at: 1_795_190_400_123,
    location: { latitude_e7: -62_088_000, longitude_e7: 1_068_456_000 } });
  await clock.advance(5);
  assert.deepEqual(last('emergency'), {
    channel: 'emergency', user: 'bob', mine: false, over: false, talker: 3, name: 'Bob', at: 1_795_190_400_123,
    location: { latitude: -6.2088, longitude: 106.8456, accuracy: null }, text: null,
  });
  core.alarm.cancel('emergency', 'bob');
  assert.equal(road.all('emergency_cancel')[0].user, 'bob');
  road.say({ type: 'emergency_over', channel: 20, user: 'alice', by: 'chief' });
  await clock.advance(5);
  assert.deepEqual(last('emergency'), { channel: 'emergency', user: 'alice', mine: true, over: true, by: 'chief' });
});
