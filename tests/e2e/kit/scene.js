/** What most tests begin with: members of a channel, and the proof that one hears the other. */
import assert from 'node:assert/strict';
import { speech } from './audio.js';
import { legacyClient } from './legacy/index.js';
import { toBytes } from './wav.js';

/** @typedef {import('node:test').TestContext} TestContext */
/** @typedef {import('./legacy/client.js').LegacyClient} LegacyClient */
/** @typedef {import('./legacy/client.js').ConnectOptions} ConnectOptions */
/** @typedef {{kind?: import('./legacy/index.js').Kind, channels?: string[]}} Who rights as in `suara token` */

/**
 * Logs a legacy client in, with a token of its own, until the test ends; fails the test if it is refused.
 * @param {TestContext} t
 * @param {import('./server.js').Server} server
 * @param {string} user
 * @param {Who & ConnectOptions} [how]
 * @returns {Promise<LegacyClient>}
 */
export async function legacyUser(t, server, user, { kind = 'js4', channels, ...options } = {}) {
  const token = await server.token({ user, name: displayName(user), channels });
  const client = legacyClient(kind);
  t.after(() => client.disconnect());
  const outcome = await client.connect(server.legacyUrl, { token, ...options });
  assert.ok(outcome.connected, `${kind}: ${JSON.stringify(outcome)}`);
  return client;
}

/** The name in the token of `legacyUser`. @param {string} user */
export const displayName = (user) => `${user} Wijaya`;

/** Half a second of speech at 16 kHz. */
export async function word() {
  const { samples, rate } = await speech('patrol');
  return { samples: samples.slice(rate / 2, rate), rate };
}

/**
 * The proof that the server is unmoved: this talker is heard by this listener, byte for byte.
 * @param {LegacyClient} talker @param {LegacyClient} listener
 */
export async function assertHeard(talker, listener) {
  const said = await word();
  listener.heard.clear();
  await talker.say(said);
  await assertHeardBytes(listener, toBytes(said.samples));
}

/** @param {LegacyClient} listener @param {Buffer} bytes */
export async function assertHeardBytes(listener, bytes) {
  await listener.heard.voiceOf(bytes.length);
  const heard = listener.heard.voice();
  assert.ok(heard.equals(bytes), `other bytes were heard: ${heard.length} of ${bytes.length}`);
}
