/** What was acknowledged to a visitor is there after the server was killed, and once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { Server } from './kit/server.js';
import { sleep, within } from './kit/wait.js';

const VISITORS = 25;
const ANSWER_MS = 15_000;

/** @typedef {{token: string, session: string, acked: Map<string, number>, unacked: Set<string>, sent: number, socket?: WebSocket}} Visitor */

/** @param {Server} server @param {number} number @returns {Promise<Visitor>} */
async function visitor(server, number) {
  const session = `kill-${number}`;
  const channels = [`livechat/${session}:listen,talk`];
  const token = await server.token({ user: session, name: `Visitor ${number}`, role: '', channels, args: ['--scope', 'livechat'] });
  return { token, session, acked: new Map(), unacked: new Set(), sent: 0 };
}

/** Connects, and notes every acknowledgement. @param {Server} server @param {Visitor} visitor */
async function connect(server, visitor) {
  const socket = new WebSocket(`${server.legacyUrl.replace('http', 'ws')}/livechat/ws?token=${visitor.token}`);
  visitor.socket = socket;
  socket.on('error', () => {});
  socket.on('message', (frame) => {
    const { type, data } = JSON.parse(String(frame));
    if (type !== 'message:ack') return;
    const before = visitor.acked.get(data.id);
    assert.ok(before === undefined || before === data.messageId, 'an acknowledgement keeps its number');
    visitor.acked.set(data.id, data.messageId);
    visitor.unacked.delete(data.id);
  });
  await within('the handshake', new Promise((resolve, reject) => {
    socket.once('open', () => resolve(undefined));
    socket.once('unexpected-response', (_, response) => reject(new Error(`refused: ${response.statusCode}`)));
  }), ANSWER_MS);
}

/** @param {Visitor} visitor @param {string} [id] */
function send(visitor, id) {
  const name = id ?? `${visitor.session}-${visitor.sent++}`;
  visitor.unacked.add(name);
  visitor.socket?.send(JSON.stringify({ type: 'message:send', data: { id: name, text: `pesan ${name}` } }));
}

test('kill -9 under load: every acknowledged message is there afterwards, once', async (t) => {
  const server = new Server();
  await server.start();
  t.after(() => server.stop('SIGKILL'));
  const visitors = await Promise.all(Array.from({ length: VISITORS }, (_, number) => visitor(server, number)));

  for (let round = 0; round < 3; round += 1) {
    await Promise.all(visitors.map((visitor) => connect(server, visitor)));
    // Again what had no answer before the end, then more, until the end comes in the middle.
    for (const one of visitors) for (const id of [...one.unacked]) send(one, id);
    const writing = setInterval(() => { for (const one of visitors) send(one); }, 450);
    await sleep(1500 + 137 * round);
    // The last ones are under way at this moment.
    for (const one of visitors) send(one);
    const [daemon] = server.daemons.splice(0);
    daemon.process.kill('SIGKILL');
    clearInterval(writing);
    await daemon.exited;
    for (const { socket } of visitors) socket?.terminate();
    await server.start();
  }

  await Promise.all(visitors.map((visitor) => connect(server, visitor)));
  for (const one of visitors) for (const id of [...one.unacked]) send(one, id);
  const token = await server.token({ user: 'penyiar-1', role: 'penyiar' });
  const staff = io(server.legacyUrl, { auth: { token }, transports: ['websocket'], forceNew: true });
  t.after(() => staff.disconnect());
  await within('all answers', (async () => {
    while (visitors.some(({ unacked }) => unacked.size > 0)) {
      await sleep(500);
      for (const one of visitors) for (const id of [...one.unacked].slice(0, 2)) send(one, id);
    }
  })(), 60_000);
  let acknowledged = 0;
  for (const { session, acked } of visitors) {
    const page = await staff.timeout(ANSWER_MS).emitWithAck('livechat:history', { sessionId: session, limit: 100 });
    assert.equal(page.status, 'ok', JSON.stringify(page));
    const numbers = new Map(page.messages.map((/** @type {any} */ { text, messageId }) => [text.replace('pesan ', ''), messageId]));
    assert.equal(numbers.size, page.messages.length, 'none is there twice');
    for (const [id, number] of acked) assert.equal(numbers.get(id), number, `${id} is lost or moved`);
    acknowledged += acked.size;
  }
  t.diagnostic(`${acknowledged} acknowledged messages over 3 kills, each there once`);
  assert.ok(acknowledged > VISITORS * 6);
});
