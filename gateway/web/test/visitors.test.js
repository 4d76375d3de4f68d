import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Visitors } from '../lib/visitors.js';

/** Visitors over a stream in the test's hands. */
function scene() {
  /** @type {any[]} */ const said = [];
  /** @type {any[]} */ const heard = [];
  /** @type {{what: () => void, cancelled: boolean}[]} */ const timers = [];
  let [ids, online] = [0, true];
  const clock = /** @type {any} */ ({
    time: 100_000,
    now: () => clock.time,
    after: (/** @type {() => void} */ what) => { const timer = { what, cancelled: false }; timers.push(timer); return timer; },
    cancel: (/** @type {any} */ timer) => { if (timer) timer.cancelled = true; },
  });
  const visitors = new Visitors({
    clock, newId: () => `id-${++ids}`, emit: (_, detail) => heard.push(detail),
    say: (message) => { if (online) said.push(message); return online; },
  });
  const fire = () => timers.splice(0).filter(({ cancelled }) => !cancelled).forEach(({ what }) => what());
  return { visitors, said, heard, clock, fire, go: (/** @type {boolean} */ on) => { online = on; } };
}

test('who watches is given the conversations, and hears of each thing that happens in them', async () => {
  const { visitors, said, heard } = scene();
  const watched = visitors.watch();
  assert.deepEqual(said, [{ type: 'livechat_watch', request: 1 }]);
  const conversations = [{ session: 's', name: 'Budi', open: true }];
  visitors.take({ type: 'livechat_inbox', request: 1, conversations });
  assert.deepEqual(await watched, conversations);
  visitors.take({ type: 'livechat', session: 's', message: 1, staff: false, name: 'Budi', text: '<b>', at: 5 });
  visitors.take({ type: 'livechat_presence', session: 's', name: 'Budi', open: false });
  visitors.take({ type: 'livechat_typing', session: 's', staff: false, name: 'Budi' });
  assert.deepEqual(heard.map(({ kind }) => kind), ['said', 'presence', 'typing']);
  assert.equal(heard[0].text, '<b>');
});

test('who is no staff is told', async () => {
  const { visitors } = scene();
  const watched = visitors.watch();
  visitors.take({ type: 'livechat_error', request: 1, code: 'forbidden', message: 'this is for staff' });
  await assert.rejects(watched, { code: 'forbidden' });
});

test('an answer is sent until it is stored, over a loss', async () => {
  const { visitors, said, heard, go } = scene();
  visitors.watch().catch(() => {});
  visitors.take({ type: 'livechat_inbox', request: 1, conversations: [] });
  go(false);
  const sent = visitors.reply('s', 'Halo');
  visitors.lost();
  assert.equal(heard.at(-1).kind, 'lost');
  go(true);
  const again = visitors.watch();
  visitors.take({ type: 'livechat_inbox', request: 2, conversations: [] });
  await again;
  assert.deepEqual(said.at(-1), { type: 'livechat_reply', session: 's', id: 'id-1', text: 'Halo' });
  visitors.take({ type: 'livechat_ack', session: 's', id: 'id-1', message: 3, at: 7 });
  assert.deepEqual(await sent, { message: 3, at: 7 });
});

test('an answer that can be stored later is sent again, and one that never can is given back', async () => {
  const { visitors, said, fire } = scene();
  const later = visitors.reply('s', 'Halo');
  visitors.take({ type: 'livechat_error', session: 's', id: 'id-1', code: 'unavailable', message: '' });
  fire();
  assert.equal(said.length, 2);
  visitors.take({ type: 'livechat_ack', session: 's', id: 'id-1', message: 1, at: 1 });
  await later;
  const never = visitors.reply('nobody', 'Halo');
  visitors.take({ type: 'livechat_error', session: 'nobody', id: 'id-2', code: 'not_joined', message: '' });
  await assert.rejects(never, { code: 'not_joined' });
});

test('what is asked without a stream, or not answered, fails', async () => {
  const { visitors, go, fire } = scene();
  go(false);
  await assert.rejects(visitors.history('s'), { code: 'offline' });
  go(true);
  const late = visitors.history('s', { before: 9 });
  fire();
  await assert.rejects(late, { code: 'timeout' });
});

test('signs of typing are few', () => {
  const { visitors, said, clock } = scene();
  for (let at = 0; at < 60; at += 1) { visitors.typing('s'); clock.time += 100; }
  assert.equal(said.length, 2);
});
