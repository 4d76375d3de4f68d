import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff, FIRST_MS, isFatal, LONGEST_MS, STABLE_MS } from '../lib/backoff.js';
import { online } from './fakes.js';
import { seeded } from './support.js';

test('delays are random up to a cap that doubles from 0.5 s to 30 s', () => {
  const random = seeded(1);
  const backoff = new Backoff();
  for (let attempt = 0; attempt < 50; attempt++) {
    const cap = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
    const delay = backoff.next({ random: random() });
    assert.ok(delay >= 0 && delay < cap, `${attempt}: ${delay} of ${cap}`);
  }
  assert.equal(backoff.next({ random: 0.5 }), LONGEST_MS / 2);
});

test('a stable session starts the ladder over, a short one does not', () => {
  const backoff = new Backoff();
  for (let i = 0; i < 10; i++) backoff.next({ random: 1 });
  assert.equal(backoff.next({ random: 1, lastedMs: STABLE_MS - 1 }), LONGEST_MS);
  assert.equal(backoff.next({ random: 1, lastedMs: STABLE_MS }), FIRST_MS);
});

test('the gateway’s wish is waited out, and spread', () => {
  assert.equal(new Backoff().next({ random: 0, retryAfterMs: 4000 }), 4000);
  assert.equal(new Backoff().next({ random: 0.5, retryAfterMs: 4000 }), 4250);
});

test('ends that another attempt would not change are fatal, unknown ones are not', () => {
  for (const code of ['normal', 'unauthenticated', 'token_expired', 'kicked', 'origin_refused', 'unsupported_version', 'replaced']) {
    assert.ok(isFatal(code), code);
  }
  for (const code of ['going_away', 'idle_timeout', 'overloaded', 'lost', 'other', 'something_new']) assert.ok(!isFatal(code), code);
});

test('after a loss the session comes back, and its channels with it', async () => {
  const { clock, roads, road, last, events } = await online();
  road.lose('cable');
  assert.deepEqual([last('state').phase, last('state').retryInMs], ['waiting', FIRST_MS / 2]);
  await clock.advance(FIRST_MS);
  assert.equal(last('state').phase, 'online');
  assert.equal(roads[1].all('join')[0].channel, 'ops');
  assert.equal(events.filter(({ type }) => type === 'joined').length, 2);
});

test('a lost session is resumed by the next, and what it is in is not joined twice', async () => {
  const { clock, roads, road, last, events, gateway } = await online();
  assert.equal(road.all('hello')[0].resume, '', 'it asks to be resumable');
  gateway.prepare = (next) => { next.resumes = true; };
  road.lose('cable');
  await clock.advance(FIRST_MS);
  assert.equal(roads[1].all('hello')[0].resume, 'first');
  assert.deepEqual([last('state').phase, last('roster').me, last('roster').version], ['online', 4, 7]);
  assert.deepEqual(events.filter(({ type }) => type === 'left'), []);
  roads[1].lose('cable');
  await clock.advance(4 * FIRST_MS);
  assert.equal(roads[2].all('hello')[0].resume, 'next', 'each token serves once');
});

test('who loses its session says that it comes back, who leaves does not', async () => {
  const lost = await online();
  Object.assign(lost.road, { say: () => {}, tells: false });
  await lost.clock.advance(16_000);
  assert.deepEqual([lost.road.closed, lost.road.comesBack], [true, true]);
  const left = await online();
  left.core.close();
  assert.deepEqual([left.road.closed, left.road.comesBack], [true, false]);
});

test('while the gateway is away it is asked again and again', async () => {
  const { clock, gateway, road, last, events } = await online();
  gateway.refuse = 'refused';
  road.lose('cable');
  await clock.advance(120_000);
  const waits = events.filter(({ type, detail }) => type === 'state' && detail.phase === 'waiting');
  assert.ok(waits.length > 6 && waits.length < 20, `${waits.length}`);
  gateway.refuse = null;
  await clock.advance(LONGEST_MS);
  assert.equal(last('state').phase, 'online');
});

test('when the network comes back nobody waits', async () => {
  const { clock, core, gateway, road, last } = await online();
  gateway.refuse = 'refused';
  road.lose('cable');
  await clock.advance(60_000);
  gateway.refuse = null;
  core.hurry();
  await clock.advance(5);
  assert.equal(last('state').phase, 'online');
});

