import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Floor, REQUEST_TIMEOUT_MS } from '../lib/floor.js';

const ME = 4;
const RENEWAL = 2000;

/** @param {any[]} steps each `[time, message]`, or `[time]` for a tick */
function drive(...steps) {
  const floor = new Floor(ME, RENEWAL);
  const changes = steps.map(([time, message]) => {
    if (!message) return floor.tick(time);
    if (typeof message === 'function') return message(floor, time);
    return floor.apply({ channel: 1, ...message }, time);
  });
  return { floor, changes, phase: floor.view().phase };
}

const press = (/** @type {number} */ request) => (/** @type {Floor} */ floor, /** @type {number} */ now) => floor.request(request, now);
const up = (/** @type {Floor} */ floor) => floor.release();
const granted = (request = 1, grant = 10) => ({ type: 'floor_granted', request, grant, duration_ms: 30_000 });
const taken = (talker = 7, grant = 10, remaining_ms = 30_000) => ({ type: 'floor_taken', talker, user: 'bob', name: 'Bob', grant, remaining_ms });
const idle = (grant = 10) => ({ type: 'floor_idle', grant });
const deny = (request = 1) => ({ type: 'floor_deny', request, cause: 'another_has_permission' });
const revoke = (grant = 10) => ({ type: 'floor_revoke', grant, cause: 'media_burst_too_long', grace_ms: 3000 });

test('a press is granted, and idle after its release', () => {
  const { floor } = drive([0, press(1)], [20, granted()], [25, taken(ME)]);
  assert.deepEqual([floor.view().phase, floor.view().until, floor.grant], ['granted', 30_020, 10]);
  floor.release();
  assert.equal(floor.view().phase, 'idle');
});

test('a renewal that crosses the release does not bring me back', () => {
  const { changes, phase } = drive([0, press(1)], [20, granted()], [500, up], [520, taken(ME)]);
  assert.equal(changes[3], 'ignored');
  assert.equal(phase, 'idle');
});

test('a denial stays until the button is up', () => {
  const { floor, phase } = drive([0, taken(7)], [1, press(1)], [20, deny()]);
  assert.equal(phase, 'denied');
  assert.equal(floor.view().cause, 'another_has_permission');
  floor.release();
  assert.equal(floor.view().phase, 'taken');
});

test('an answer to an older request changes nothing', () => {
  const { phase, changes } = drive([0, press(1)], [5, up], [10, press(2)], [20, deny(1)], [21, granted(1, 9)]);
  assert.equal(phase, 'requesting');
  assert.deepEqual(changes.slice(3), ['ignored', 'stray']);
});

test('a grant that nobody waits for any more is to be given back', () => {
  assert.deepEqual(drive([0, press(1)], [5, up], [20, granted()]).changes[2], 'stray');
  const late = drive([0, press(1)], [REQUEST_TIMEOUT_MS], [REQUEST_TIMEOUT_MS + 1, granted()]);
  assert.deepEqual([late.changes[1], late.changes[2], late.phase], ['unanswered', 'stray', 'denied']);
});

test('the same grant again prolongs nothing but what is said', () => {
  const { floor, changes } = drive([0, press(1)], [20, granted()], [5000, press(2)], [5010, { ...granted(2), duration_ms: 25_000 }]);
  assert.equal(changes[3], 'granted');
  assert.equal(floor.view().until, 30_010);
});

test('messages about older grants are out of date', () => {
  const { changes, floor } = drive([0, taken(7, 12)], [1, taken(8, 11)], [2, idle(11)]);
  assert.deepEqual(changes, ['changed', 'ignored', 'ignored']);
  assert.equal(floor.view().holder?.talker, 7);
});

test('a renewal that crosses its own idle does not bring the talker back', () => {
  assert.equal(drive([0, taken(7)], [10, idle()], [11, taken(7)]).phase, 'idle');
});

test('a newer taken ends the older talker without an idle', () => {
  assert.equal(drive([0, taken(7, 10)], [1, taken(8, 11)]).floor.view().holder?.talker, 8);
});

test('a ghost talker is cleared after three renewals of silence', () => {
  assert.equal(drive([0, taken(7)], [3 * RENEWAL - 1]).phase, 'taken');
  assert.equal(drive([0, taken(7)], [3 * RENEWAL]).phase, 'idle');
});

test('voice and renewals are signs of life', () => {
  const voice = (/** @type {Floor} */ floor, /** @type {number} */ now) => floor.voice({ grant: 10, talker: 7 }, undefined, now);
  assert.equal(drive([0, taken(7)], [5000, voice], [9000]).phase, 'taken');
  assert.equal(drive([0, taken(7)], [5000, taken(7)], [9000]).phase, 'taken');
});

test('a talker is cleared when its time is over, whatever is heard', () => {
  assert.equal(drive([0, taken(7, 10, 1000)], [999]).phase, 'taken');
  assert.equal(drive([0, taken(7, 10, 1000)], [1000]).phase, 'idle');
});

test('a talker who was cleared for silence comes back when heard of again', () => {
  assert.equal(drive([0, taken(7)], [7000], [8000, taken(7)]).phase, 'taken');
});

