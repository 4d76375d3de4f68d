import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RoadMemory } from '../lib/memory.js';
import { HEAD_START_MS, RoadRace } from '../lib/roads/race.js';
import { WebSocketRoad } from '../lib/roads/websocket.js';
import { FakeRoad } from './fakes.js';
import { FakeClock, hex, settle } from './support.js';

/** @typedef {import('../lib/road.js').RoadKind} RoadKind */

/**
 * Two roads that open, fail or hang as told: after so many milliseconds, or never.
 * @param {Record<RoadKind, {opens?: number, fails?: number, deaf?: boolean}>} nature `deaf`: it opens though it was given up
 */
function country(nature, websocket = 'ws://gateway/v1/ws') {
  const clock = new FakeClock();
  /** @type {{kind: RoadKind, at: number}[]} */
  const tried = [];
  /** @type {FakeRoad[]} */
  const built = [];
  /** @type {RoadKind[]} */
  const aborted = [];
  /** @param {RoadKind} kind @returns {import('../lib/road.js').OpenRoad} */
  const opener = (kind) => (gateway, signal) => new Promise((resolve, reject) => {
    tried.push({ kind, at: clock.time });
    const { opens, fails, deaf } = nature[kind];
    signal.addEventListener('abort', () => {
      aborted.push(kind);
      if (!deaf) reject(signal.reason);
    });
    if (fails !== undefined) clock.after(() => reject(new Error(`${kind} fails`)), fails);
    if (opens === undefined) return;
    clock.after(() => {
      const road = new FakeRoad(clock);
      road.kind = kind;
      built.push(road);
      resolve(road);
    }, opens);
  });
  const roads = new RoadRace({
    clock, openers: { webtransport: opener('webtransport'), websocket: opener('websocket') },
    fetchConnect: async () => ({ url: 'https://gateway/v1/wt', hashes: [], websocket: websocket || null, node: null }),
  });
  const start = clock.time;
  const after = () => tried.map(({ kind, at }) => [kind, at - start]);
  return { clock, roads, after, built, aborted };
}

/** @param {Promise<import('../lib/road.js').Road>} opening @param {FakeClock} clock @param {number} ms */
async function within(clock, ms, opening) {
  const road = opening.then(({ kind }) => kind, (error) => String(error.message));
  await clock.advance(ms);
  return Promise.race([road, settle().then(() => 'nothing')]);
}

test('where UDP works nothing else is tried', async () => {
  const { clock, roads, after, built } = country({ webtransport: { opens: 300 }, websocket: { opens: 10 } });
  assert.equal(await within(clock, 310, roads.open('http://gateway')), 'webtransport');
  await clock.advance(10_000);
  assert.deepEqual(after(), [['webtransport', 0]]);
  assert.equal(built.length, 1);
});

test('where UDP is refused the WebSocket is opened at once', async () => {
  const { clock, roads, after } = country({ webtransport: { fails: 30 }, websocket: { opens: 10 } });
  assert.equal(await within(clock, 50, roads.open('http://gateway')), 'websocket');
  assert.deepEqual(after(), [['webtransport', 0], ['websocket', 30]]);
});

test('where UDP is swallowed the WebSocket is opened after 1.2 s, and the other given up', async () => {
  const { clock, roads, after, aborted } = country({ webtransport: {}, websocket: { opens: 10 } });
  assert.equal(await within(clock, HEAD_START_MS + 20, roads.open('http://gateway')), 'websocket');
  assert.deepEqual(after(), [['webtransport', 0], ['websocket', 1200]]);
  assert.ok(aborted.includes('webtransport'));
  assert.equal(HEAD_START_MS, 1200);
});

test('who comes second is closed: one road is open, never two', async () => {
  const { clock, roads, built } = country({ webtransport: { opens: 1500, deaf: true }, websocket: { opens: 290 } });
  assert.equal(await within(clock, 5000, roads.open('http://gateway')), 'websocket');
  assert.deepEqual(built.map(({ kind, closed }) => [kind, closed]), [['websocket', false], ['webtransport', true]]);
});

test('the winner of the last time goes first, and the other follows where it fails', async () => {
  const one = country({ webtransport: {}, websocket: { opens: 20 } });
  one.roads.preferred = 'websocket';
  assert.equal(await within(one.clock, 30, one.roads.open('http://gateway')), 'websocket');
  assert.deepEqual(one.after(), [['websocket', 0]]);
  const two = country({ webtransport: { opens: 50 }, websocket: { fails: 5 } });
  two.roads.preferred = 'websocket';
  assert.equal(await within(two.clock, 60, two.roads.open('http://gateway')), 'webtransport');
  assert.equal(two.roads.preferred, 'webtransport');
});

test('where both fail the first one’s fault is told, and a silent gateway is not waited for', async () => {
  const failing = country({ webtransport: { fails: 5 }, websocket: { fails: 5 } });
  assert.equal(await within(failing.clock, 20, failing.roads.open('http://gateway')), 'webtransport fails');
  const silent = country({ webtransport: {}, websocket: {} });
  assert.equal(await within(silent.clock, 9000, silent.roads.open('http://gateway')), 'the gateway does not answer');
});

test('a gateway without WebSockets is reached by WebTransport alone', async () => {
  const { clock, roads, after } = country({ webtransport: { opens: 3000 }, websocket: { opens: 1 } }, '');
  assert.equal(await within(clock, 4000, roads.open('http://gateway')), 'webtransport');
  assert.deepEqual(after(), [['webtransport', 0]]);
});

