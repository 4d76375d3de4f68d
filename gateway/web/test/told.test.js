import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Inbox } from '../lib/inbox.js';
import { toldText } from '../ui/told.js';

test('a notification is shown in its own words, or as it is', () => {
  assert.equal(toldText({ event: 'ticket_created', payload: { title: 'Gate 3', message: 'is stuck' } }), 'ticket created: Gate 3 – is stuck');
  assert.equal(toldText({ event: 'notification', payload: 'shift over' }), 'notification: shift over');
  assert.equal(toldText({ event: 'ticket_created', payload: { id: 5 } }), 'ticket created: {"id":5}');
  assert.equal(toldText({ event: 'maintenance', payload: null }), 'maintenance');
  assert.equal(toldText({ event: 'n', payload: 'x'.repeat(500) }).length, 201);
});

test('what comes from the gateway is told as it is', () => {
  /** @type {any[]} */
  const told = [];
  const inbox = new Inbox(/** @type {any} */ ({ emit: (/** @type {any[]} */ ...what) => told.push(what) }));
  inbox.message({ type: 'notification', event: 'ticket_created', payload: { id: 5 } });
  inbox.message({ type: 'notification', event: 'n', at: 1795194000123 });
  assert.deepEqual(told, [
    ['notification', { event: 'ticket_created', payload: { id: 5 }, at: null }],
    ['notification', { event: 'n', payload: null, at: 1795194000123 }],
  ]);
});
