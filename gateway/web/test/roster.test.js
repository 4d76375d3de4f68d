import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Roster } from '../lib/roster.js';
import { seeded } from './support.js';

/** @param {number} talker */
const member = (talker) => ({ talker, user: `u${talker}`, name: `U ${talker}`, role: '' });
/** @param {Roster} roster */
const talkers = (roster) => roster.members.map(({ talker }) => talker).sort((a, b) => a - b);

/** @param {Partial<import('../lib/wire/messages.js').RosterMessage> & {version: number}} fields */
const roster = (fields) => ({ type: /** @type {const} */ ('roster'), channel: 1, ...fields });

test('a delta that was in the snapshot already is ignored', () => {
  const known = new Roster(9, [member(1)]);
  assert.equal(known.apply(roster({ since: 8, version: 9, joined: [member(2)] })), 'ignored');
  assert.deepEqual(talkers(known), [1]);
});

test('a delta that overlaps is applied', () => {
  const known = new Roster(9, [member(1)]);
  assert.equal(known.apply(roster({ since: 7, version: 11, joined: [member(2)], left: [{ talker: 1, reason: 'left' }] })), 'changed');
  assert.deepEqual(talkers(known), [2]);
  assert.equal(known.version, 11);
});

test('whoever changed is told anew', () => {
  const known = new Roster(1, [member(1), member(2)]);
  known.apply(roster({ since: 1, version: 2, changed: [{ ...member(2), unreachable: true }] }));
  assert.deepEqual([talkers(known), known.get(2)?.unreachable, known.get(1)?.unreachable], [[1, 2], true, undefined]);
});

test('who came and went between two messages is gone', () => {
  const known = new Roster(1, []);
  known.apply(roster({ since: 1, version: 3, joined: [member(5)], left: [{ talker: 5, reason: 'disconnected' }] }));
  assert.deepEqual(talkers(known), []);
});

test('a gap asks once for the whole truth, and takes it', () => {
  const known = new Roster(1, [member(1)]);
  assert.equal(known.apply(roster({ since: 3, version: 4, joined: [member(4)] })), 'ask');
  assert.equal(known.apply(roster({ since: 4, version: 5, joined: [member(5)] })), 'ignored');
  assert.equal(known.apply(roster({ version: 5, members: [member(4), member(5)] })), 'changed');
  assert.deepEqual(talkers(known), [4, 5]);
  assert.equal(known.apply(roster({ since: 7, version: 8 })), 'ask');
});

test('any deltas, some lost and some repeated, lead to the truth', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed);
    /** @type {Map<number, ReturnType<typeof member>>} */
    const truth = new Map();
    let version = 1;
    const known = new Roster(version, []);
    /** @type {ReturnType<typeof roster>[]} */
    const past = [];
    for (let step = 0; step < 200; step++) {
      const since = version;
      const joined = [];
      /** @type {{talker: number, reason: string}[]} */
      const left = [];
      for (let change = Math.floor(random() * 3); change >= 0; change--) {
        version++;
        const talker = Math.floor(random() * 20);
        if (truth.delete(talker)) left.push({ talker, reason: 'left' });
        else if (!left.some((gone) => gone.talker === talker)) {
          truth.set(talker, member(talker));
          joined.push(member(talker));
        }
      }
      const delta = roster({ since, version, joined, left });
      past.push(delta);
      const told = random() < 0.1 ? [] : [delta];
      if (random() < 0.2) told.push(past[Math.floor(random() * past.length)]);
      for (const message of told) {
        if (known.apply(message) === 'ask') known.apply(roster({ version, members: [...truth.values()] }));
      }
    }
    const last = roster({ since: version, version: ++version });
    if (known.apply(last) === 'ask') known.apply(roster({ version, members: [...truth.values()] }));
    assert.deepEqual(talkers(known), [...truth.keys()].sort((a, b) => a - b), `seed ${seed}`);
  }
});