test('closing with a fatal code ends it, with another it is obeyed', async () => {
  const one = await online();
  one.road.say({ type: 'closing', code: 'token_expired', reason: 'x' });
  await one.clock.advance(60_000);
  assert.deepEqual([one.last('state').phase, one.last('state').code, one.roads.length], ['ended', 'token_expired', 1]);
  const two = await online();
  two.road.say({ type: 'closing', code: 'overloaded', reason: 'x', retry_after_ms: 5000 });
  await two.clock.advance(4900);
  assert.equal(two.roads.length, 1);
  await two.clock.advance(1000);
  assert.equal(two.roads.length, 2);
});

test('a gateway that says nothing at all is taken for dead', async () => {
  const { clock, road, roads, last } = await online();
  await clock.advance(20_000);
  assert.equal(roads.length, 1);
  assert.ok(road.all('ping').length >= 4);
  Object.assign(road, { say: () => {}, tells: false });
  await clock.advance(16_000);
  assert.equal(roads.length, 2);
  assert.ok(road.closed);
  assert.ok(['online', 'waiting', 'connecting'].includes(last('state').phase));
});

test('a ping measures the round trip', async () => {
  const { core } = await online();
  assert.equal(/** @type {any} */ (core.stats()).rttMs, 1);
});

test('a draining gateway is left between two bursts', async () => {
  const { clock, core, road, roads } = await online();
  core.press('ops');
  await clock.advance(100);
  road.say({ type: 'draining', deadline_ms: 30_000 });
  await clock.advance(2000);
  assert.equal(road.closed, false);
  core.release();
  await clock.advance(1500);
  assert.deepEqual(roads.map(({ closed }) => closed), [true, false]);
});

test('a refused join is told, and not tried again', async () => {
  const { clock, core, roads, road } = await online();
  const { sendControl } = road;
  road.sendControl = function (/** @type {Uint8Array} */ bytes) {
    const message = JSON.parse(new TextDecoder().decode(bytes));
    if (message.type !== 'join') return sendControl.call(road, /** @type {any} */ (bytes));
    road.say({ type: 'error', request: message.request, code: 'forbidden', message: 'no' });
  };
  const refused = assert.rejects(core.join('secret'), (/** @type {any} */ error) => error.code === 'forbidden');
  await clock.advance(10);
  await refused;
  road.lose('cable');
  await clock.advance(1000);
  assert.deepEqual(roads[1].all('join').map(({ channel }) => channel), ['ops']);
});

test('what follows joined in the same breath is not missed', async () => {
  const { clock, last, gateway, road } = await online();
  gateway.prepare = (next) => {
    const { say } = next;
    next.say = (message) => {
      say.call(next, message);
      if (message.type !== 'joined') return;
      say.call(next, { type: 'roster', channel: 17, since: 1, version: 2, joined: [{ talker: 8, user: 'eve', name: 'Eve', role: '' }] });
      say.call(next, { type: 'floor_taken', channel: 17, talker: 8, user: 'eve', name: 'Eve', grant: 5, remaining_ms: 9000 });
    };
  };
  road.lose('cable');
  await clock.advance(1000);
  assert.equal(last('roster').members.length, 1);
  assert.equal(last('floor').by.name, 'Eve');
});

test('leaving before the answer to a join leaves', async () => {
  const { clock, core, roads } = await online();
  const joining = assert.rejects(core.join('other'));
  core.leave('other');
  await clock.advance(20);
  await joining;
  assert.equal(roads[0].all('leave').length, 1);
});

test('a channel’s volume is its name’s, whatever number it has after a reconnect', async () => {
  const { clock, core, road, gains } = await online();
  core.hearing.volume('elsewhere', 0.2);
  core.hearing.volume('ops', 0.5);
  core.hearing.volume('ops', 7);
  assert.deepEqual(gains, [[17, 0.5], [17, 1]]);
  core.hearing.volume('ops', 0);
  road.lose('cable');
  await clock.advance(FIRST_MS);
  assert.deepEqual(gains.slice(2), [[17, 0], [17, 0]]);
});
