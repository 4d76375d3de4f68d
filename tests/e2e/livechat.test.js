/** The livechat's contract on the real binary: visitors by the reference client, staff by socket.io-client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { Livechat, plain } from '../../clients/livechat/suara-livechat.js';
import { sharedServer } from './kit/server.js';
import { sleep, until, within } from './kit/wait.js';

const WAIT_MS = 10_000;
const server = await sharedServer();

/** @typedef {import('node:test').TestContext} T */

/** @param {T} t @param {string} name @param {object} [options] */
function visitor(t, name, options = {}) {
  const chat = new Livechat({ url: server.legacyUrl, name, WebSocket: /** @type {any} */ (WebSocket), ...options });
  /** @type {any[]} */
  const heard = [];
  for (const event of ['message', 'sent', 'typing', 'error']) {
    chat.on(event, (data) => heard.push({ event, ...data }));
  }
  t.after(() => chat.close());
  chat.connect();
  return { chat, heard };
}

/** @param {{chat: Livechat}} visitor */
const open = ({ chat }) => until('the visitor is let in', () => chat.state === 'open', { ms: WAIT_MS });

/** One of staff on Socket.IO, who notes everything. @param {T} t @param {string} user @param {string} [role] */
async function staff(t, user, role = 'penyiar') {
  const token = await server.token({ user, name: user, role, channels: ['none:listen'] });
  const socket = io(server.legacyUrl, { auth: { token }, transports: ['websocket'], forceNew: true });
  t.after(() => socket.disconnect());
  /** @type {any[]} */
  const heard = [];
  socket.onAny((event, data) => heard.push({ event, ...data }));
  await within('the log-in', new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(undefined));
    socket.once('connect_error', reject);
  }), WAIT_MS);
  const ask = (/** @type {string} */ event, /** @type {any} */ data) => socket.timeout(WAIT_MS).emitWithAck(event, data);
  if (role === 'penyiar') assert.equal((await ask('livechat:inbox', {})).status, 'ok');
  return { socket, heard, ask };
}

/** @param {any[]} heard @param {(said: any) => boolean} fits */
const comes = (heard, fits) => until('what is waited for', () => heard.find(fits), { ms: WAIT_MS });

