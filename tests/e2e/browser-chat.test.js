/** Chat between the console and Socket.IO clients, both ways; and what was said is there again after the server was killed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConsole } from './kit/console.js';
import { displayName, legacyUser } from './kit/scene.js';
import { sharedServer, startServer } from './kit/server.js';
import { until } from './kit/wait.js';

/** @typedef {import('./kit/console.js').Console} Console */

const server = await sharedServer();

/** The texts that a console shows. @param {Console} console */
const shown = (console) => console.page.locator('#chat-list p').allTextContents();

/** @param {Console} console @param {string[]} texts */
const shows = (console, texts) => until(`the console to show ${texts}`,
  async () => JSON.stringify(await shown(console)) === JSON.stringify(texts), { ms: 15_000 });

/** @param {Console} console @param {string} text */
async function write(console, text) {
  await console.page.locator('#chat-text').fill(text);
  await console.page.keyboard.press('Enter');
}

/** The payloads of an event that a legacy client got. @param {import('./kit/legacy/client.js').LegacyClient} client @param {string} event */
const got = (client, event) => client.heard.named(event).map(({ args }) => args[0]);

test('what a console writes a Socket.IO client reads, and the other way round', async (t) => {
  const script = '<img src=x onerror="document.title=\'broken\'"><script>document.title="broken"</script>';
  const console = await openConsole(t, server, 'chat-console', 'chat', { name: 'Sari' });
  const legacy = await legacyUser(t, server, 'chat-legacy');
  const other = await legacyUser(t, server, 'chat-other');
  await legacy.enter('chat');
  await other.enter('chat');

  await write(console, 'Gate 1 is clear');
  await until('the event', async () => got(legacy, 'chat_message').length === 1);
  const { timestamp, ...said } = got(legacy, 'chat_message')[0];
  assert.deepEqual(said, { channel_id: 'chat', message_id: 1, user_id: 'chat-console', name: 'Sari', text: 'Gate 1 is clear' });
  assert.ok(Math.abs(timestamp - Date.now()) < 60_000);

  const sent = { channel_id: 'chat', id: 'a1', text: script };
  const answer = await legacy.call('chat_message', sent);
  assert.deepEqual({ ...answer, timestamp: 0 }, { status: 'ok', id: 'a1', message_id: 2, timestamp: 0 });
  assert.deepEqual(await legacy.call('chat_message', sent), answer, 'a repetition gets the same answer');
  await shows(console, ['Gate 1 is clear', script]);
  assert.notEqual(await console.page.title(), 'broken', 'it is text, whatever it looks like');
  await until('the other client', async () => got(other, 'chat_message').length === 2);
  assert.equal(got(other, 'chat_message')[1].name, displayName('chat-legacy'));
  assert.equal(got(legacy, 'chat_message').length, 1, 'who sends it has its answer, and no event');

  await legacy.emit('chat_typing', { channel_id: 'chat' });
  await until('the console to say who writes', async () =>
    (await console.page.locator('#chat-typing').textContent())?.includes(displayName('chat-legacy')) ?? false);
  await console.page.locator('#chat-text').pressSequentially('On my way');
  await until('the event of typing', async () => got(legacy, 'chat_typing').length > 0);
  assert.equal(got(legacy, 'chat_typing')[0].user_id, 'chat-console');
  await console.page.keyboard.press('Enter');
  await shows(console, ['Gate 1 is clear', script, 'On my way']);
  if (process.env.SUARA_SCREENSHOTS) await console.page.screenshot({ path: `${process.env.SUARA_SCREENSHOTS}/chat.png` });

  const page = await legacy.call('chat_history', { channel_id: 'chat', before: 3, limit: 1 });
  assert.deepEqual([page.status, page.more, page.channel_id], ['ok', true, 'chat']);
  assert.deepEqual(page.messages.map((/** @type {any} */ { text }) => text), [script]);
});

test('what makes no sense is refused in words, and what may not be is not', async (t) => {
  const legacy = await legacyUser(t, server, 'chat-bad');
  assert.equal((await legacy.call('chat_message', { text: 'x' })).msg, 'Belum bergabung ke channel');
  await legacy.enter('chat-bad');
  const bad = [{ text: 7 }, { text: '' }, {}, 'x', { text: 'x'.repeat(4001) }, { text: 'x', id: '' }, { text: { $gt: '' } }];
  for (const payload of bad) {
    const { status, msg } = await legacy.call('chat_message', payload);
    assert.equal(status, 'error');
    assert.ok(msg.length > 0, JSON.stringify(payload));
  }
  assert.equal((await legacy.call('chat_history', { limit: 'x' })).status, 'error');
  assert.equal((await legacy.call('chat_message', { text: 'still here' })).status, 'ok');
  const deaf = await legacyUser(t, server, 'chat-deaf', { channels: ['chat-bad:listen'] });
  await deaf.enter('chat-bad');
  assert.equal((await deaf.call('chat_message', { text: 'x' })).msg, 'Akses Ditolak');
  assert.equal((await deaf.call('chat_history', {})).messages.length, 1);
});

test('a console scrolls back through the history, and counts what it has not read', async (t) => {
  const legacy = await legacyUser(t, server, 'chat-long');
  await legacy.enter('chat-long');
  for (let n = 1; n <= 45; n++) {
    for (;;) {
      const { status } = await legacy.call('chat_message', { id: `n${n}`, text: `line ${n}` });
      if (status === 'ok') break;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const console = await openConsole(t, server, 'chat-reader', 'chat-long');
  const lines = (/** @type {number} */ from, /** @type {number} */ to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
  await shows(console, lines(16, 45));
  await console.page.locator('#chat-list').evaluate((list) => { list.scrollTop = 0; });
  await shows(console, lines(1, 45));
  await console.page.locator('#chat-list').evaluate((list) => { list.scrollTop = 0; });
  await legacy.call('chat_message', { text: 'news' });
  await until('the count', async () => (await console.page.locator('#chat-unread').textContent()) === '1');
  await console.page.locator('#chat-list').evaluate((list) => { list.scrollTop = list.scrollHeight; });
  await until('the count to end', async () => (await console.page.locator('#chat-unread').textContent()) === '');
});

test('after a loss of the server a console has what was said, once', async (t) => {
  const server = await startServer();
  t.after(() => server.stop('SIGINT'));
  const legacy = await legacyUser(t, server, 'chat-before');
  await legacy.enter('chat');
  await legacy.call('chat_message', { id: 'one', text: 'before' });
  await legacy.disconnect();
  await server.stop('SIGKILL');
  await server.start();
  const again = await legacyUser(t, server, 'chat-before');
  await again.enter('chat');
  const { message_id: number } = await again.call('chat_message', { id: 'one', text: 'before' });
  assert.equal(number, 1, 'the same message, on another day of the server');
  const console = await openConsole(t, server, 'chat-after', 'chat');
  await shows(console, ['before']);
});
