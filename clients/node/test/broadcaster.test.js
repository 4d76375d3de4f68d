'use strict';
const assert = require('node:assert/strict');
const { createServer } = require('node:http');
const { test } = require('node:test');
const { BroadcastError, SocketBroadcaster } = require('..');

/** A broadcaster that writes down what it publishes. */
function recorded() {
  /** @type {any[]} */
  const published = [];
  const redis = { publish: async (/** @type {string} */ channel, /** @type {string} */ text) => published.push([channel, JSON.parse(text)]) };
  const broadcaster = /** @type {any} */ (new SocketBroadcaster({ redis }));
  return { broadcaster, last: () => published.at(-1) };
}

test('each method publishes what its name says', async () => {
  const { broadcaster, last } = recorded();
  const expect = (/** @type {object} */ message) => assert.deepEqual(last(), ['socket:broadcast', message]);
  await broadcaster.broadcast('maintenance', { at: '22:00' });
  expect({ event: 'maintenance', payload: { at: '22:00' } });
  await broadcaster.broadcastToRoom('role_admin', 'ticket_updated', { id: 1 });
  expect({ event: 'ticket_updated', payload: { id: 1 }, room: 'role_admin' });
  await broadcaster.notifyUser(7, { title: 'x' });
  expect({ event: 'notification', payload: { title: 'x' }, room: 'user_7' });
  await broadcaster.notifyUser('7', 'x', { keepMs: 60_000 });
  expect({ event: 'notification', payload: 'x', room: 'user_7', keep_ms: 60_000 });
  await broadcaster.notifyRole('admin', { title: 'x' });
  expect({ event: 'notification', payload: { title: 'x' }, room: 'role_admin' });
  for (const what of ['ticket', 'registration', 'invoice']) {
    for (const done of ['Created', 'Updated', 'Assigned']) {
      const event = `${what}_${done.toLowerCase()}`;
      await broadcaster[`${what}${done}`]({ id: 5 });
      expect({ event, payload: { id: 5 } });
      await broadcaster[`${what}${done}`]({ id: 5 }, 'role_admin');
      expect({ event, payload: { id: 5 }, room: 'role_admin' });
    }
  }
});

test('by HTTP the token is shown, and a refusal is an error that says why', async (t) => {
  /** @type {any[]} */
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    asked.push([request.method, request.url, request.headers.authorization, JSON.parse(body)]);
    const good = JSON.parse(body).event === 'good';
    response.writeHead(good ? 200 : 403, { 'content-type': 'application/json' });
    response.end(JSON.stringify(good ? { status: 'ok', kept: false } : { status: 403, detail: 'not for you' }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  t.after(() => server.close());
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const broadcaster = new SocketBroadcaster({ url: `http://127.0.0.1:${port}`, token: async () => 'secret' });
  assert.deepEqual(await broadcaster.broadcast('good', 1), { status: 'ok', kept: false });
  assert.deepEqual(asked, [['POST', '/api/broadcast', 'Bearer secret', { event: 'good', payload: 1 }]]);
  await assert.rejects(broadcaster.broadcast('bad', 1), (/** @type {any} */ error) => {
    return error instanceof BroadcastError && error.status === 403 && error.detail === 'not for you';
  });
});

test('without a way to send it can’t be made', () => {
  assert.throws(() => new SocketBroadcaster(/** @type {any} */ ({ url: 'http://localhost' })), TypeError);
});

test('it can be imported as a module', async () => {
  assert.equal((await import('../index.js')).SocketBroadcaster, SocketBroadcaster);
});
