/** Channels in which several talk at a time, as browsers with `mediasoup-client` have them: a consumer for each talker. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { assertSameSpeech, microphone, speech } from './kit/audio.js';
import { openConsole } from './kit/console.js';
import { sumOf } from './kit/metrics.js';
import { work } from './kit/paths.js';
import { RTC_FLAGS, openRtc } from './kit/rtc/client.js';
import { producing } from './kit/rtc/produce.js';
import { rtcUser } from './kit/rtc/socket.js';
import { legacyUser } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

const config = join(work, `rtc-open-${process.pid}.toml`);
writeFileSync(config, ['open', 'dual'].map((mode) => `[[channel]]\nname = '${mode}*'\nmode = '${mode}'\n`).join(''));
after(() => rmSync(config));
const server = await sharedServer({ args: [...RTC_FLAGS, '--config', config] });

/** Whose producers a client knows. @param {any[]} producers */
const users = (producers) => producers.map(({ userId }) => userId).sort();

test('who is in an open channel is a producer to clients of RTC, by whatever it came', async (t) => {
  const guard = await legacyUser(t, server, 'open-guard');
  await guard.enter('open-1');
  const { socket, welcome } = await rtcUser(t, server, 'open-one', 'open-1');
  assert.equal(welcome.mode, 'open');
  const known = async () => users((await socket.ask('get-producers')).data.producers);
  await until('the guard to be a producer', async () => (await known()).join() === 'open-guard');
  const mute = await legacyUser(t, server, 'open-mute', { channels: ['*:listen'] });
  await mute.enter('open-1');
  const other = await rtcUser(t, server, 'open-other', 'open-1');
  await other.socket.ask('create-transport');
  await other.socket.ask('produce', producing());
  await until('both to be known', async () => (await known()).join() === 'open-guard,open-other');

  const { producers } = (await socket.ask('get-producers')).data;
  const { producerId } = producers.find((/** @type {any} */ { userId }) => userId === 'open-guard');
  await socket.ask('create-transport');
  const rtpCapabilities = welcome.routerRtpCapabilities;
  const consumed = (await socket.ask('consume', { producerId, rtpCapabilities })).data;
  assert.equal(consumed.producerId, producerId);
  await guard.disconnect();
  await until('the guard to be gone', () =>
    socket.frames.some(({ type, data }) => type === 'producer-closed' && data.producerId === producerId));
  await until('its consumer to be gone', async () =>
    (await socket.ask('close-consumer', { consumerId: consumed.id })).data.code === 'unknown_consumer');
  assert.equal(await socket.refused('consume', { producerId, rtpCapabilities }), 'unknown_producer');
});

test('a browser hears a console, a client of Socket.IO and another browser at once, each whole', async (t) => {
  const [patrol, medic, dispatch] = [await speech('patrol'), await speech('medic'), await speech('dispatch')];
  const listener = await openRtc(t, server, 'mix-ear', 'open-2');
  const guard = await legacyUser(t, server, 'mix-guard');
  await guard.enter('open-2');
  const console = await openConsole(t, server, 'mix-console', 'open-2', { microphone: await microphone(dispatch) });
  const talker = await openRtc(t, server, 'mix-rtc', 'open-2', { microphone: await microphone(patrol) });
  await talker.call('produce', {});
  const said = new Map([['mix-guard', medic], ['mix-console', dispatch], ['mix-rtc', patrol]]);
  const known = async () => (await listener.ask('get-producers')).producers;
  await until('three producers', async () => users(await known()).join() === [...said.keys()].sort().join());
  const producers = await known();
  for (const { producerId } of producers) await listener.call('consume', producerId);
  await talker.ask('floor_request');
  await console.press();
  await listener.call('record');
  const twice = Math.max(...[patrol, dispatch].map(({ samples, rate }) => (samples.length / rate + 1) * 2000));
  await Promise.all([guard.say(medic), sleep(twice)]);
  await sleep(1000);
  // What got old on a machine that others use too may be missing.
  const lostMs = 30 + 20 * (await server.dropped(/stale/));
  for (const { producerId, userId } of producers) {
    t.diagnostic(`${userId}: ${JSON.stringify(await listener.call('received', producerId))}`);
    const recorded = await listener.recorded(producerId);
    assertSameSpeech(/** @type {import('./kit/wav.js').Pcm} */ (said.get(userId)), recorded, { lostMs });
  }
  await console.release();
  await talker.ask('floor_release');
});

test('in a channel of mode dual the overridden talker is heard beside the one who overrides', async (t) => {
  const { socket } = await rtcUser(t, server, 'dual-ear', 'dual-1');
  const rights = ['*:listen,talk,emergency'];
  const [low, high] = [await legacyUser(t, server, 'dual-low'), await legacyUser(t, server, 'dual-high', { channels: rights })];
  for (const guard of [low, high]) await guard.enter('dual-1');
  await until('two producers', async () => users((await socket.ask('get-producers')).data.producers).length === 2);
  await low.call('floor_request', {});
  await low.heard.event('floor_granted');
  await high.call('floor_request', { level: 'emergency' });
  await high.heard.event('floor_granted');
  const taken = () => socket.frames.filter(({ type }) => type === 'floor_taken').map(({ data }) => data.user_id);
  await until('both to talk', () => taken().includes('dual-low') && taken().includes('dual-high'));
  assert.equal(low.heard.named('floor_revoked').length, 0);
  await high.call('floor_release', {});
  await until('the other to talk still', () => taken().at(-1) === 'dual-low');
  assert.ok(!socket.frames.some(({ type }) => type === 'floor_idle'));
  await low.call('floor_release', {});
  await socket.next('floor_idle');
});

test('several hundred who come and go in an open channel leave nothing behind', async (t) => {
  const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => server.token({ user: `crowd-${n}` })));
  const { rtcSocket } = await import('./kit/rtc/socket.js');
  const members = async () => sumOf(await server.metrics(), /^suara_bridge_(rtc_clients|rtc_transports|members|channels)$/);
  const before = await until('the tests before to be gone', async () => {
    const there = await members();
    return there === 0 ? 'none' : undefined;
  });
  assert.equal(before, 'none');
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      tokens.map(async (token, n) => {
        const socket = rtcSocket(t, server, { token, channel: `open-crowd-${n % 3}` });
        const { routerRtpCapabilities: rtpCapabilities, producers } = (await socket.next('welcome')).data;
        await socket.ask('create-transport');
        await socket.ask('produce', producing());
        for (const { producerId } of producers) await socket.ask('consume', { producerId, rtpCapabilities });
        if (n % 2) await socket.close();
        else socket.socket.terminate();
      }),
    );
  }
  await until('nothing to be left', async () => (await members()) === 0);
});
