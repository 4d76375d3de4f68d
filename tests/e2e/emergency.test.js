/** Emergencies that Socket.IO clients raise. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { legacyUser, word } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** Long enough to be talked into, short enough to be waited for. */
const MICROPHONE_MS = 3000;
const URGENT = ['*:listen,talk,emergency'];

for (const kind of /** @type {const} */ (['js4', 'js2'])) {
  test(`${kind}: an emergency is told, its voice goes there for a while, and then where it went before`, async (t) => {
    const server = await startServer({ args: ['--emergency-microphone-ms', String(MICROPHONE_MS)] });
    t.after(() => server.stop('SIGINT'));
    const author = await legacyUser(t, server, 'budi', { kind, channels: URGENT });
    const mate = await legacyUser(t, server, 'eko');
    const watch = await legacyUser(t, server, 'sari');
    await author.enter('gate');
    await mate.enter('gate');
    await watch.enter('emergency');
    const said = await word();

    const raised = await author.call('emergency', { text: 'Man down', location: { latitude: -6.2088, longitude: 106.8456, accuracy: 12 } });
    assert.deepEqual(raised, { status: 'ok', channel: 'emergency', microphone_ms: MICROPHONE_MS });
    const { args: [alert] } = await watch.heard.event('emergency_alert');
    assert.deepEqual([alert.user_id, alert.text, alert.location], ['budi', 'Man down', { latitude: -6.2088, longitude: 106.8456, accuracy_m: 12 }]);
    await author.say(said);
    await watch.heard.voiceOf(8000);
    assert.equal(watch.heard.named('floor_taken').at(-1)?.args[0].level, 'emergency');
    assert.equal(mate.heard.voice().length, 0);

    await until('the microphone to close', () => watch.heard.named('floor_idle').length > 0, { ms: 10_000 });
    watch.heard.clear();
    await author.say(said);
    await mate.heard.voiceOf(8000);
    assert.equal(watch.heard.voice().length, 0);

    // Who comes while it lasts is told, and hears that it is over.
    const late = await legacyUser(t, server, 'tono');
    await late.enter('emergency');
    await late.heard.event('emergency_alert');
    assert.equal((await author.call('emergency_cancel', {})).status, 'ok');
    for (const client of [watch, late]) assert.equal((await client.heard.event('emergency_over')).args[0].user_id, 'budi');
  });
}

test('an emergency takes the right to raise one, and sense; to end another’s takes a dispatcher', async (t) => {
  const server = await startServer();
  t.after(() => server.stop('SIGINT'));
  const guest = await legacyUser(t, server, 'guest');
  const author = await legacyUser(t, server, 'budi', { channels: URGENT });
  const desk = await legacyUser(t, server, 'desk', { channels: ['*:listen,talk,dispatch'] });
  for (const client of [guest, desk]) await client.enter('emergency');

  assert.deepEqual(await guest.call('emergency', {}), { status: 'error', msg: 'Akses Ditolak' });
  assert.equal((await author.call('emergency', { location: 'here' })).msg, 'text, location atau user_id tidak valid');
  assert.equal((await author.call('emergency_cancel', {})).msg, 'Belum bergabung ke channel');
  assert.equal((await author.call('emergency', {})).status, 'ok');
  await desk.heard.event('emergency_alert');
  await guest.call('emergency_cancel', { channel_id: 'emergency', user_id: 'budi' });
  await sleep(500);
  assert.equal(desk.heard.named('emergency_over').length, 0);
  await desk.call('emergency_cancel', { channel_id: 'emergency', user_id: 'budi' });
  await author.heard.event('emergency_over');
});
