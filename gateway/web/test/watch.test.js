import assert from 'node:assert/strict';
import { test } from 'node:test';

import { online } from './fakes.js';
import { Watch } from '../ui/watch.js';

// It says in the page that it is on.
Object.assign(globalThis, { document: { getElementById: () => ({}) } });

/** @param {string[]} rights in the emergency channel */
async function scene(rights, { current = 'ops', chosen = /** @type {string[]} */ ([]), name = /** @type {string | null} */ ('sos') } = {}) {
  /** @type {any[]} */
  const done = [];
  const note = (/** @type {string} */ what) => async (/** @type {any[]} */ ...args) => void done.push([what, ...args]);
  const page = {
    current: () => at.current, isChosen: (/** @type {string} */ one) => chosen.includes(one),
    onRights: (/** @type {any} */ given) => { at.rights = given; }, onHeard: (/** @type {number} */ count) => { at.heard = count; },
    client: /** @type {any} */ ({ may: async () => rights, join: note('join'), leave: note('leave'), volume: note('volume') }),
  };
  const at = { current, rights: /** @type {any} */ (null), heard: -1 };
  const watch = new Watch(page);
  await watch.online(name);
  const take = () => done.splice(0);
  return { watch, at, take };
}

const alert = (/** @type {any} */ more) => ({ channel: 'sos', user: 'bob', mine: false, over: false, ...more });

test('a dispatcher is in the emergency channel by itself, and hears it while an emergency is in force', async () => {
  const { watch, take, at } = await scene(['listen', 'talk', 'dispatch']);
  assert.deepEqual(at.rights, ['listen', 'talk', 'dispatch']);
  assert.deepEqual(take(), [['volume', 'sos', 0], ['join', 'sos']]);
  assert.ok(watch.holds('sos') && watch.isQuiet('sos') && !watch.isQuiet('ops'));
  watch.alert(alert({}));
  watch.alert(alert({ user: 'eve' }));
  assert.deepEqual(take(), [['volume', 'sos', 1]]);
  watch.alert(alert({ over: true }));
  assert.deepEqual(take(), [], 'the other one goes on');
  watch.alert(alert({ user: 'eve', over: true }));
  assert.deepEqual(take(), [['volume', 'sos', 0]]);
});

test('what is urgent is heard without an alert, too, and an alert elsewhere changes nothing', async () => {
  const { watch, take } = await scene(['listen', 'dispatch']);
  take();
  const floor = (/** @type {string} */ level, channel = 'sos') => /** @type {any} */ ({ channel, talkers: [{ level }] });
  watch.floor(floor('normal'));
  watch.floor(floor('emergency', 'ops'));
  watch.alert(alert({ channel: 'ops' }));
  assert.deepEqual(take(), []);
  watch.floor(floor('emergency'));
  assert.deepEqual(take(), [['volume', 'sos', 1]]);
});

test('who dispatches elsewhere and may listen there is told; who may not listen, or is no dispatcher, isn’t', async () => {
  const elsewhere = await scene(['listen']);
  assert.deepEqual(elsewhere.take(), []);
  elsewhere.watch.joined('ops', ['listen', 'dispatch']);
  assert.deepEqual(elsewhere.take(), [['volume', 'sos', 0], ['join', 'sos']]);
  for (const rights of [['dispatch'], [], ['listen', 'talk', 'emergency']]) {
    const { watch, take } = await scene(rights);
    watch.joined('ops', rights.includes('listen') ? ['listen', 'talk'] : ['dispatch']);
    assert.deepEqual(take(), []);
  }
  const older = await scene(['listen', 'dispatch'], { name: null });
  assert.deepEqual([older.take(), older.at.rights], [[], []], 'of a gateway that tells no name');
});

test('it is as loud as any where one talks there, or chose to hear it', async () => {
  assert.deepEqual((await scene(['listen', 'dispatch'], { current: 'sos' })).take(), [['join', 'sos']]);
  assert.deepEqual((await scene(['listen', 'dispatch'], { chosen: ['sos'] })).take(), [['join', 'sos']]);
  const { watch, take, at } = await scene(['listen', 'dispatch']);
  take();
  at.current = 'sos';
  watch.apply();
  at.current = 'ops';
  watch.apply();
  assert.deepEqual(take(), [['volume', 'sos', 1], ['volume', 'sos', 0]]);
});

test('what was quiet is as loud as any once one is out of it, and quiet when one watches again', async () => {
  const { watch, take } = await scene(['listen', 'dispatch']);
  take();
  watch.clear();
  assert.deepEqual(take(), [['volume', 'sos', 1]], 'the next to enter may be no dispatcher');
  await watch.online('sos');
  assert.deepEqual(take(), [['volume', 'sos', 0], ['join', 'sos']]);
  watch.left('sos');
  assert.deepEqual(take(), [['volume', 'sos', 1]]);
});

test('the author leaves again when it is over, unless one watches or talks there', async () => {
  const author = await scene(['listen', 'talk', 'emergency']);
  author.watch.alert(alert({ mine: true }));
  assert.ok(author.watch.holds('sos') && author.watch.isQuiet('sos'));
  author.watch.alert(alert({ mine: true, over: true }));
  assert.ok(author.take().some(([what, name]) => what === 'leave' && name === 'sos'));
  for (const other of [await scene(['listen', 'dispatch']), await scene(['listen'], { current: 'sos' })]) {
    other.watch.alert(alert({ mine: true }));
    other.watch.alert(alert({ mine: true, over: true }));
    assert.ok(!other.take().some(([what]) => what === 'leave'));
  }
});

test('who hears is counted by user, without oneself and without who can’t be reached', async () => {
  const { watch, at } = await scene(['listen', 'emergency']);
  const member = (/** @type {number} */ talker, /** @type {string} */ user, more = {}) => ({ talker, user, name: user, role: '', ...more });
  const roster = (/** @type {any[]} */ members) => ({ channel: 'sos', version: 1, me: 1, members: [member(1, 'me'), member(2, 'me'), ...members] });
  watch.roster(roster([]));
  assert.equal(at.heard, 0);
  watch.roster(roster([member(3, 'desk'), member(4, 'desk'), member(5, 'boss'), member(6, 'far', { unreachable: true })]));
  assert.equal(at.heard, 2);
});

test('the client tells the channel’s name with its state, and asks what one may do there', async () => {
  const { clock, core, road, last } = await online();
  assert.equal(last('state').emergencyChannel, 'sos');
  const asked = core.calls.may('sos');
  const { request, channel } = road.all('may')[0];
  assert.equal(channel, 'sos');
  road.say({ type: 'rights', request, rights: ['listen'] });
  await clock.advance(5);
  assert.deepEqual(await asked, ['listen']);
});
