/** The console shows what a back end wants told: to its user, to its role, and what was kept while it was away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConsole } from './kit/console.js';
import { sharedServer } from './kit/server.js';

const server = await sharedServer();
const service = await server.token({ user: 'billing', args: ['--scope', 'service'] });

/** @param {object} body */
async function broadcast(body) {
  const headers = { authorization: `Bearer ${service}`, 'content-type': 'application/json' };
  const response = await fetch(`${server.url}/api/broadcast`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200);
  return response.json();
}

test('a console is told of its user’s and its role’s notifications, and of those that were kept', async (t) => {
  const kept = await broadcast({ event: 'notification', payload: { title: 'while away' }, room: 'user_dora', keep_ms: 60_000 });
  assert.deepEqual(kept, { status: 'ok', kept: true });
  const console = await openConsole(t, server, 'dora', 'yard');
  const says = (/** @type {string} */ text) => console.page.locator('#notices').getByText(text).waitFor({ timeout: 5000 });
  await broadcast({ event: 'ticket_created', payload: { id: 5 }, room: 'role_dispatcher' });
  await says('ticket created: {"id":5}');
  await broadcast({ event: 'notification', payload: { title: 'Gate 3', message: 'is stuck' }, room: 'user_dora' });
  await says('notification: Gate 3 – is stuck');
  await broadcast({ event: 'alarm', payload: 'in the yard', room: 'yard' });
  await says('alarm: in the yard');
  await broadcast({ event: 'secret', payload: 'for admins', room: 'role_admin' });
  await broadcast({ event: 'last', payload: null });
  await says('last');
  assert.equal(await console.page.locator('#notices').getByText('for admins').count(), 0);
});
