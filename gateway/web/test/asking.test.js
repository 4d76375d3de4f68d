import assert from 'node:assert/strict';
import { test } from 'node:test';

import { REPEATS } from '../lib/repeats.js';
import { online } from './fakes.js';

/** A press that nobody answers by itself. @param {import('../lib/road.js').RoadKind} [kind] @param {any} [urgency] */
async function pressed(kind, urgency) {
  const scene = await online(kind);
  scene.road.answersFloor = false;
  scene.core.press('ops', urgency);
  await scene.clock.advance(1);
  const [asked] = scene.road.all('floor_request');
  return { ...scene, asked, request: asked.request };
}

test('a request goes by datagram beside the stream, four times within 15 ms and then every 20, until there is an answer', async () => {
  const { clock, road, request } = await pressed();
  await clock.advance(100);
  assert.deepEqual(road.words.map(({ at }) => at - road.words[0].at), [0, 5, 10, 15, 35, 55, 75, 95]);
  assert.deepEqual({ ...road.words[0], at: 0 }, {
    at: 0, channel: 17, talker: 4, subtype: 'request', request, level: 'normal', queue: false, priority: 255,
  });
  road.give(request);
  await clock.advance(200);
  assert.equal(road.words.length, 8);
});

test('it is repeated 25 times at most, and by the road without datagrams not at all', async () => {
  const { clock, road } = await pressed();
  await clock.advance(2000);
  assert.equal(road.words.length, REPEATS);
  const tcp = await pressed('websocket');
  await tcp.clock.advance(500);
  assert.deepEqual([tcp.road.words.length, tcp.road.all('floor_request').length], [0, 1]);
});

test('any answer by any road ends it', async () => {
  /** @type {((scene: Awaited<ReturnType<typeof pressed>>) => void)[]} */
  const answers = [
    ({ road, request }) => road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000 }),
    ({ road, request }) => road.whisper({ subtype: 'deny', request, cause: 'queue_full' }),
    ({ road, request }) => road.whisper({ subtype: 'queued', request, position: 2 }),
    ({ road, request }) => road.say({ type: 'error', request, code: 'not_joined', message: '' }),
    ({ core }) => core.close(),
  ];
  for (const answer of answers) {
    const scene = await pressed();
    answer(scene);
    await scene.clock.advance(500);
    assert.ok(scene.road.words.length <= 2, `${answer}`);
  }
});

test('each press has a newer number', async () => {
  const { clock, core, road, request } = await pressed();
  road.give(request);
  await clock.advance(50);
  core.release();
  await clock.advance(2000);
  core.press('ops');
  await clock.advance(10);
  assert.equal(road.words.at(-1)?.subtype, 'request');
  assert.ok(road.all('floor_request')[1].request > request);
});

test('the same answer twice does nothing twice', async () => {
  const { clock, core, road, request, events, last } = await pressed();
  road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000 });
  const { remainingMs } = last('floor');
  const floors = () => events.filter(({ type }) => type === 'floor').length;
  const before = floors();
  await clock.advance(100);
  road.say({ type: 'floor_granted', channel: 17, request, grant: 7, duration_ms: 30_000 });
  road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000 });
  await clock.advance(10);
  assert.deepEqual([last('floor').phase, remainingMs, floors()], ['granted', 30_000, before]);
  road.whisper({ subtype: 'revoke', grant: 7, cause: 'pre_empted', grace_ms: 3000 });
  road.say({ type: 'floor_revoke', channel: 17, grant: 7, cause: 'pre_empted', grace_ms: 3000 });
  await clock.advance(500);
  assert.equal(road.all('floor_release').length, 1);
  core.release();
  road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000 });
  road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000 });
  await clock.advance(10);
  assert.equal(road.all('floor_cancel').length, 0);
});

test('a press right after a release asks on the stream alone, where it can’t overtake that', async () => {
  const { clock, core, road, request } = await pressed();
  road.give(request);
  await clock.advance(300);
  core.release();
  await clock.advance(300);
  assert.equal(road.all('floor_release').length, 1);
  const before = road.words.length;
  core.press('ops');
  await clock.advance(300);
  assert.equal(road.all('floor_request').length, 2);
  assert.equal(road.words.length, before);
});

test('floor datagrams of others and of nonsense change nothing', async () => {
  const { core, road, request, last } = await pressed();
  road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000 }, 5);
  road.whisper({ subtype: 'granted', request, grant: 7, duration_ms: 30_000, channel: 18 });
  road.whisper({ subtype: 'release', grant: 7 });
  road.handlers?.onDatagram(Uint8Array.of(2, 1, 9));
  assert.equal(last('floor').phase, 'requesting');
  assert.equal(/** @type {any} */ (core.stats()).framesRefused, 1);
});

test('urgency is said by both roads', async () => {
  const { road, asked } = await pressed('webtransport', { level: 'emergency', queue: true });
  assert.deepEqual([asked.level, asked.queue], ['emergency', true]);
  const [word] = /** @type {any[]} */ (road.words);
  assert.deepEqual([word.level, word.queue], ['emergency', true]);
});
