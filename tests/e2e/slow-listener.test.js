/** A listener whose network stalls loses old voice, and only that; nobody else notices. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { speech } from './kit/audio.js';
import { assertHeard, assertHeardBytes, legacyUser } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { sleep } from './kit/wait.js';
import { toBytes } from './kit/wav.js';

/** What a listener on the same machine waits for a chunk, a busy machine allowed for. */
const PROMPT_MS = 250;

const server = await sharedServer();

/** The TCP connection beneath a JavaScript client over WebSocket. @returns {import('node:net').Socket} */
function connectionOf(/** @type {import('./kit/legacy/client.js').LegacyClient} */ client) {
  return /** @type {any} */ (client.driver).connection();
}

test('a stalled listener delays nobody, loses old voice, and is well afterwards', async (t) => {
  const format = { sample_rate: 48000 };
  const websocket = { transports: /** @type {'websocket'[]} */ (['websocket']) };
  const talker = await legacyUser(t, server, 'talker', websocket);
  const stalled = await legacyUser(t, server, 'stalled', websocket);
  const prompt = await legacyUser(t, server, 'prompt', { kind: 'python', ...websocket });
  for (const member of [talker, stalled, prompt]) await member.enter('stall', format);
  const droppedBefore = await server.dropped(/stale|overflow|age/);

  const said = await speech('patrol', 48000);
  connectionOf(stalled).pause();
  await talker.say(said);
  await assertHeardBytes(prompt, toBytes(said.samples));
  const delays = prompt.heard.chunks.map(({ at, sender }) => at - sender.timestamp);
  assert.ok(Math.max(...delays) < PROMPT_MS, `a chunk came after ${Math.max(...delays)} ms`);

  connectionOf(stalled).resume();
  await stalled.heard.silence(500);
  const [got, sent] = [stalled.heard.chunks.length, prompt.heard.chunks.length];
  assert.ok(got < sent / 2, `the stalled listener still got ${got} of ${sent} old chunks`);
  assert.ok((await server.dropped(/stale|overflow|age/)) > droppedBefore, 'what was dropped was not counted');

  await sleep(800);
  stalled.heard.clear();
  const answer = await stalled.join('stall-other');
  assert.equal(answer.status, 'ok');
  await talker.enter('stall-other', { sample_rate: 16000 });
  await stalled.enter('stall-other', { sample_rate: 16000 });
  await assertHeard(talker, stalled);
});
