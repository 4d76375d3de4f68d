/** What a legacy client is answered, and that a bad one costs nobody anything. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { speech } from './kit/audio.js';
import { legacyClient } from './kit/legacy/index.js';
import { assertHeard, assertHeardBytes, legacyUser, word } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { sleep } from './kit/wait.js';
import { fixedChunks, toBytes } from './kit/wav.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/legacy/index.js').Kind} Kind */
/** @typedef {import('./kit/legacy/index.js').ConnectOptions} ConnectOptions */

/** The server takes a token for this long after its end: clocks differ. */
const LEEWAY_MS = 5000;
/** More than a second of the widest PCM: no recorder makes such a chunk. */
const OVERSIZED_BYTES = 100_000;

const everyKind = /** @type {Kind[]} */ (['js4', 'js3', 'js2', 'python', 'java', 'java1']);
const bothNamespaces = /** @type {('/' | '/ptt')[]} */ (['/', '/ptt']);
const isEngine3 = (/** @type {Kind} */ kind) => kind === 'js2' || kind === 'java1';

const server = await sharedServer();
const expired = { token: await server.token({ user: 'yesterday', ttl: '1s' }), at: Date.now() + 1000 };

/** @param {T} t @param {string} user @param {import('./kit/scene.js').Who & ConnectOptions} [how] */
const client = (t, user, how) => legacyUser(t, server, user, how);

describe('log-in', { concurrency: 2 }, () => {
  for (const kind of everyKind) {
    for (const namespace of isEngine3(kind) ? [bothNamespaces[0]] : bothNamespaces) {
      /** @param {T} t @param {ConnectOptions} options */
      const assertRefused = async (t, options) => {
        const refused = legacyClient(kind);
        t.after(() => refused.disconnect());
        const outcome = await refused.connect(server.legacyUrl, { namespace, ...options });
        assert.deepEqual(outcome, { connected: false, message: 'Autentikasi Gagal' });
      };

      test(`${kind} on ${namespace}: a wrong token is refused`, (t) => assertRefused(t, { token: 'nonsense' }));

      test(`${kind} on ${namespace}: no token is refused`, (t) => assertRefused(t, { authMode: 'none' }));

      test(`${kind} on ${namespace}: a forged token is refused`, async (t) => {
        const [head, claims, signature] = (await server.token({ user: 'mallory' })).split('.');
        const more = { ...JSON.parse(Buffer.from(claims, 'base64url').toString()), sub: 'admin' };
        const forged = [head, Buffer.from(JSON.stringify(more)).toString('base64url'), signature].join('.');
        await assertRefused(t, { token: forged });
      });

      test(`${kind} on ${namespace}: an expired token is refused`, async (t) => {
        await sleep(expired.at + LEEWAY_MS + 1500 - Date.now());
        await assertRefused(t, { token: expired.token });
      });
    }
  }

  test('a client without an auth payload may give its token in the query', async (t) => {
    const listener = await client(t, 'quintus', { authMode: 'query', transports: ['websocket'] });
    await listener.enter('query');
  });
});