test('voice of a newer grant is news, of an older one nobody’s', () => {
  const floor = new Floor(ME, RENEWAL);
  assert.equal(floor.voice({ grant: 10, talker: 7 }, { user: 'bob', name: 'Bob' }, 0), 'changed');
  assert.equal(floor.view().holder?.name, 'Bob');
  assert.equal(floor.voice({ grant: 10, talker: 7 }, undefined, 1), 'known');
  assert.equal(floor.voice({ grant: 9, talker: 6 }, undefined, 2), 'old');
});

test('a revoke is shown until the button is up, and the grant lasts for the grace', () => {
  const { floor, phase } = drive([0, press(1)], [20, granted()], [30_020, revoke()]);
  assert.deepEqual([phase, floor.view().cause, floor.grant], ['revoked', 'media_burst_too_long', 10]);
  floor.apply({ type: 'floor_idle', channel: 1, grant: 10 }, 30_100);
  assert.equal(floor.view().phase, 'revoked');
  floor.release();
  assert.equal(floor.view().phase, 'idle');
});

test('a revoke of another grant changes nothing', () => {
  assert.equal(drive([0, press(1)], [20, granted()], [30, revoke(9)]).phase, 'granted');
});

test('my grant ends with its idle, or with a newer talker', () => {
  assert.equal(drive([0, press(1)], [20, granted()], [4020, idle()]).changes[2], 'ended');
  const overtaken = drive([0, press(1)], [20, granted()], [30, taken(8, 11)]);
  assert.deepEqual([overtaken.changes[2], overtaken.phase], ['ended', 'revoked']);
});

const queued = (position = 2, request = 1) => ({ type: 'floor_queued', request, position, size: 3 });

test('a place in the queue is shown, and its change; the same place again is nothing', () => {
  const { floor, changes } = drive([0, press(1)], [20, queued(2)], [21, queued(2)], [9000, queued(1)], [9100]);
  assert.deepEqual(changes.slice(1), ['queued', 'ignored', 'queued', 'ignored']);
  assert.deepEqual([floor.view().phase, floor.view().position], ['queued', 1]);
  assert.equal(floor.apply(/** @type {any} */ ({ channel: 1, ...granted() }), 9200), 'granted');
});

test('who waits may be denied after all', () => {
  const after = (/** @type {any} */ message) => drive([0, press(1)], [20, queued()], [30, message]).floor.view();
  assert.deepEqual([after(deny()).phase, after(deny()).cause], ['denied', 'another_has_permission']);
  assert.equal(after({ type: 'floor_cancelled', request: 1 }).cause, 'cancelled');
  assert.equal(after({ type: 'floor_cancelled', request: 9 }).phase, 'queued');
});

test('the warning before the limit says what is left', () => {
  const warning = { type: 'floor_warning', grant: 10, remaining_ms: 5000 };
  const { floor } = drive([0, press(1)], [20, granted()], [25_000, warning]);
  assert.deepEqual([floor.view().warned, floor.view().until], [true, 30_000]);
  assert.equal(drive([0, press(1)], [20, granted()], [30, { ...warning, grant: 9 }]).floor.view().warned, false);
});

test('urgency is told with the talker', () => {
  assert.equal(drive([0, { ...taken(7), level: 'emergency' }]).floor.view().holder?.level, 'emergency');
  assert.equal(drive([0, taken(7)]).floor.view().holder?.level, 'normal');
});

test('where several talk, each grant lives until its own end', () => {
  const floor = new Floor(ME, RENEWAL, 'open');
  const apply = (/** @type {any} */ message, /** @type {number} */ now) => floor.apply({ channel: 1, ...message }, now);
  apply(taken(7, 10), 0);
  apply(taken(8, 11), 1);
  floor.request(1, 2);
  apply(granted(1, 12), 3);
  apply({ ...taken(9, 13), user: 'eve', name: 'Eve' }, 4);
  assert.deepEqual(floor.view().talkers.map(({ talker }) => talker), [9, 8, 7]);
  assert.deepEqual([floor.view().phase, floor.grant, floor.talkerOf(11), floor.talkerOf(99)], ['granted', 12, 8, -1]);
  assert.equal(floor.voice({ grant: 10, talker: 7 }, undefined, 5000), 'known');
  assert.equal(apply(idle(11), 5001), 'changed');
  assert.equal(floor.voice({ grant: 11, talker: 8 }, undefined, 5002), 'known', 'what was under way at its end is heard');
  assert.equal(apply(taken(8, 11), 5003), 'ignored');
  floor.tick(3 * RENEWAL + 5);
  assert.deepEqual(floor.view().talkers.map(({ talker }) => talker), [7]);
  assert.equal(apply(idle(12), 6100), 'ended');
});

test('voice alone tells of each of several talkers', () => {
  const floor = new Floor(ME, RENEWAL, 'dual');
  assert.equal(floor.voice({ grant: 10, talker: 7 }, undefined, 0), 'changed');
  assert.equal(floor.voice({ grant: 11, talker: 8 }, undefined, 1), 'changed');
  assert.equal(floor.voice({ grant: 10, talker: 7 }, undefined, 2), 'known');
  assert.equal(floor.view().talkers.length, 2);
});
