// How a channel is entered: `join` by both roads, and what is heard before the stream's answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { online } from './fakes.js';
import { packet } from './support.js';

const frame = { start: false, end: false, talkAhead: false, sequence: 35, talker: 7, channel: 18, grant: 9, timestamp: 960 * 35, redundant: [], packet: packet(35) };

/**
 * A client whose `join` of another channel has no answer yet, and the request's number.
 * @param {import('../lib/road.js').RoadKind} [kind]
 */
async function entering(kind) {
  const all = await online(kind);
  all.road.answersJoin = false;
  const joining = all.core.join('other');
  await all.clock.advance(55);
  return { ...all, joining, request: all.road.all('join').at(-1).request };
}

/** @param {any} road @param {number} request */
const joined = (road, request) => road.say({ type: 'joined', request, channel: 18, name: 'other', talker: 4, rights: ['listen'], mode: 'ptt', version: 1, members: [],
  talking: { talker: 7, user: 'eve', name: 'Eve', grant: 9 } });

test('a join goes by datagram beside the stream, soon again, until there is an answer by any road', async () => {
  const { clock, road, request, joining } = await entering();
  const asked = road.entries.filter((/** @type {any} */ entry) => entry.request === request);
  assert.deepEqual(asked.map((/** @type {any} */ { channel, at }) => [channel, at - asked[0].at]), [['other', 0], ['other', 5], ['other', 10], ['other', 15], ['other', 35], ['other', 55]]);
  road.joinedByDatagram(request, 18, 4);
  const count = road.entries.length;
  await clock.advance(100);
  assert.equal(road.entries.length, count);
  joined(road, request);
  await clock.advance(5);
  assert.equal((await joining).channel, 'other');
});

test('what is said is heard before the stream’s answer, and goes on after it', async () => {
  const { clock, core, road, heard, request, joining, last } = await entering();
  road.hear(frame);
  assert.equal(heard.length, 0, 'a channel that nobody knows');
  road.joinedByDatagram(request + 1, 18, 4);
  road.hear(frame);
  assert.equal(heard.length, 0, 'an answer to nothing');
  road.joinedByDatagram(request, 18, 4);
  road.hear({ ...frame, sequence: 36 });
  road.hear({ ...frame, sequence: 36, talker: 4 });
  assert.deepEqual(heard.map(({ sequence }) => sequence), [36], 'others, and not oneself');
  core.hearing.speaking(18, 7, true);
  assert.equal(last('speaking'), undefined, 'nobody knows yet who that is');
  joined(road, request);
  await clock.advance(5);
  await joining;
  assert.equal(last('speaking').name, 'Eve');
  road.hear({ ...frame, sequence: 37 });
  assert.deepEqual(heard.map(({ sequence }) => sequence), [36, 37]);
});

test('who left before the answer hears nothing, and over TCP nothing goes by datagram', async () => {
  const { clock, core, road, heard, request, joining } = await entering();
  const lost = assert.rejects(joining);
  core.leave('other');
  road.joinedByDatagram(request, 18, 4);
  road.hear(frame);
  joined(road, request);
  await clock.advance(5);
  await lost;
  assert.equal(heard.length, 0);
  const other = await entering('websocket');
  other.joining.catch(() => {});
  assert.equal(other.road.entries.length, 0);
});

test('bad ones are counted', async () => {
  const { core, road } = await online();
  road.handlers?.onDatagram(Uint8Array.of(5, 1, 1, 0, 0, 0, 0, 7));
  assert.equal(core.stats().framesRefused, 1);
});
