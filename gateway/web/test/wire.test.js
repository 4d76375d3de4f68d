import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fetchConnect, readConnect } from '../lib/wire/connect.js';
import { ClockError, decodeClock, encodeClock } from '../lib/wire/clock.js';
import { decodeEntry, encodeEntry, EntryError } from '../lib/wire/entry.js';
import { decodeFloor, encodeFloor, FloorError } from '../lib/wire/floor.js';
import { FrameError, FrameSplitter, join } from '../lib/wire/frames.js';
import { decodeMessage, encodeMessage } from '../lib/wire/messages.js';
import { ticks } from '../lib/wire/opus.js';
import { readPiece, writePiece } from '../lib/wire/pieces.js';
import { decodeReport, encodeReport, ReportError } from '../lib/wire/report.js';
import { decode, encode, VoiceError } from '../lib/wire/voice.js';
import { bytes, hex, seeded, vectors } from './support.js';

for (const { name, hex: wire, fields } of vectors('voice').good) {
  test(`voice: ${name}`, () => {
    const frame = decode(bytes(wire));
    const { start, end, talkAhead, redundant, packet, ...numbers } = frame;
    assert.deepEqual({
      flags: { start, end, talk_ahead: talkAhead }, ...numbers, redundant: redundant.map(hex), packet: hex(packet),
    }, fields);
    assert.equal(hex(encode(frame)), wire);
  });
}

for (const { name, hex: wire, error } of vectors('voice').bad) {
  test(`voice, bad: ${name}`, () => {
    assert.throws(() => decode(bytes(wire)), (thrown) => thrown instanceof VoiceError && thrown.fault === error);
  });
}

for (const { name, hex: wire, fields } of vectors('report').good) {
  test(`report: ${name}`, () => {
    assert.deepEqual(decodeReport(bytes(wire)), fields);
    assert.equal(hex(encodeReport(fields)), wire);
  });
}

for (const { name, hex: wire, error } of vectors('report').bad) {
  test(`report, bad: ${name}`, () => {
    assert.throws(() => decodeReport(bytes(wire)), (thrown) => thrown instanceof ReportError && thrown.fault === error);
  });
}

for (const { name, hex: wire, fields } of vectors('floor').good) {
  test(`floor: ${name}`, () => {
    assert.deepEqual(decodeFloor(bytes(wire)), fields);
    assert.equal(hex(encodeFloor(fields)), wire);
  });
}

for (const { name, hex: wire, error } of vectors('floor').bad) {
  test(`floor, bad: ${name}`, () => {
    assert.throws(() => decodeFloor(bytes(wire)), (thrown) => thrown instanceof FloorError && thrown.fault === error);
  });
}

for (const { name, hex: wire, fields } of vectors('clock').good) {
  test(`clock: ${name}`, () => {
    assert.deepEqual(decodeClock(bytes(wire)), fields);
    assert.equal(hex(encodeClock(fields)), wire);
  });
}

for (const { name, hex: wire, fields } of vectors('entry').good) {
  test(`entry: ${name}`, () => {
    assert.deepEqual(decodeEntry(bytes(wire)), fields);
    assert.equal(hex(encodeEntry(fields)), wire);
  });
}

for (const { name, hex: wire, error } of vectors('entry').bad) {
  test(`entry, bad: ${name}`, () => {
    assert.throws(() => decodeEntry(bytes(wire)), (thrown) => thrown instanceof EntryError && thrown.fault === error);
  });
}

for (const { name, hex: wire, error } of vectors('clock').bad) {
  test(`clock, bad: ${name}`, () => {
    assert.throws(() => decodeClock(bytes(wire)), (thrown) => thrown instanceof ClockError && thrown.fault === error);
  });
}

test('a voice datagram is read the same wherever it lies in a buffer', () => {
  const wire = bytes(vectors('voice').good[0].hex);
  const shifted = new Uint8Array(wire.length + 7);
  shifted.set(wire, 5);
  assert.deepEqual(decode(shifted.subarray(5, 5 + wire.length)), decode(wire));
});

test('any bytes are either a frame that encodes to the same bytes, or a named error', () => {
  const random = seeded(1);
  const good = vectors('voice').good.map((/** @type {{hex: string}} */ entry) => bytes(entry.hex));
  for (let i = 0; i < 20_000; i++) {
    const wire = good[Math.floor(random() * good.length)].slice(0, 200);
    for (let k = 0; k < 3; k++) wire[Math.floor(random() * wire.length)] = Math.floor(random() * 256);
    const cut = wire.subarray(0, Math.floor(random() * (wire.length + 1)));
    try {
      assert.equal(hex(encode(decode(cut))), hex(cut));
    } catch (error) {
      if (!(error instanceof VoiceError)) throw error;
    }
  }
});

test('the length of an Opus packet follows from its first bytes', () => {
  assert.equal(ticks(bytes('48')), 960);
  assert.equal(ticks(bytes('58')), 2880);
  assert.equal(ticks(bytes('e0')), 120);
  assert.equal(ticks(bytes('e1')), 240);
  assert.equal(ticks(bytes('fb03')), 2880);
  for (const bad of ['', '4b', '4b00', '59']) assert.equal(ticks(bytes(bad)), 0);
});

for (const { name, hex: wire, datagram, stream, piece } of vectors('websocket').good) {
  test(`pieces: ${name}`, () => {
    const meaning = datagram === undefined ? { stream, piece: bytes(piece) } : { datagram: bytes(datagram) };
    assert.deepEqual(readPiece(bytes(wire)), meaning);
    assert.equal(hex(writePiece(meaning)), wire);
  });
}

