import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeChat, encodeChat } from '../lib/wire/chat.js';
import { online } from './fakes.js';
import { bytes, settle, vectors } from './support.js';

const utf8 = new TextEncoder();

for (const { name, direction, json, canonical } of vectors('chat').good) {
  test(`chat: ${name}`, () => {
    const meaning = JSON.parse(canonical);
    if (direction === 'client') {
      assert.deepEqual(JSON.parse(new TextDecoder().decode(encodeChat(meaning))), meaning);
    } else if (meaning.code !== 'other') {
      assert.deepEqual(decodeChat(utf8.encode(json)), meaning);
    }
  });
}

for (const { name, direction, json, hex, error } of vectors('chat').bad) {
  if (direction !== 'server' || error === 'bad_field') continue;
  test(`chat, bad: ${name}`, () => {
    assert.equal(decodeChat(hex ? bytes(hex) : utf8.encode(json)), undefined);
  });
}

/** @param {number} message */
const said = (message, text = `text ${message}`) => ({
  type: 'chat', channel: 17, message, user: 'bob', name: 'Bob', role: '', text, at: 1000 + message,
});

/** What the page was shown. @param {{type: string, detail: any}[]} events */
const shown = (events) => events.filter(({ type }) => type === 'chat').map(({ detail }) => detail.message);

test('a message is sent with an id of its own, and resolves when it is acknowledged', async () => {
  const { core, road, events } = await online();
  const sending = core.chat.send('ops', '<b>hello</b>');
  const [line] = road.streams;
  assert.equal(line.type, 2);
  const [{ id, ...rest }] = line.said;
  assert.deepEqual(rest, { type: 'chat_send', channel: 17, text: '<b>hello</b>' });
  assert.match(id, /^[0-9a-f-]{36}$/);
  await line.say({ type: 'chat_ack', channel: 17, id, message: 1, at: 5 });
  assert.deepEqual(await sending, { message: 1, at: 5 });
  await line.say({ ...said(1, '<b>hello</b>'), id });
  const { detail } = /** @type {any} */ (events.find(({ type }) => type === 'chat'));
  assert.deepEqual([detail.own, detail.channel, detail.text], [true, 'ops', '<b>hello</b>']);
});

test('what was not acknowledged goes by the next session, under the same id', async () => {
  const { clock, core, roads, road } = await online();
  let sent = null;
  core.chat.send('ops', 'hello').then((ack) => { sent = ack; });
  const [{ id }] = road.streams[0].said;
  road.lose('cable');
  await clock.advance(2000);
  const [line] = roads[1].streams;
  assert.deepEqual(line.said, [{ type: 'chat_send', channel: 17, id, text: 'hello' }]);
  await line.say({ type: 'chat_ack', channel: 17, id, message: 3, at: 5 });
  assert.deepEqual(sent, { message: 3, at: 5 });
  await clock.advance(10_000);
  assert.equal(line.said.length, 1);
});

test('what is refused for now is sent again, what is refused for good is not', async () => {
  const { clock, core, road } = await online();
  const sending = core.chat.send('ops', 'hello');
  const [line] = road.streams;
  const [{ id }] = line.said;
  await line.say({ type: 'chat_error', channel: 17, id, code: 'unavailable', message: '' });
  await clock.advance(3000);
  assert.equal(line.said.length, 2);
  assert.equal(line.said[1].id, id);
  const refused = assert.rejects(sending, { code: 'forbidden' });
  await line.say({ type: 'chat_error', channel: 17, id, code: 'forbidden', message: 'no' });
  await refused;
  await assert.rejects(core.chat.send('lobby', 'x'), { code: 'not_joined' });
});

test('what was not acknowledged when one is thrown out is given up', async () => {
  const { clock, core, road } = await online();
  const refused = assert.rejects(core.chat.send('ops', 'hello'), { code: 'not_joined' });
  road.say({ type: 'left', channel: 17, reason: 'kicked' });
  await clock.advance(10);
  await refused;
});

test('messages are shown once and in order, and a gap is filled from the history', async () => {
  const { road, events } = await online();
  const [line] = road.streams;
  await line.say(said(5));
  await line.say(said(5));
  await line.say(said(8));
  await line.say(said(9));
  assert.deepEqual(shown(events), [5]);
  const [{ request, ...asked }] = line.said;
  assert.deepEqual(asked, { type: 'chat_history', channel: 17, after: 5, limit: 100 });
  const page = (/** @type {number[]} */ ...numbers) => numbers.map((number) => { const { type, channel, ...rest } = said(number); return rest; });
  await line.say({ type: 'chat_page', request, channel: 17, messages: page(6, 7, 8), more: false });
  assert.deepEqual(shown(events), [5, 6, 7, 8, 9]);
});

test('after a reconnect what was missed is asked for, page by page', async () => {
  const { clock, roads, road, gateway, events } = await online();
  await road.streams[0].say(said(5));
  gateway.prepare = (next) => { next.lastMessage = 8; };
  road.lose('cable');
  await clock.advance(2000);
  const [line] = roads[1].streams;
  const page = (/** @type {number} */ number) => { const { type, channel, ...rest } = said(number); return rest; };
  assert.equal(line.said[0].after, 5);
  await line.say({ type: 'chat_page', request: line.said[0].request, channel: 17, messages: [page(6), page(7)], more: true });
  assert.equal(line.said[1].after, 7);
  await line.say(said(9));
  await line.say({ type: 'chat_page', request: line.said[1].request, channel: 17, messages: [page(8)], more: false });
  assert.deepEqual(shown(events), [5, 6, 7, 8, 9]);
});

test('who comes for the first time is shown nothing old, and can ask for it', async () => {
  const { clock, core, road, events } = await online();
  assert.deepEqual(shown(events), []);
  const asking = core.chat.history('ops', { before: 7, limit: 2 });
  const { request, before, limit } = road.streams[0].said[0];
  assert.deepEqual([before, limit], [7, 2]);
  await road.streams[0].say({ type: 'chat_page', request, channel: 17, messages: [], more: false });
  assert.equal((await asking).more, false);
  const late = assert.rejects(core.chat.history('ops'), { code: 'timeout' });
  await clock.advance(11_000);
  await late;
});

test('that one writes is told now and then, and so is that others do', async () => {
  const { clock, core, road, last } = await online();
  for (let i = 0; i < 5; i++) core.chat.typing('ops');
  assert.equal(road.streams[0].said.length, 1);
  await clock.advance(3100);
  core.chat.typing('ops');
  assert.equal(road.streams[0].said.length, 2);
  await road.streams[0].say({ type: 'chat_typing', channel: 17, talker: 3, user: 'bob', name: 'Bob' });
  assert.deepEqual(last('typing'), { channel: 'ops', talker: 3, user: 'bob', name: 'Bob' });
  core.leave('ops');
  await settle();
  await assert.rejects(core.chat.send('ops', 'x'), { code: 'not_joined' });
});