describe('join_channel', { concurrency: 2 }, () => {
  for (const kind of everyKind) {
    test(`${kind}: a channel that the token does not name is refused`, async (t) => {
      const guard = await client(t, `denied-${kind}`, { kind, channels: ['ops*:talk,listen'] });
      assert.deepEqual(await guard.join('vault'), { status: 'error', msg: 'Akses Ditolak' });
      assert.deepEqual(await guard.join('ops-denied'), { status: 'ok', channel: 'ops-denied' });
    });

    test(`${kind}: a number comes back as a number`, async (t) => {
      const guard = await client(t, `number-${kind}`, { kind });
      assert.deepEqual(await guard.join(4711), { status: 'ok', channel: 4711 });
      assert.deepEqual(await guard.join('4712'), { status: 'ok', channel: '4712' });
    });
  }

  const malformed = {
    'no payload': [],
    null: [null],
    'a number': [5],
    text: ['malformed'],
    'a list': [['malformed']],
    'no channel_id': [{ channel: 'malformed' }],
    'channel_id null': [{ channel_id: null }],
    'channel_id an object': [{ channel_id: { name: 'malformed' } }],
    'channel_id true': [{ channel_id: true }],
    'an empty channel_id': [{ channel_id: '' }],
    'a very long channel_id': [{ channel_id: 'x'.repeat(5000) }],
    'an unknown codec': [{ channel_id: 'malformed', codec: 'mp3' }],
    'a senseless rate': [{ channel_id: 'malformed', sample_rate: -16000 }],
    'binary': [Buffer.from('malformed')],
  };
  for (const [what, args] of Object.entries(malformed)) {
    test(`malformed (${what}): an error, and the client goes on`, async (t) => {
      const guard = await client(t, 'clumsy');
      const answer = await guard.call('join_channel', ...args);
      assert.equal(answer?.status, 'error', JSON.stringify(answer));
      assert.equal(typeof answer.msg, 'string');
      assert.ok(answer.msg.length > 0 && !('channel' in answer), JSON.stringify(answer));
      await guard.emit('join_channel', ...args);
      await guard.enter('malformed-after');
    });
  }

  test('a client that wants no answer still joins', async (t) => {
    const [talker, listener] = [await client(t, 'terse'), await client(t, 'ear')];
    await listener.enter('terse');
    await talker.emit('join_channel', { channel_id: 'terse' });
    await assertHeard(talker, listener);
  });
});

describe('namespaces and transports', { concurrency: 2 }, () => {
  for (const [from, to] of [bothNamespaces, [...bothNamespaces].reverse()]) {
    test(`a talker on ${from} is heard on ${to}`, async (t) => {
      const talker = await client(t, 'sender', { namespace: from });
      const listener = await client(t, 'receiver', { namespace: to });
      const channel = `from-${from.slice(1)}-to-${to.slice(1)}`;
      await talker.enter(channel);
      await listener.enter(channel);
      await assertHeard(talker, listener);
    });
  }

  for (const kind of /** @type {Kind[]} */ (['js4', 'js3', 'python', 'java'])) {
    for (const transport of /** @type {('polling' | 'websocket')[]} */ (['polling', 'websocket'])) {
      test(`${kind} talks and hears over ${transport} alone`, async (t) => {
        const one = await client(t, 'one', { kind, transports: [transport] });
        const other = await client(t, 'other', { transports: ['websocket'] });
        const channel = `${kind}-over-${transport}`;
        await one.enter(channel);
        await other.enter(channel);
        await assertHeard(one, other);
        await sleep(1000);
        await assertHeard(other, one);
        assert.equal(await one.transport(), transport);
      });
    }

    test(`${kind} begins with polling and goes over to websocket`, async (t) => {
      const one = await client(t, 'climber', { kind });
      const other = await client(t, 'anchor');
      await one.enter(`${kind}-upgrade`);
      await other.enter(`${kind}-upgrade`);
      await assertHeard(one, other);
      assert.equal(await one.transport(), 'websocket');
    });
  }
});