test('a network is remembered for half a day, and another is another', () => {
  const store = new Map();
  let [time, network] = [1e12, 'wifi'];
  const storage = /** @type {any} */ ({
    getItem: (/** @type {string} */ key) => store.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ value) => store.set(key, value),
  });
  const memory = new RoadMemory({ storage: () => storage, network: () => network, now: () => time });
  assert.equal(memory.recall('https://radio.example'), null);
  memory.note('https://radio.example/console', 'websocket');
  assert.equal(memory.recall('https://radio.example'), 'websocket');
  assert.equal(memory.recall('https://other.example'), null);
  network = 'cellular';
  assert.equal(memory.recall('https://radio.example'), null);
  network = 'wifi';
  time += 12 * 3600 * 1000;
  assert.equal(memory.recall('https://radio.example'), null);
});

test('where a page may store nothing, nothing is remembered and nothing fails', () => {
  const forbidden = new RoadMemory({ storage: () => { throw new Error('denied'); }, network: () => 'wifi' });
  forbidden.note('https://radio.example', 'websocket');
  assert.equal(forbidden.recall('https://radio.example'), null);
  const garbled = /** @type {any} */ ({ getItem: () => '{"road":"tunnel","until":1e99}' });
  assert.equal(new RoadMemory({ storage: () => garbled, network: () => '' }).recall('https://radio.example'), null);
});

/** A socket that a test holds the other end of. */
function socket() {
  /** @type {string[]} */
  const sent = [];
  /** @type {any} */
  const fake = { sent, bufferedAmount: 0, closed: false, send: (/** @type {Uint8Array} */ bytes) => sent.push(hex(bytes)) };
  fake.close = () => { fake.closed = true; };
  let time = 0;
  const road = new WebSocketRoad(fake, () => time);
  /** @type {string[]} */
  const heard = [];
  road.run({
    onControl: (message) => heard.push(`control ${hex(message)}`),
    onDatagram: (datagram) => heard.push(`datagram ${hex(datagram)}`),
    onClose: (reason) => heard.push(`closed ${reason}`),
  });
  const come = (/** @type {number[]} */ ...bytes) => fake.onmessage({ data: Uint8Array.from(bytes).buffer });
  return { fake, sent, road, heard, come, pass: (/** @type {number} */ ms) => { time += ms; } };
}

test('a WebSocket’s messages say what they carry', () => {
  const { sent, road, heard, come } = socket();
  road.sendControl(Uint8Array.of(0xaa));
  road.sendControl(Uint8Array.of(0xbb));
  road.sendDatagram(Uint8Array.of(0xcc, 0xdd));
  assert.deepEqual(sent, ['0101', '0100000001aa', '0100000001bb', '00ccdd']);
  come(1, 0, 0, 0);
  come(1, 2, 0xaa);
  come(0, 0xcc);
  come(9, 1);
  come();
  come(1, 0xbb, 0, 0, 0, 1, 0xee);
  assert.deepEqual(heard, ['datagram cc', 'control aabb', 'control ee']);
});

test('the end of the socket or of its control stream is told once', () => {
  const one = socket();
  one.come(1);
  one.fake.onclose({ reason: '', code: 1005 });
  assert.deepEqual(one.heard, ['closed the control stream ended']);
  assert.ok(one.fake.closed);
  const two = socket();
  two.fake.onclose({ reason: 'going_away', code: 4001 });
  assert.deepEqual(two.heard, ['closed going_away']);
  const three = socket();
  three.come(1, 0, 0, 0, 0);
  assert.equal(three.heard.length, 1);
});

test('voice that a stalled connection would deliver late is not sent, messages are', () => {
  const { fake, sent, road, pass } = socket();
  fake.bufferedAmount = 100;
  road.sendDatagram(Uint8Array.of(1));
  pass(120);
  road.sendDatagram(Uint8Array.of(2));
  pass(1);
  road.sendDatagram(Uint8Array.of(3));
  road.sendControl(Uint8Array.of(0xaa));
  fake.bufferedAmount = 0;
  road.sendDatagram(Uint8Array.of(4));
  assert.deepEqual(sent, ['0001', '0002', '0101', '0100000001aa', '0004']);
  assert.equal(road.stale, 1);
});

test('other streams have numbers of their own, and end with the gateway’s empty piece or with the socket', async () => {
  const { sent, road, come, fake } = socket();
  const read = async (/** @type {AsyncIterable<Uint8Array>} */ stream) => {
    const all = [];
    for await (const piece of stream) all.push(hex(piece));
    return all;
  };
  const [one, two] = [read(road.openStream(Uint8Array.of(3, 7))), read(road.openStream(Uint8Array.of(3, 8)))];
  await settle();
  assert.deepEqual(sent, ['020307', '02', '030308', '03']);
  come(3, 0xbb);
  come(2, 0xaa);
  come(2, 0xab);
  come(2);
  assert.deepEqual(await one, ['aa', 'ab']);
  const three = road.openStream(Uint8Array.of(3, 9));
  const first = three.next();
  await settle();
  assert.equal(sent[4], '020309');
  come(2, 0xcc);
  await first;
  await three.return();
  come(2, 0xcd);
  come(2);
  fake.onclose({ reason: '', code: 1006 });
  assert.deepEqual(await two, ['bb']);
});