for (const { name, hex: wire } of vectors('websocket').bad) {
  test(`pieces, bad: ${name}`, () => assert.equal(readPiece(bytes(wire)), null));
}

for (const { name, limit, chunks, messages, rest } of vectors('frames').good) {
  test(`framing: ${name}`, () => {
    const splitter = new FrameSplitter(limit);
    const found = chunks.flatMap((/** @type {string} */ chunk) => [...splitter.push(bytes(chunk))].map(hex));
    assert.deepEqual(found, messages);
    assert.equal(splitter.filled, rest);
  });
}

for (const { name, limit, chunks, messages, error } of vectors('frames').bad) {
  test(`framing, bad: ${name}`, () => {
    const splitter = new FrameSplitter(limit);
    /** @type {string[]} */
    const found = [];
    assert.throws(() => {
      for (const chunk of chunks) for (const message of splitter.push(bytes(chunk))) found.push(hex(message));
    }, (thrown) => thrown instanceof FrameError && thrown.fault === error);
    assert.deepEqual(found, messages);
  });
}

test('framing survives chunks of any size', () => {
  const random = seeded(2);
  const sent = Array.from({ length: 300 }, () => new Uint8Array(1 + Math.floor(random() ** 4 * 20_000)).fill(7));
  const stream = Buffer.concat(sent.map(join));
  const splitter = new FrameSplitter();
  const lengths = [];
  for (let at = 0; at < stream.length;) {
    const next = Math.min(stream.length, at + 1 + Math.floor(random() * 9000));
    for (const message of splitter.push(stream.subarray(at, next))) lengths.push(message.length);
    at = next;
  }
  assert.deepEqual(lengths, sent.map((message) => message.length));
});

// Trunks' messages, and answers to what this client doesn't ask.
const NOT_OURS = ['attached', 'detached', 'verified', 'notified', 'visitor_session', 'guest_session', 'replaying'];

const messages = vectors('messages');
for (const { name, direction, json, canonical } of messages.good) {
  if (direction !== 'server') continue;
  test(`message from the gateway: ${name}`, () => {
    const read = decodeMessage(new TextEncoder().encode(json));
    const { type } = JSON.parse(canonical);
    if (NOT_OURS.includes(type)) assert.equal(read, undefined);
    else assert.equal(read?.type, type);
  });
}

test('a message of a type that is not known is ignored', () => {
  assert.equal(decodeMessage(new TextEncoder().encode('{"type":"quantum_floor"}')), undefined);
});

test('what we say is said as the vectors say it', () => {
  const said = messages.good.filter((/** @type {any} */ entry) => entry.direction === 'client')
    .map((/** @type {any} */ entry) => entry.canonical);
  for (const canonical of said) {
    assert.equal(new TextDecoder().decode(encodeMessage(JSON.parse(canonical))), canonical);
  }
});

test('the connect document is read, and what is unknown in it ignored', () => {
  const value = Buffer.alloc(32, 9).toString('base64');
  const read = readConnect({
    protocol: 'suara/1', websocket: {},
    webtransport: { url: 'https://h/v1/wt', certificate_hashes: [{ algorithm: 'sha-256', value }, { algorithm: 'sha-512' }] },
  }, 'https://h/api/connect');
  assert.equal(read.url, 'https://h/v1/wt');
  assert.equal(read.websocket, null);
  assert.deepEqual(read.hashes.map((hash) => hash.algorithm), ['sha-256']);
  assert.deepEqual(readConnect({ protocol: 'suara/1', webtransport: { url: 'https://h/' } }, 'https://h').hashes, []);
  assert.throws(() => readConnect({ protocol: 'suara/2', webtransport: { url: 'https://h/' } }, 'https://h'));
  assert.throws(() => readConnect(null, 'https://h'));
});

test('a gateway that is to be left is told so, and what leads there all the same isn’t taken', async (t) => {
  /** @type {string[]} */
  const asked = [];
  let document = {};
  t.mock.method(globalThis, 'fetch', async (/** @type {URL} */ at) => {
    asked.push(at.search);
    return Response.json({ protocol: 'suara/1', webtransport: { url: 'https://h/v1/wt' }, ...document });
  });
  const ask = (/** @type {import('../lib/wire/connect.js').Leaving} */ leaving) =>
    fetchConnect('http://h', AbortSignal.timeout(1000), leaving).then(({ node }) => node, () => 'refused');
  const leaving = { node: 'a', avoid: ['https://h/v1/wt'] };
  document = { node: 'b' };
  assert.equal(await ask(leaving), 'b', 'at the same address, it is another one');
  document = { node: 'a' };
  assert.equal(await ask(leaving), 'refused');
  document = {};
  assert.equal(await ask(leaving), 'refused', 'an older one, at that address');
  assert.equal(await ask({ node: 'a', avoid: ['https://other/v1/wt'] }), null);
  assert.equal(await ask({}), null);
  assert.deepEqual(asked, ['?not=a', '?not=a', '?not=a', '?not=a', '']);
});

test('the WebSocket’s address is relative to the document’s, and as secure', () => {
  const socket = (/** @type {string} */ url, /** @type {string} */ at) => readConnect(
    { protocol: 'suara/1', webtransport: { url: 'https://h/' }, websocket: { url } }, at).websocket;
  assert.equal(socket('/v1/ws', 'https://radio.example/api/connect'), 'wss://radio.example/v1/ws');
  assert.equal(socket('/v1/ws', 'http://127.0.0.1:8080/api/connect'), 'ws://127.0.0.1:8080/v1/ws');
  assert.equal(socket('wss://other.example/v1/ws', 'http://h/api/connect'), 'wss://other.example/v1/ws');
});