/** The status by which a handshake is refused. @param {string} query @returns {Promise<number>} */
function refusal(query) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${server.legacyUrl.replace('http', 'ws')}/livechat/ws${query}`);
    socket.on('unexpected-response', (_request, response) => { socket.terminate(); resolve(response.statusCode ?? 0); });
    socket.on('open', () => reject(new Error('it was let in')));
    socket.on('error', () => {});
  });
}

test('a visitor writes, all of staff reads it once, and one answers', async (t) => {
  const [first, second] = [await staff(t, 'Penyiar A'), await staff(t, 'Penyiar B')];
  const budi = visitor(t, 'Budi di Solo');
  await open(budi);
  const ack = await budi.chat.send('Request lagu <b>"Bengawan Solo"</b>');
  assert.equal(ack.messageId, 1);
  const sessionId = budi.chat.session?.sessionId;
  for (const { heard } of [first, second]) {
    const said = await comes(heard, ({ event }) => event === 'livechat:message');
    const { timestamp, ...rest } = said;
    assert.deepEqual(rest, {
      event: 'livechat:message', sessionId, from: 'Budi di Solo', messageId: 1, staff: false,
      text: 'Request lagu &lt;b&gt;&quot;Bengawan Solo&quot;&lt;/b&gt;',
    });
    assert.equal(timestamp, ack.timestamp);
  }
  const reply = { sessionId, text: 'Terima kasih, segera diputar!', id: 'r-1' };
  const replied = await first.ask('livechat:reply', reply);
  assert.deepEqual({ ...replied, timestamp: 0 }, { status: 'ok', id: 'r-1', messageId: 2, timestamp: 0 });
  const received = await comes(budi.heard, ({ event }) => event === 'message');
  assert.deepEqual([received.from, received.text], ['Penyiar A', 'Terima kasih, segera diputar!']);
  assert.deepEqual(await first.ask('livechat:reply', reply), replied, 'sent again it is the same');
  await comes(second.heard, ({ event, messageId }) => event === 'livechat:reply' && messageId === 2);
  await budi.chat.send('Suwun');
  await comes(second.heard, ({ messageId }) => messageId === 3);
  for (const { heard } of [first, second]) {
    await comes(heard, ({ messageId }) => messageId === 3);
    const numbers = heard.filter(({ messageId }) => messageId).map(({ messageId }) => messageId);
    assert.deepEqual(numbers, [1, 2, 3], 'each once, in order');
  }
});

test('who is no staff neither hears nor answers', async (t) => {
  const guard = await staff(t, 'guard-1', 'guard');
  const sari = visitor(t, 'Sari');
  await open(sari);
  await sari.chat.send('rahasia');
  const sessionId = sari.chat.session?.sessionId;
  for (const event of ['livechat:reply', 'livechat:typing', 'livechat:inbox', 'livechat:history']) {
    assert.deepEqual(await guard.ask(event, { sessionId, text: 'x' }), { status: 'error', msg: 'Akses Ditolak' });
  }
  assert.deepEqual(await guard.ask('join_channel', { channel_id: `livechat/${sessionId}` }), { status: 'error', msg: 'Akses Ditolak' });
  assert.deepEqual(guard.heard, []);
});

test('typing goes both ways', async (t) => {
  const admin = await staff(t, 'Penyiar A');
  const budi = visitor(t, 'Budi');
  await open(budi);
  budi.chat.typing();
  const typing = await comes(admin.heard, ({ event, from }) => event === 'livechat:typing' && from === 'Budi');
  await admin.ask('livechat:typing', { sessionId: typing.sessionId });
  assert.equal((await comes(budi.heard, ({ event }) => event === 'typing')).from, 'Penyiar A');
});

test('two tabs of a session both hear, and a new one is shown what was said', async (t) => {
  const admin = await staff(t, 'Penyiar A');
  const one = visitor(t, 'Budi');
  await open(one);
  const session = one.chat.session;
  const other = visitor(t, 'Budi', { name: undefined, session });
  await open(other);
  await one.chat.send('dari tab pertama');
  assert.equal((await comes(other.heard, ({ event }) => event === 'sent')).text, 'dari tab pertama');
  await admin.ask('livechat:reply', { sessionId: session?.sessionId, text: 'ke dua-duanya' });
  for (const { heard } of [one, other]) await comes(heard, ({ event }) => event === 'message');
  const third = visitor(t, 'Budi', { name: undefined, session });
  await open(third);
  assert.deepEqual(third.heard.map(({ text }) => text), ['dari tab pertama', 'ke dua-duanya']);
});

test('handshakes are refused by status', async () => {
  const user = await server.token({ user: 'alice' });
  const livechat = ['--scope', 'livechat'];
  const elsewhere = await server.token({ user: 'v1', channels: ['livechat/v2:listen,talk'], args: livechat });
  for (const [query, status] of /** @type {[string, number][]} */ ([
    ['', 401], ['?token=', 401], ['?token=nonsense', 401], [`?token=${user}`, 403], [`?token=${elsewhere}`, 403],
  ])) assert.equal(await refusal(query), status, query);
});

test('a token that ends in mid-connection ends the session, and holds no more', async (t) => {
  const token = await server.token({ user: 'v9', channels: ['livechat/v9:listen,talk'], ttl: '4s', args: ['--scope', 'livechat'] });
  const session = { sessionToken: token, sessionId: 'v9', expiresAt: Date.now() + 60_000 };
  const late = visitor(t, '', { name: undefined, session });
  await open(late);
  await until('it ends', () => late.chat.state === 'refused', { ms: WAIT_MS });
  assert.equal(late.heard.at(-1).kind, 'invalid_token');
  assert.equal(await refusal(`?token=${token}`), 401);
});

test('SQL in every field is text like any other', async (t) => {
  const admin = await staff(t, "'; DROP TABLE messages; --");
  const name = "Robert'); DELETE FROM channels; --";
  const bobby = visitor(t, name);
  await open(bobby);
  const texts = ["'; DROP TABLE messages; --", "' OR '1'='1", '"; SELECT * FROM users; --', '%_\\', '$1 ?1 :x @y', "\u0000'||(SELECT 1)||'"];
  for (const text of texts) await bobby.chat.send(text, `id-${text}`.replace(/\p{Cc}/gu, '').slice(0, 60));
  const sessionId = bobby.chat.session?.sessionId;
  const page = await admin.ask('livechat:history', { sessionId });
  assert.deepEqual(page.messages.map((/** @type {any} */ { text }) => plain(text)), texts.map((text) => text.replace('\u0000', '')));
  assert.equal(plain(page.messages[0].from), name);
  assert.equal((await admin.ask('livechat:history', { sessionId: "' OR 1=1; --" })).messages.length, 0);
  assert.equal((await admin.ask('livechat:reply', { sessionId: "' OR 1=1; --", text: 'x' })).status, 'error');
});

test('a connection that is lost is come back by, and what was not acknowledged arrives once', async (t) => {
  /** @type {WebSocket[]} */
  const sockets = [];
  class Watched extends WebSocket {
    /** @param {string} url */
    constructor(url) { super(url); sockets.push(this); }
  }
  const admin = await staff(t, 'Penyiar A');
  const budi = visitor(t, 'Budi', { WebSocket: Watched, random: () => 0 });
  await open(budi);
  const acks = [];
  for (let number = 0; number < 8; number += 1) {
    acks.push(budi.chat.send(`pesan ${number}`));
    if (number % 3 === 1) sockets.at(-1)?.terminate();
    await sleep(300);
  }
  await within('every acknowledgement', Promise.all(acks), 30_000);
  assert.ok(sockets.length >= 3);
  const { messages } = await admin.ask('livechat:history', { sessionId: budi.chat.session?.sessionId });
  const texts = messages.map((/** @type {any} */ { text }) => text);
  assert.deepEqual(texts.toSorted?.() ?? [...texts].sort(), Array.from({ length: 8 }, (_, number) => `pesan ${number}`));
});
