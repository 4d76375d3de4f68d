/**
 * What the floor does, each once from a talker's and from a listener's side. Nothing here knows on which transport they
 * are; a helper is a third, who has the floor before the talker or is a dispatcher.
 *
 * @typedef {import('./party.js').ModernParty | import('./legacy.js').LegacyParty} Anybody
 *
 * @typedef {object} Cell
 * @property {Anybody} talker
 * @property {Anybody} listener
 * @property {import('./party.js').ModernParty} helper
 * @property {() => Promise<void>} enter the listener comes: before the scene begins, unless the scene says when
 */
import assert from 'node:assert/strict';
import { sleep, until } from '../wait.js';

/** The talker has the floor, and everybody knows. @param {Cell} cell @param {import('./party.js').Press} [how] */
async function talks({ talker, listener }, how) {
  await talker.press(how);
  await talker.told('granted');
  await listener.told('taken', { user: talker.user });
  await talker.told('taken', { user: talker.user });
  await listener.hears(talker);
}

/** The helper has the floor before the talker asks for it. @param {Cell} cell */
async function helperTalks({ talker, listener, helper }) {
  await helper.press();
  await helper.told('granted');
  await listener.told('taken', { user: helper.user });
  await talker.told('taken', { user: helper.user });
  await listener.hears(helper);
}

/** Silence of 600 ms ends the press of one that knows no floor; and a slow machine. */
const PRESS_END_MS = 1000;

/** Who hears a burst from its start is behind by no more than it missed. */
const CATCH_UP_MS = 2000;

/**
 * The talker's burst is over for everybody, and nothing of it is heard any more.
 * @param {Cell} cell @param {number} mark of the listener's words @param {number} [underWayMs] how long something may still come
 */
async function over({ talker, listener }, mark, underWayMs) {
  await listener.told('idle', {}, mark);
  await talker.told('idle');
  await listener.hearsNoMoreOf(talker, underWayMs);
}

/** @param {Cell} cell */
async function releases(cell) {
  const { mark } = cell.listener;
  await cell.talker.release();
  await over(cell, mark);
}

/** @type {Record<string, (cell: Cell) => Promise<void>>} */
export const scenes = {
  async grant(cell) {
    await talks(cell);
    await releases(cell);
    assert.equal(cell.talker.heardOf(cell.talker.user), 0, 'it heard itself');
  },

  async deny(cell) {
    const { talker, listener, helper } = cell;
    await helperTalks(cell);
    await talker.press();
    await talker.told('denied', { cause: 'another_has_permission' });
    await listener.hears(helper);
    await talker.release();
    // One that knows no floor waits until it has been silent for this long.
    await sleep(PRESS_END_MS);
    const { mark } = listener;
    await helper.release();
    await listener.told('idle', {}, mark);
    await sleep(700);
    assert.equal(listener.heardOf(talker.user), 0, 'one that was denied is heard');
    assert.ok(listener.words.every(({ user }) => user !== talker.user), 'one that was denied was announced');
    assert.equal(talker.words.filter(({ type }) => type === 'denied').length, 1, 'told more than once');
  },

  async queue(cell) {
    const { talker, listener, helper } = cell;
    await helperTalks(cell);
    await talker.press({ queue: true });
    // Who knows no floor is told that another talks, and waits all the same.
    if (talker.knowsNoFloor) await talker.told('denied', { cause: 'another_has_permission' });
    await talker.told('queued', { position: 1 });
    await listener.hears(helper);
    assert.equal(listener.heardOf(talker.user), 0, 'one that waits is heard');
    await helper.release();
    await talker.told('granted');
    await listener.told('taken', { user: talker.user });
    await listener.hears(talker);
    const denials = talker.words.filter(({ type }) => type === 'denied').length;
    assert.equal(denials, talker.knowsNoFloor ? 1 : 0, 'told otherwise than once per press');
    await releases(cell);
  },

  async 'pre-empt'(cell) {
    const { talker, listener, helper } = cell;
    await helperTalks(cell);
    // By its token's priority.
    await talker.press();
    await helper.told('revoked', { cause: 'pre_empted' });
    await helper.release();
    await talker.told('granted');
    await listener.told('taken', { user: talker.user });
    await listener.hears(talker);
    // And now it is the one.
    const { mark } = listener;
    await helper.press({ level: 'imminent_peril' });
    await talker.told('revoked', { cause: 'pre_empted' });
    await listener.told('taken', { user: helper.user, level: 'imminent_peril' }, mark);
    await listener.hears(helper);
    await listener.hearsNoMoreOf(talker);
    await talker.release();
    await helper.release();
  },

  async revoke(cell) {
    const { talker, listener, helper } = cell;
    await talks(cell);
    const { mark } = listener;
    await helper.dispatch('revoke', talker);
    await talker.told('revoked', { cause: 'no_permission' });
    // It holds its button and speaks on.
    await over(cell, mark);
    await talker.release();
  },

  async T1(cell) {
    const { talker, listener } = cell;
    await talks(cell, { explicit: true });
    const { mark } = listener;
    await talker.hush();
    await over(cell, mark);
    assert.ok(!talker.words.some(({ type, cause }) => type === 'revoked' && cause !== 'lost'), 'T1 is no revoke');
    await talker.release();
  },

  async T2(cell) {
    const { talker, listener } = cell;
    await talks(cell);
    const { mark } = listener;
    await talker.told('warned');
    await talker.told('revoked', { cause: 'media_burst_too_long' });
    await over(cell, mark);
    await talker.release();
  },

  async emergency(cell) {
    const { talker, listener, helper } = cell;
    await helperTalks(cell);
    await talker.press({ level: 'emergency' });
    await helper.told('revoked', { cause: 'pre_empted' });
    await talker.told('granted');
    await listener.told('taken', { user: talker.user, level: 'emergency' });
    await listener.hears(talker);
    await listener.hearsNoMoreOf(helper);
    await releases(cell);
    await helper.release();
  },

  async 'late entry'(cell) {
    const { talker, listener, helper, enter } = cell;
    await talker.press();
    await talker.told('granted');
    await helper.hears(talker);
    await enter();
    await listener.told('taken', { user: talker.user });
    await listener.hears(talker);
    // A client that knows replays hears what it missed; one of Socket.IO hears what follows.
    if ('stage' in listener) {
      await until('the start of the burst', () => listener.fromStart.has(talker.user)).catch(({ message }) => {
        throw new Error(`${message}; ${listener.replayed} frames came by a replay, ${listener.heardOf(talker.user)} were heard`);
      });
    }
    const { mark } = listener;
    await talker.release();
    // What it is behind by it hears to its end.
    await over(cell, mark, CATCH_UP_MS);
  },
};
