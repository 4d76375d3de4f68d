import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff, Livechat, plain } from '../suara-livechat.js';

class FakeClock {
  time = 1_000_000;
  /** @type {{at: number, what: () => void, id: number}[]} */ timers = [];
  id = 0;
  now = () => this.time;
  /** @param {() => void} what @param {number} ms */
  set = (what, ms) => { this.timers.push({ at: this.time + ms, what, id: ++this.id }); return this.id; };
  /** @param {any} id */
  clear = (id) => { this.timers = this.timers.filter((timer) => timer.id !== id); };

  /** @param {number} ms */
  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = Math.max(this.time, next.at);
      this.clear(next.id);
      next.what();
      await settle();
    }
    this.time = end;
    await settle();
  }
}

const settle = () => new Promise((resolve) => { setImmediate(resolve); });

/** A server in the test's hands. */
class Server {
  /** @type {any[]} */ sockets = [];
  sessions = 0;
  refuseSessions = false;

  constructor() {
    const server = this;
    this.WebSocket = class {
      /** @type {any[]} */ said = [];
      /** @type {any} */ onmessage = null;
      /** @type {any} */ onclose = null;
      /** @param {string} url */
      constructor(url) { this.url = new URL(url); server.sockets.push(this); }
      /** @param {string} frame */
      send(frame) { this.said.push(JSON.parse(frame)); }
      close() { this.closed = true; }
      /** @param {string} type @param {object} data */
      say(type, data) { this.onmessage({ data: JSON.stringify({ type, data }) }); }
      success(messages = /** @type {any[]} */ ([])) { this.say('connection:success', { sessionId: 's', messages }); }
      lose(code = 1006) { this.onclose({ code }); }
      sent() { return this.said.splice(0).map(({ data }) => data.text ?? null); }
    };
    this.fetch = /** @type {any} */ (async (/** @type {string} */ url, /** @type {any} */ { method, body }) => {
      assert.equal(method, 'POST');
      assert.equal(url, 'https://radio.example/livechat/session');
      this.sessions += 1;
      const { name } = JSON.parse(body);
      const session = { sessionToken: `token-${this.sessions}-${name}`, sessionId: 's', expiresAt: 2_000_000 };
      return { ok: !this.refuseSessions, status: this.refuseSessions ? 429 : 201, json: async () => session };
    });
  }

  get last() { return this.sockets.at(-1); }
}

/** @param {object} [options] */
function scene(options = {}) {
  const clock = new FakeClock();
  const server = new Server();
  let ids = 0;
  const chat = new Livechat({
    url: 'https://radio.example', name: 'Budi', clock, fetch: server.fetch, WebSocket: /** @type {any} */ (server.WebSocket),
    random: () => 1, newId: () => `id-${++ids}`, ...options,
  });
  /** @type {[string, any][]} */
  const heard = [];
  for (const event of ['state', 'message', 'sent', 'typing', 'error', 'ready']) chat.on(event, (data) => heard.push([event, data]));
  const texts = () => heard.filter(([event]) => event === 'message' || event === 'sent').map(([, data]) => data.text);
  return { chat, clock, server, heard, texts };
}