describe('voice', () => {
  test('without a join is dropped and counted, and nobody hears it', async (t) => {
    const [stranger, listener] = [await client(t, 'stranger'), await client(t, 'member')];
    await listener.enter('unjoined');
    const before = await server.dropped(/not_joined|no_channel/);
    const said = await word();
    await stranger.say(said);
    await server.expectDropped(/not_joined|no_channel/, before, fixedChunks(toBytes(said.samples).length, 640).length);
    assert.deepEqual([listener.heard.chunks, stranger.heard.events], [[], []]);
    await stranger.enter('unjoined');
    await assertHeard(stranger, listener);
  });

  test('that is oversized is dropped and counted, and the client talks on', async (t) => {
    const [shouter, listener] = [await client(t, 'shouter'), await client(t, 'listener')];
    await shouter.enter('oversized');
    await listener.enter('oversized');
    const before = await server.dropped(/large|size/);
    await shouter.emit('voice_packet', Buffer.alloc(OVERSIZED_BYTES, 1));
    await server.expectDropped(/large|size/, before, 1);
    await assertHeard(shouter, listener);
  });

  test('that is no binary is ignored, and the client talks on', async (t) => {
    const [odd, listener] = [await client(t, 'odd'), await client(t, 'listener')];
    await odd.enter('nonsense');
    await listener.enter('nonsense');
    const nonsense = [[], ['text'], [null], [{ data: [1, 2] }], [42], [Buffer.alloc(0)]];
    for (const args of nonsense) await odd.emit('voice_packet', ...args);
    await odd.emit('no_such_event', { any: 'thing' });
    await assertHeard(odd, listener);
  });

  test('of a member that may only listen is not heard', async (t) => {
    const mute = await client(t, 'mute', { channels: ['ears:listen'] });
    const listener = await client(t, 'listener');
    await mute.enter('ears');
    await listener.enter('ears');
    await mute.say(await word());
    await listener.heard.silence();
    assert.equal(listener.heard.chunks.length, 0);
    await sleep(800);
    await assertHeard(listener, mute);
  });

  test('is not heard by its own talker', async (t) => {
    const [talker, listener] = [await client(t, 'narcissus'), await client(t, 'echo')];
    await talker.enter('mirror');
    await listener.enter('mirror');
    await assertHeard(talker, listener);
    assert.equal(talker.heard.chunks.length, 0);
  });
});

describe('several channels', () => {
  test('a client hears each that it joined and talks in the one joined last', async (t) => {
    const [both, first, second] = [await client(t, 'both'), await client(t, 'first'), await client(t, 'second')];
    await first.enter('one-of-two');
    await second.enter('two-of-two');
    await both.enter('one-of-two');
    await both.enter('two-of-two');
    await assertHeard(first, both);
    assert.equal(both.heard.chunks[0].sender.channel_id, 'one-of-two');
    await assertHeard(second, both);
    assert.equal(both.heard.chunks[0].sender.channel_id, 'two-of-two');
    await sleep(800);
    first.heard.clear();
    await assertHeard(both, second);
    assert.equal(first.heard.chunks.length, 0);
  });

  test('one who left a channel neither hears it nor is heard there', async (t) => {
    const [leaver, stayer] = [await client(t, 'leaver'), await client(t, 'stayer')];
    await leaver.enter('goodbye');
    await stayer.enter('goodbye');
    await assertHeard(leaver, stayer);
    assert.equal((await leaver.leave('goodbye'))?.status, 'ok');
    leaver.heard.clear();
    stayer.heard.clear();
    await leaver.say(await word());
    await stayer.say(await word());
    await stayer.heard.silence();
    assert.deepEqual([leaver.heard.chunks, stayer.heard.chunks], [[], []]);
  });

  test('the number and the text name the same channel', async (t) => {
    const [number, text] = [await client(t, 'number'), await client(t, 'text')];
    await number.enter(815);
    await text.enter('815');
    await assertHeard(number, text);
    assert.equal(String(text.heard.chunks[0].sender.channel_id), '815');
  });
});

describe('the floor', () => {
  test('belongs to one at a time: who talks into another is denied once and not heard', async (t) => {
    const [talker, intruder, listener] = [await client(t, 'talker'), await client(t, 'intruder'), await client(t, 'third')];
    for (const member of [talker, intruder, listener]) await member.enter('busy');
    const long = await speech('dispatch');
    const talking = talker.say(long);
    await sleep(1500);
    await intruder.say({ ...long, samples: long.samples.slice(0, 2 * long.rate) });
    await talking;
    await assertHeardBytes(listener, toBytes(long.samples));
    assert.equal(intruder.heard.named('floor_denied').length, 1);
    await sleep(1500);
    await assertHeard(intruder, listener);
  });
});
