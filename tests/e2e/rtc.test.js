/** Browsers with `mediasoup-client` on WebRTC, among themselves and with every other generation, on speech. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertSameSpeech, microphone, speech } from './kit/audio.js';
import { openConsole } from './kit/console.js';
import { RTC_FLAGS, openRtc } from './kit/rtc/client.js';
import { displayName, legacyUser } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */

/** The console's jitter buffer. */
const JITTER_MS = 120;

const server = await sharedServer({ args: RTC_FLAGS });

/** Long enough for a microphone that repeats itself to say everything once. @param {import('./kit/wav.js').Pcm} said */
const twoRounds = (said) => (said.samples.length / said.rate + 1) * 2000;

/**
 * Records what comes and compares. What the server says that it dropped for being old, as on a machine that others use too, may be
 * missing, and nothing else.
 * @param {T} t @param {import('./kit/rtc/client.js').RtcPage} listener @param {import('./kit/wav.js').Pcm} said
 * @param {() => Promise<void>} speak
 */
async function assertHeard(t, listener, said, speak) {
  const before = { ...(await listener.call('received')), dropped: await server.dropped(/stale/) };
  await listener.call('record');
  await speak();
  const recorded = await listener.recorded();
  const after = { ...(await listener.call('received')), dropped: await server.dropped(/stale/) };
  t.diagnostic(JSON.stringify(after));
  assert.ok(after.received > before.received, 'nothing was received');
  return assertSameSpeech(said, recorded, { lostMs: 30 + 20 * (after.dropped - before.dropped) });
}

// Two at a time: they are as long as speech is, and begin and end together.
describe('one browser hears another', { concurrency: 2 }, () => {
  for (const library of /** @type {const} */ (['mediasoup-client', 'mediasoup-client-early'])) {
    test(`with ${library}, by the channel's floor`, async (t) => {
      const said = await speech('patrol');
      const channel = `floor-${library}`;
      const listener = await openRtc(t, server, `${channel}-ear`, channel, { library });
      await listener.call('consume');
      const talker = await openRtc(t, server, `${channel}-mouth`, channel, { library, microphone: await microphone(said) });
      await talker.call('produce', {});
      // No button: it talks by talking.
      assert.equal((await listener.event('floor_taken')).user_id, `${channel}-mouth`);
      await assertHeard(t, listener, said, () => sleep(twoRounds(said)));
      const { lost, received } = await listener.call('received');
      assert.ok(lost <= received / 50, `${lost} of ${received} were lost`);
    });
  }

  test('by the producer, and learns when it goes', async (t) => {
    const said = await speech('medic');
    const listener = await openRtc(t, server, 'producer-ear', 'producer');
    const talker = await openRtc(t, server, 'producer-mouth', 'producer', { microphone: await microphone(said) });
    const id = await talker.call('produce', {});
    const announced = await listener.event('new-producer');
    assert.deepEqual([announced.producerId, announced.userId, announced.kind], [id, 'producer-mouth', 'audio']);
    await listener.call('consume', id);
    await assertHeard(t, listener, said, () => sleep(twoRounds(said)));
    const late = await openRtc(t, server, 'producer-late', 'producer');
    assert.deepEqual((await late.event('welcome')).producers.map((/** @type {any} */ known) => known.producerId), [id]);
    await talker.call('hangUp', 'send');
    assert.equal((await listener.event('producer-closed')).producerId, id);
    assert.equal((await talker.event('transport-closed')).reason, 'closed');
    assert.match(await talker.call('produce', {}), /^[0-9a-f]{16}$/);
    await until('the new producer to be known', async () => (await listener.ask('get-producers')).producers.length === 1);
    await talker.page.close();
    await until('none to be left', async () => (await listener.ask('get-producers')).producers.length === 0);
  });

  test('with discontinuous transmission, and after ICE restarts', async (t) => {
    const said = await speech('dispatch');
    const listener = await openRtc(t, server, 'dtx-ear', 'dtx');
    await listener.call('consume');
    const talker = await openRtc(t, server, 'dtx-mouth', 'dtx', { microphone: await microphone(said) });
    await talker.call('produce', { dtx: true });
    await listener.event('floor_taken');
    await talker.call('restart', 'send');
    await listener.call('restart', 'receive');
    await assertHeard(t, listener, said, () => sleep(twoRounds(said)));
    await until('reports of the server', async () => (await talker.call('sent')).reported, { ms: 15_000 });
  });
});

describe('across generations', { concurrency: 2 }, () => {
  test('a console on WebTransport hears a browser on RTC', async (t) => {
    const said = await speech('patrol');
    const console = await openConsole(t, server, 'cross-console-1', 'cross-1');
    const talker = await openRtc(t, server, 'cross-rtc-1', 'cross-1', { microphone: await microphone(said) });
    await talker.call('produce', {});
    await talker.ask('floor_request');
    await talker.event('floor_granted');
    await console.shows('taken');
    await console.startRecording();
    await sleep(twoRounds(said));
    assertSameSpeech(said, await console.stopRecording(), { driftMs: JITTER_MS });
    await talker.ask('floor_release');
    await console.shows('idle');
  });

  test('a browser on RTC hears a console on WebTransport', async (t) => {
    const said = await speech('medic');
    const listener = await openRtc(t, server, 'cross-rtc-2', 'cross-2');
    await listener.call('consume');
    const console = await openConsole(t, server, 'cross-console-2', 'cross-2', { microphone: await microphone(said) });
    await assertHeard(t, listener, said, async () => {
      await console.press();
      await sleep(twoRounds(said));
      await console.release();
      await console.shows('idle');
    });
  });

  test('a client of Socket.IO hears a browser on RTC', async (t) => {
    const said = await speech('dispatch');
    const guard = await legacyUser(t, server, 'cross-guard-3');
    await guard.enter('cross-3', { codec: 'pcm16', sample_rate: 16000 });
    const talker = await openRtc(t, server, 'cross-rtc-3', 'cross-3', { microphone: await microphone(said) });
    await talker.call('produce', {});
    await talker.ask('floor_request');
    await sleep(twoRounds(said));
    await talker.ask('floor_release');
    await guard.heard.silence(1000);
    assertSameSpeech(said, guard.heard.pcm(16000));
    assert.equal(guard.heard.chunks[0].sender.user_id, 'cross-rtc-3');
  });

  test('a browser on RTC hears a client of Socket.IO', async (t) => {
    const said = await speech('patrol');
    const listener = await openRtc(t, server, 'cross-rtc-4', 'cross-4');
    await listener.call('consume');
    const guard = await legacyUser(t, server, 'cross-guard-4');
    await guard.enter('cross-4');
    await assertHeard(t, listener, said, async () => {
      await guard.say(said);
      await sleep(1500);
    });
    assert.equal((await listener.event('floor_taken')).name, displayName('cross-guard-4'));
  });

  test('a console that calls a browser on RTC leaves it in its channel', async (t) => {
    const said = await speech('patrol');
    const listener = await openRtc(t, server, 'cross-rtc-5', 'cross-5');
    await listener.call('consume');
    const console = await openConsole(t, server, 'cross-console-5', 'cross-5');
    const guard = await legacyUser(t, server, 'cross-guard-5');
    await guard.enter('cross-5');
    await console.page.locator('#people-list li', { hasText: 'cross-rtc-5' }).locator('.call-one').click();
    // A call that nobody else is in any more is over.
    await until('the call to be over', () => console.page.getByText('The call is over.').isVisible());
    await assertHeard(t, listener, said, async () => {
      await guard.say(said);
      await sleep(1500);
    });
  });
});
