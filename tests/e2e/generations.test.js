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
 * @typedef {object} Saying what one legacy client says, in a channel of its own
 * @property {Kind} kind
 * @property {import('./kit/audio.js').Speech} said
 * @property {number[]} sizes of its chunks in bytes
 */

/**
 * Says it from legacy clients, each in a channel of its own, and a console in each plays it: all at once, for it takes as
 * long as speech takes. Who is to talk and who is to hear is there before anybody talks.
 * @param {T} t @param {Saying[]} sayings
 */
async function throughConsoles(t, sayings) {
  const pairs = [];
  for (const { kind, said, sizes } of sayings) {
    const channel = `hear-${kind}-${said.name}-${said.rate}-${sizes[0]}`;
    const console = await openConsole(t, server, `${channel}-dispatcher`, channel);
    const guard = await legacyUser(t, server, `${channel}-guard`, { kind });
    await guard.enter(channel, { sample_rate: said.rate });
    pairs.push(() => assertPlayed(t, console, guard, displayName(`${channel}-guard`), said, sizes));
  }
  await Promise.all(pairs.map((play) => play()));
}

/** @param {{samples: Int16Array}} said */
const bytesOf = (said) => said.samples.length * 2;

describe('a legacy client is heard in the browser', () => {
  for (const kinds of /** @type {Kind[][]} */ ([['js4', 'python'], ['js2', 'java']])) {
    test(`${kinds.join(' and ')} in 20 ms chunks`, async (t) => {
      const said = await speech('patrol');
      await throughConsoles(t, kinds.map((kind) => ({ kind, said, sizes: fixedChunks(bytesOf(said), 640) })));
    });

    test(`${kinds.join(' and ')} in odd-sized chunks`, async (t) => {
      const said = await speech('medic');
      await throughConsoles(t, kinds.map((kind) => ({ kind, said, sizes: oddChunks(bytesOf(said), 30) })));
    });
  }

  test('at 48 kHz', async (t) => {
    const said = await speech('indonesia', 48000);
    await throughConsoles(t, [{ kind: 'js4', said, sizes: fixedChunks(bytesOf(said), 1920) }]);
  });

  if (recordedVoices().length > 0) test('in recorded voices', async (t) => {
    const voices = await Promise.all(recordedVoices().map((file) => resample(file, 16000)));
    await throughConsoles(t, voices.map((said) => ({ kind: 'js4', said, sizes: oddChunks(bytesOf(said), 31) })));
  });
});

describe('the browser is heard by a legacy client', () => {
  /** @typedef {[Kind, number]} Listener and the rate that it asked for */

  /**
   * Holds the console's key long enough for the microphone, which repeats itself, to say everything once; who listens hears it
   * at its own rate, all at once.
   * @param {T} t @param {import('./kit/audio.js').Speech} said @param {Listener[]} listeners
   */
  async function assertHeardByAll(t, said, listeners) {
    const channel = `say-${said.name}-${said.rate}`;
    const guards = [];
    for (const [kind, rate] of listeners) {
      const guard = await legacyUser(t, server, `${channel}-${kind}`, { kind });
      await guard.enter(channel, { codec: 'pcm16', sample_rate: rate });
      guards.push({ kind, rate, heard: guard.heard });
    }
    const dispatcher = { name: 'Dewi Lestari', microphone: await microphone(said) };
    const console = await openConsole(t, server, `${channel}-dispatcher`, channel, dispatcher);
    await console.press();
    await sleep((said.samples.length / said.rate + 1) * 2000);
    await console.release();
    for (const { kind, rate, heard } of guards) {
      await heard.silence(1000);
      for (const { sender } of heard.chunks) assert.deepEqual([sender.channel_id, sender.name], [channel, 'Dewi Lestari']);
      t.diagnostic(`${kind} at ${rate} Hz: ${JSON.stringify(assertSameSpeech(said, heard.pcm(rate)))}`);
    }
  }

  test('by all kinds, each at its own rate', async (t) => {
    await assertHeardByAll(t, await speech('dispatch'), [['js4', 16000], ['java', 16000], ['python', 48000], ['js2', 8000]]);
  });

  for (const file of recordedVoices().slice(0, 1)) {
    test('in a recorded voice', async (t) => {
      await assertHeardByAll(t, await resample(file, 48000), [['js4', 16000]]);
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
