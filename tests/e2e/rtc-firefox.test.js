/** Firefox with `mediasoup-client`. It does no ICE on loopback, so its media takes a way round by this machine's address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { RTC_FLAGS, logIn } from './kit/rtc/client.js';
import { Relay, ownAddress } from './kit/rtc/relay.js';
import { startServer } from './kit/server.js';
import { until } from './kit/wait.js';

/** It takes an address of its own machine for loopback; its own microphone for tests, a tone, and nobody to ask about it. */
const PREFERENCES = {
  'media.peerconnection.ice.loopback': true,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
};
const executablePath = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

test('Firefox talks and listens, at the address that the deployment announces', async (t) => {
  const address = ownAddress();
  if (!address) return t.skip('this machine has no network');
  const relay = new Relay();
  const announced = await relay.listen(address);
  t.after(() => relay.close());
  const server = await startServer({ args: [...RTC_FLAGS, '--rtc-announce', announced] });
  t.after(() => server.stop('SIGINT'));
  relay.serve(server.bridgeAddresses.rtc ?? '');
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath, extraPrefsFirefox: PREFERENCES });
  t.after(() => browser.close());

  const talker = await logIn(await browser.newPage(), server, 'fox', 'forest');
  const listener = await logIn(await browser.newPage(), server, 'hare', 'forest');
  await listener.call('consume').catch((error) => t.diagnostic(`no sound, which isn't needed here: ${error}`));
  await talker.call('produce', {});
  assert.equal((await listener.event('floor_taken')).user_id, 'fox');
  const heard = async () => (await listener.call('received')).received >= 200;
  await until('four seconds of voice', heard, { ms: 30_000 });
  await until('a report of the server', async () => (await talker.call('sent')).reported, { ms: 30_000 });
  const [{ packets }, { received, lost }] = [await talker.call('sent'), await listener.call('received')];
  t.diagnostic(`${packets} sent, ${received} received, ${lost} lost`);
  assert.ok(lost <= received / 50, `${lost} of ${received} were lost`);
});
