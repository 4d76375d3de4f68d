/** A browser whose network lets no UDP through: its media goes by TCP, to the same port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { microphone, speech } from './kit/audio.js';
import { RTC_FLAGS, openRtc } from './kit/rtc/client.js';
import { legacyUser } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { until } from './kit/wait.js';

const server = await sharedServer({ args: RTC_FLAGS });

test('it hears another browser and is heard itself', async (t) => {
  const mouth = await microphone(await speech('patrol'));
  const guard = await legacyUser(t, server, 'tcp-guard');
  await guard.enter('tcp');
  const blocked = await openRtc(t, server, 'tcp-ear', 'tcp', { microphone: mouth });
  // As if UDP were swallowed: Chromium is told of the other candidates alone.
  await blocked.call('only', 'tcp');
  await blocked.call('consume');
  const free = await openRtc(t, server, 'udp-ear', 'tcp', { microphone: mouth });
  await free.call('consume');
  assert.deepEqual([await blocked.call('road'), await free.call('road')], ['tcp', 'udp']);
  for (const [talker, listener, name] of /** @type {const} */ ([[free, blocked, 'udp-ear'], [blocked, free, 'tcp-ear']])) {
    await talker.call('produce', {});
    const before = (await listener.call('received')).received;
    await talker.ask('floor_request');
    const heard = async () => (await listener.call('received')).received - before;
    await until('two seconds of voice', async () => (await heard()) >= 100, { ms: 30_000 });
    await until('the guard to hear it', () => guard.heard.chunks.some(({ sender }) => sender.user_id === name));
    await talker.ask('floor_release');
    await until('an idle floor', async () => (await listener.events()).some(({ type }) => type === 'floor_idle'));
  }
});