test('the wait doubles up to half a minute, and is spread over all of it', () => {
  const longest = Array.from({ length: 9 }, (_, failures) => backoff(failures, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  assert.equal(backoff(4, () => 0), 0);
  assert.equal(backoff(4, () => 0.5), 4000);
});

test('it gets a session by name and opens it by its token', async () => {
  const { chat, server } = scene();
  chat.connect();
  chat.connect();
  await settle();
  assert.equal(server.sockets.length, 1);
  assert.equal(server.last.url.href, 'wss://radio.example/livechat/ws?token=token-1-Budi');
  assert.equal(chat.state, 'connecting');
  server.last.success([{ from: 'Penyiar A', text: 'Halo', messageId: 1, staff: true }]);
  assert.equal(chat.state, 'open');
});

test('a message is done when it is acknowledged, and not before', async () => {
  const { chat, server } = scene();
  chat.connect();
  await settle();
  server.last.success();
  let done = null;
  chat.send('Request lagu').then((ack) => { done = ack; });
  assert.deepEqual(server.last.said[0], { type: 'message:send', data: { id: 'id-1', text: 'Request lagu' } });
  await settle();
  assert.equal(done, null);
  server.last.say('message:ack', { id: 'id-1', messageId: 1, timestamp: 5 });
  await settle();
  assert.deepEqual(done, { id: 'id-1', messageId: 1, timestamp: 5 });
});

test('what was not acknowledged is sent again under the same id, in order, after a loss', async () => {
  const { chat, clock, server } = scene();
  chat.connect();
  await settle();
  server.last.success();
  const [one, two, three] = ['one', 'two', 'three'].map((text) => chat.send(text));
  server.last.say('message:ack', { id: 'id-1', messageId: 1, timestamp: 1 });
  await one;
  server.last.lose();
  assert.equal(chat.state, 'waiting');
  const four = chat.send('four');
  await clock.advance(500);
  assert.equal(server.sockets.length, 2);
  assert.equal(server.last.url.searchParams.get('after'), '1');
  server.last.success();
  assert.deepEqual(server.last.said.map((/** @type {any} */ frame) => frame.data.id), ['id-2', 'id-3', 'id-4']);
  for (const [at, id] of ['id-2', 'id-3', 'id-4'].entries()) server.last.say('message:ack', { id, messageId: at + 2, timestamp: 1 });
  await Promise.all([two, three, four]);
});

test('without an acknowledgement it is sent again on the same connection', async () => {
  const { chat, clock, server } = scene();
  chat.connect();
  await settle();
  server.last.success();
  chat.send('one');
  assert.deepEqual(server.last.sent(), ['one']);
  await clock.advance(5000);
  assert.deepEqual(server.last.sent(), ['one']);
  server.last.say('message:ack', { id: 'id-1', messageId: 1, timestamp: 1 });
  await clock.advance(60_000);
  assert.deepEqual(server.last.sent(), []);
});

test('it comes back with waits that grow, and start over after a stable connection', async () => {
  const { chat, clock, server } = scene();
  chat.connect();
  await settle();
  for (const wait of [500, 1000, 2000]) {
    const before = server.sockets.length;
    server.last.success();
    server.last.lose();
    await clock.advance(wait - 1);
    assert.equal(server.sockets.length, before);
    await clock.advance(1);
    assert.equal(server.sockets.length, before + 1);
  }
  server.last.success();
  await clock.advance(10_000);
  server.last.lose();
  await clock.advance(500);
  assert.equal(server.sockets.length, 5);
});

test('what is told again after a reconnection is shown once', async () => {
  const { chat, clock, server, texts } = scene();
  chat.connect();
  await settle();
  server.last.success([{ text: 'a', messageId: 1, staff: true }]);
  server.last.say('message:receive', { from: 'P', text: 'b', messageId: 2 });
  server.last.lose();
  await clock.advance(500);
  server.last.success([{ text: 'b', messageId: 2, staff: true }, { text: 'c', messageId: 3, staff: true }]);
  server.last.say('message:receive', { from: 'P', text: 'c', messageId: 3 });
  assert.deepEqual(texts(), ['a', 'b', 'c']);
});

test('a message that was stored before the loss is not shown as another one', async () => {
  const { chat, clock, server, texts } = scene();
  chat.connect();
  await settle();
  server.last.success();
  const sent = chat.send('a < b');
  server.last.lose();
  await clock.advance(500);
  server.last.success([{ text: 'a &lt; b', messageId: 1, staff: false }]);
  server.last.say('message:ack', { id: 'id-1', messageId: 1, timestamp: 1 });
  await sent;
  assert.deepEqual(texts(), []);
  server.last.say('message:sent', { text: 'another tab', messageId: 2 });
  assert.deepEqual(texts(), ['another tab']);
});

test('what is safe in HTML can be had as it was said', () => {
  assert.equal(plain('&lt;b&gt; &amp;amp; &quot;x&quot; &#x27;y&#x27;'), `<b> &amp; "x" 'y'`);
});

test('an answer of a server that numbers nothing is shown', async () => {
  const { chat, server, texts } = scene();
  chat.connect();
  await settle();
  server.last.success();
  server.last.say('message:receive', { from: 'Penyiar A', text: 'Terima kasih' });
  server.last.say('message:receive', { from: 'Penyiar A', text: 'Terima kasih' });
  assert.deepEqual(texts(), ['Terima kasih', 'Terima kasih']);
});

test('what came too fast is sent again later', async () => {
  const { chat, clock, server, heard } = scene();
  chat.connect();
  await settle();
  server.last.success();
  chat.send('one');
  server.last.sent();
  server.last.say('error:rate_limited', { message: 'too fast', id: 'id-1' });
  assert.equal(heard.at(-1)?.[1].kind, 'rate_limited');
  await clock.advance(1999);
  assert.deepEqual(server.last.sent(), []);
  await clock.advance(1);
  assert.deepEqual(server.last.sent(), ['one']);
});

test('a message that can never be stored is given back', async () => {
  const { chat, server } = scene();
  chat.connect();
  await settle();
  server.last.success();
  const sent = chat.send(' ');
  server.last.say('error:invalid_payload', { message: 'text is empty', id: 'id-1' });
  await assert.rejects(sent, /text is empty/);
});

test('a session that has ended is replaced by a new one, under which nothing is lost', async () => {
  const { chat, clock, server } = scene();
  chat.connect();
  await settle();
  server.last.success();
  chat.send('one');
  server.last.say('error:invalid_token', { message: 'ended' });
  server.last.lose(1008);
  await clock.advance(4000);
  assert.equal(server.sessions, 2);
  assert.equal(server.last.url.searchParams.get('token'), 'token-2-Budi');
  server.last.success();
  assert.deepEqual(server.last.sent(), ['one']);
});

test('one that was given its session gives up when that has ended', async () => {
  const session = { sessionToken: 't', sessionId: 's', expiresAt: 9_000_000 };
  const { chat, clock, server } = scene({ name: undefined, session });
  chat.connect();
  await settle();
  server.last.success();
  server.last.say('error:invalid_token', { message: 'ended' });
  server.last.lose(1008);
  await clock.advance(60_000);
  assert.equal(chat.state, 'refused');
  assert.equal(server.sockets.length, 1);
});

test('a session is remembered where there is a storage', async () => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  const storage = {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => { kept.set(key, value); },
    removeItem: (/** @type {string} */ key) => { kept.delete(key); },
  };
  const first = scene({ storage });
  first.chat.connect();
  await settle();
  const second = scene({ storage });
  second.chat.connect();
  await settle();
  assert.equal(second.server.sessions, 0);
  assert.equal(second.server.last.url.searchParams.get('token'), 'token-1-Budi');
  // Handshakes that fail again and again may be for the token's sake.
  second.server.last.lose();
  await second.clock.advance(500);
  second.server.last.lose();
  await second.clock.advance(1000);
  assert.equal(second.server.sessions, 1);
});

test('a server that gives no session is asked again, later and later', async () => {
  const { chat, clock, server, heard } = scene();
  server.refuseSessions = true;
  chat.connect();
  await settle();
  assert.equal(server.sessions, 1);
  assert.equal(heard.find(([event]) => event === 'error')?.[1].kind, 'session');
  await clock.advance(500);
  assert.equal(server.sessions, 2);
  await clock.advance(1000);
  assert.equal(server.sessions, 3);
});

test('signs of typing are few, and none without a connection', async () => {
  const { chat, clock, server } = scene();
  chat.typing();
  chat.connect();
  await settle();
  server.last.success();
  for (let at = 0; at < 50; at += 1) { chat.typing(); await clock.advance(100); }
  const typed = server.last.said.filter((/** @type {any} */ frame) => frame.type === 'user:typing');
  assert.equal(typed.length, 3);
});

test('frames that mean nothing are ignored', async () => {
  const { chat, server, texts } = scene();
  chat.connect();
  await settle();
  for (const data of ['not JSON', '[]', 'null', '7', '{}', '{"type":"quantum:chat","data":{}}']) server.last.onmessage({ data });
  server.last.success();
  assert.equal(chat.state, 'open');
  assert.deepEqual(texts(), []);
});

test('closed, it stays closed, and keeps what was not acknowledged for the next time', async () => {
  const { chat, clock, server } = scene();
  chat.connect();
  await settle();
  server.last.success();
  chat.send('one');
  chat.close();
  server.last.onclose({ code: 1000 });
  await clock.advance(120_000);
  assert.equal(server.sockets.length, 1);
  chat.connect();
  await settle();
  server.last.success();
  assert.deepEqual(server.last.sent(), ['one']);
});
