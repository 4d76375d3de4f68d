/** What was acknowledged outlives `kill -9` under load, and nothing is there twice; on SQLite and on PostgreSQL. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Postgres } from './kit/postgres.js';
import { legacyUser } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { sleep } from './kit/wait.js';

/** @typedef {import('./kit/server.js').Server} Server */
/** @typedef {import('node:test').TestContext} T */

const USERS = 8;
/** Less than what a user may send at once. */
const EACH = 18;
const KILLS = 3;

/**
 * All that is stored, by HTTP.
 * @param {Server} server @param {string} channel
 */
async function stored(server, channel) {
  const token = await server.token({ user: 'auditor' });
  const all = [];
  for (let after = 0; ;) {
    const response = await fetch(`${server.url}/api/channels/${channel}/messages?after=${after}&limit=100`,
      { headers: { authorization: `Bearer ${token}` } });
    assert.equal(response.status, 200);
    const { messages, more } = await response.json();
    all.push(...messages);
    if (!more) return all;
    after = messages.at(-1).message;
  }
}

/**
 * Everybody sends what isn't acknowledged yet, until the server is killed, or to the end.
 * @param {T} t @param {Server} server @param {Map<string, number>} acknowledged numbers by text
 * @param {number} [killAt] as soon as so many are acknowledged
 */
async function load(t, server, acknowledged, killAt = Infinity) {
  const clients = await Promise.all(Array.from({ length: USERS }, async (_, user) => {
    const client = await legacyUser(t, server, `writer-${user}`);
    await client.enter('load');
    return { user, client };
  }));
  let killed = false;
  const sending = clients.flatMap(({ user, client }) => Array.from({ length: EACH }, async (_, n) => {
    const text = `writer-${user} says ${n}`;
    // Some that were acknowledged are sent again, as by a client whose answer was lost.
    if (acknowledged.has(text) && n % 3 > 0) return;
    while (!killed) {
      const answer = await Promise.race([
        client.driver.emit('chat_message', [{ channel_id: 'load', id: `id-${n}`, text }], true).catch(() => null),
        sleep(4000).then(() => null),
      ]);
      if (answer?.status !== 'ok') {
        await sleep(300);
        continue;
      }
      const before = acknowledged.get(text);
      assert.equal(answer.message_id, before ?? answer.message_id, 'the same answer as before');
      acknowledged.set(text, answer.message_id);
      if (acknowledged.size >= killAt && !killed) {
        killed = true;
        await server.stop('SIGKILL');
      }
      return;
    }
  }));
  await Promise.all(sending);
  await Promise.all(clients.map(({ client }) => client.disconnect().catch(() => {})));
}

/** @param {T} t @param {string[]} args */
async function survives(t, args) {
  const server = await startServer({ args });
  t.after(() => server.stop('SIGINT'));
  /** @type {Map<string, number>} */
  const acknowledged = new Map();
  for (let kill = 0; kill < KILLS; kill++) {
    await load(t, server, acknowledged, 1 + kill * 40);
    await server.start();
    const there = new Map((await stored(server, 'load')).map(({ text, message }) => [text, message]));
    for (const [text, number] of acknowledged) assert.equal(there.get(text), number, `${text} was acknowledged`);
    t.diagnostic(`kill ${kill + 1}: ${acknowledged.size} acknowledged, ${there.size} stored`);
  }
  await load(t, server, acknowledged);
  const all = await stored(server, 'load');
  assert.deepEqual(all.map(({ message }) => message), Array.from({ length: USERS * EACH }, (_, n) => n + 1), 'no gap');
  assert.equal(new Set(all.map(({ text }) => text)).size, USERS * EACH, 'nothing twice');
}

test('on SQLite', (t) => survives(t, []));

test('on PostgreSQL', (t) => survives(t, ['--database', new Postgres(t).url]));

test('a PostgreSQL that goes and comes back: nothing is acknowledged meanwhile, and the same message is stored once', async (t) => {
  const postgres = new Postgres(t);
  const server = await startServer({ args: ['--database', postgres.url] });
  t.after(() => server.stop('SIGINT'));
  const client = await legacyUser(t, server, 'patient');
  await client.enter('away');
  assert.equal((await client.call('chat_message', { id: '1', text: 'one' })).message_id, 1);
  postgres.stop();
  const refused = await client.call('chat_message', { id: '2', text: 'two' });
  assert.deepEqual(refused, { status: 'error', msg: 'Layanan Tidak Tersedia' });
  assert.equal((await fetch(`${server.url}/readyz`)).status, 503);
  postgres.start();
  for (;;) {
    const { status, message_id: number } = await client.call('chat_message', { id: '2', text: 'two' });
    if (status !== 'ok') {
      await sleep(500);
      continue;
    }
    assert.equal(number, 2);
    break;
  }
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
});
