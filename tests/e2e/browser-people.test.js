/** Who is there, as a console shows it, and what a dispatcher does about them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConsole } from './kit/console.js';
import { displayName, legacyUser, word } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { Line } from './kit/tcp.js';
import { closedPort } from './kit/udp.js';
import { sleep, until } from './kit/wait.js';

const DISPATCHER = { channels: ['*:talk,listen,dispatch'] };

/** A person's row. @param {import('./kit/console.js').Console} console @param {string} name */
const row = (console, name) => console.page.locator('#people-list li', { hasText: name });

test('a dispatcher stops and mutes a talker of Socket.IO, who is told so, and lets it talk again', async (t) => {
  const server = await startServer();
  t.after(() => server.stop('SIGINT'));
  const console = await openConsole(t, server, 'dispatcher', 'yard', DISPATCHER);
  const [talker, listener] = [await legacyUser(t, server, 'talker'), await legacyUser(t, server, 'listener')];
  await talker.enter('yard', { sample_rate: 16000 });
  await listener.enter('yard', { sample_rate: 16000 });
  const own = row(console, displayName('talker'));
  const click = (/** @type {string} */ name) => own.getByRole('button', { name }).click();

  const { samples, rate } = await word();
  const long = { rate, samples: Int16Array.from({ length: rate * 6 }, (_, i) => samples[i % samples.length]) };
  let talking = talker.say(long);
  await console.shows('taken');
  await click(`Mute ${displayName('talker')} for everybody`);
  const { args: [revoked] } = await talker.heard.event('floor_revoked');
  assert.equal(revoked.cause, 'no_permission');
  await talker.heard.event('floor_muted');
  await own.getByText('muted', { exact: true }).waitFor({ timeout: 5000 });
  await listener.heard.event('floor_idle');
  await console.shows('idle');
  await sleep(300);
  const heard = listener.heard.chunks.length;
  await talking;
  assert.equal(listener.heard.chunks.length, heard, 'one that is muted is heard');

  // A press of its own, later: it is told once, whatever it says.
  await sleep(800);
  await talker.say(await word());
  const { args: [denied] } = await talker.heard.event('floor_denied');
  assert.equal(denied.cause, 'receive_only');
  assert.equal(talker.heard.named('floor_denied').length, 1);
  assert.equal(listener.heard.chunks.length, heard);

  await click(`Let ${displayName('talker')} talk again`);
  await until('the word that it may talk', () => talker.heard.named('floor_muted').length === 2);
  assert.deepEqual(talker.heard.named('floor_muted').map(({ args: [{ muted }] }) => muted), [true, false]);
  assert.deepEqual(listener.heard.named('floor_muted'), [], 'nobody is told of others');
  await sleep(700);
  talking = talker.say(long);
  await console.shows('taken');
  await click(`Take the floor from ${displayName('talker')}`);
  await until('the second revoke', () => talker.heard.named('floor_revoked').length === 2);
  await console.shows('idle');
  await talking;
});

test('one whose transport is lost is unreachable, in words, until it is back', async (t) => {
  const server = await startServer();
  t.after(() => server.stop('SIGINT'));
  const line = await Line.lay(t, server.addresses.http);
  const console = await openConsole(t, server, 'dispatcher', 'pier', { name: 'Ayu' });
  const noUdp = await closedPort();
  const lost = await openConsole(t, server, 'guard', 'pier', { name: 'Budi', url: `http://${line.at}`, road: 'websocket',
    connect: { webtransport: `https://127.0.0.1:${noUdp}/v1/wt` } });
  line.refuse = true;
  line.cut();
  await row(console, 'Budi').getByText('unreachable', { exact: true }).waitFor({ timeout: 5000 });
  if (process.env.SUARA_SCREENSHOTS) await console.page.screenshot({ path: `${process.env.SUARA_SCREENSHOTS}/people.png` });
  line.refuse = false;
  await lost.shows('idle');
  await until('it to be reachable', async () => !(await row(console, 'Budi').textContent())?.includes('unreachable'));
  assert.equal(await console.page.locator('#people-list li').count(), 2, 'it is one member all the time');
});

test('who has the right may make its next call one of imminent peril, and only that one', async (t) => {
  const server = await startServer();
  t.after(() => server.stop('SIGINT'));
  const guard = await legacyUser(t, server, 'guard');
  await guard.enter('gate');
  const console = await openConsole(t, server, 'warden', 'gate', { channels: ['*:talk,listen,emergency'] });
  await console.page.locator('#peril').check();
  await console.press();
  const first = await guard.heard.event('floor_taken');
  assert.equal(first.args[0].level, 'imminent_peril');
  if (process.env.SUARA_SCREENSHOTS) await console.page.screenshot({ path: `${process.env.SUARA_SCREENSHOTS}/peril.png` });
  await console.release();
  await console.shows('idle');
  assert.equal(await console.page.locator('#peril').isChecked(), false);
  guard.heard.clear();
  await console.page.locator('#talk').focus();
  await console.press();
  assert.equal((await guard.heard.event('floor_taken')).args[0].level, undefined);
  await console.release();

  const other = await openConsole(t, server, 'guest', 'gate');
  assert.equal(await other.page.locator('#peril-choice').isVisible(), false);
});
