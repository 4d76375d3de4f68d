/** The two generations in one channel, on speech: Socket.IO with PCM, and a browser with WebTransport and Opus. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertSameSpeech, microphone, recordedVoices, resample, speech } from './kit/audio.js';
import { assertPlayed, openConsole } from './kit/console.js';
import { displayName, legacyUser } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { sleep } from './kit/wait.js';
import { fixedChunks, oddChunks } from './kit/wav.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/legacy/index.js').Kind} Kind */

/** A legacy client's press ends after 600 ms of silence. */
const PRESS_END_MS = 1000;

const server = await sharedServer();

/**
 * Says it from a legacy client, and the console plays it.
 * @param {T} t @param {Kind} kind @param {import('./kit/audio.js').Speech} said @param {number[]} sizes
 */
async function throughTheConsole(t, kind, said, sizes) {
  const channel = `hear-${kind}-${said.name}-${said.rate}-${sizes[0]}`;
  const console = await openConsole(t, server, `${channel}-dispatcher`, channel);
  const guard = await legacyUser(t, server, `${channel}-guard`, { kind });
  await guard.enter(channel, { sample_rate: said.rate });
  await assertPlayed(t, console, guard, displayName(`${channel}-guard`), said, sizes);
}

describe('a legacy client is heard in the browser', () => {
  for (const kind of /** @type {Kind[]} */ (['js4', 'js2', 'python', 'java'])) {
    test(`${kind} in 20 ms chunks`, async (t) => {
      const said = await speech('patrol');
      await throughTheConsole(t, kind, said, fixedChunks(said.samples.length * 2, 640));
    });

    test(`${kind} in odd-sized chunks`, async (t) => {
      const said = await speech('medic');
      await throughTheConsole(t, kind, said, oddChunks(said.samples.length * 2, 30));
    });
  }

  test('at 48 kHz', async (t) => {
    const said = await speech('indonesia', 48000);
    await throughTheConsole(t, 'js4', said, fixedChunks(said.samples.length * 2, 1920));
  });

  for (const file of recordedVoices()) {
    test('in a recorded voice', async (t) => {
      const said = await resample(file, 16000);
      await throughTheConsole(t, 'js4', said, oddChunks(said.samples.length * 2, 31));
    });
  }
});

describe('the browser is heard by a legacy client', () => {
  /**
   * Holds the console's key long enough for the microphone, which repeats itself, to say everything once.
   * @param {T} t @param {Kind} kind @param {import('./kit/audio.js').Speech} said @param {number} rate
   */
  async function throughALegacyClient(t, kind, said, rate) {
    const channel = `say-${kind}-${said.name}-${rate}`;
    const guard = await legacyUser(t, server, `${channel}-guard`, { kind });
    await guard.enter(channel, { codec: 'pcm16', sample_rate: rate });
    const dispatcher = { name: 'Dewi Lestari', microphone: await microphone(said) };
    const console = await openConsole(t, server, `${channel}-dispatcher`, channel, dispatcher);
    await console.press();
    await sleep((said.samples.length / said.rate + 1) * 2000);
    await console.release();
    await guard.heard.silence(1000);
    for (const { sender } of guard.heard.chunks) {
      assert.deepEqual([sender.channel_id, sender.name], [channel, 'Dewi Lestari']);
    }
    return guard.heard.pcm(rate);
  }

  const listeners = /** @type {[Kind, number][]} */ ([['js4', 16000], ['java', 16000], ['python', 48000], ['js2', 8000]]);
  for (const [kind, rate] of listeners) {
    test(`${kind} at ${rate} Hz`, async (t) => {
      const said = await speech('dispatch');
      assertSameSpeech(said, await throughALegacyClient(t, kind, said, rate));
    });
  }

  for (const file of recordedVoices().slice(0, 1)) {
    test('in a recorded voice', async (t) => {
      const said = await resample(file, 48000);
      assertSameSpeech(said, await throughALegacyClient(t, 'js4', said, 16000));
    });
  }
});

describe('one floor for both', () => {
  test('a legacy client that talks into the browser is denied and heard by nobody', async (t) => {
    const said = await speech('medic');
    const console = await openConsole(t, server, 'chief', 'one-floor', { microphone: await microphone(said) });
    const [guard, witness] = [await legacyUser(t, server, 'guard'), await legacyUser(t, server, 'witness')];
    await guard.enter('one-floor');
    await witness.enter('one-floor');
    await console.press();
    await guard.say({ ...said, samples: said.samples.slice(0, said.rate) });
    await guard.heard.event('floor_denied');
    // Until it has been silent for this long it waits in the queue, and would be next.
    await sleep(PRESS_END_MS);
    await console.release();
    await witness.heard.silence(800);
    assert.deepEqual([...new Set(witness.heard.chunks.map(({ sender }) => sender.user_id))], ['chief']);
  });

  test('the console shows who is there', async (t) => {
    const console = await openConsole(t, server, 'watcher', 'roster');
    const guard = await legacyUser(t, server, 'budi');
    await guard.enter('roster');
    const name = console.page.getByText(displayName('budi')).first();
    await name.waitFor({ state: 'visible', timeout: 5000 });
    await guard.disconnect();
    await name.waitFor({ state: 'hidden', timeout: 5000 });
  });
});
