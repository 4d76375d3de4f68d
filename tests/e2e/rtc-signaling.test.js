/** The messages of the RTC contract: each as it is documented, and each fault by its name. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sumOf } from './kit/metrics.js';
import { OPUS, producing } from './kit/rtc/produce.js';
import { rtcSocket, rtcUser } from './kit/rtc/socket.js';
import { legacyUser } from './kit/scene.js';
import { sharedServer, startServer } from './kit/server.js';
import { until } from './kit/wait.js';

const server = await sharedServer();

const FINGERPRINT = { algorithm: 'sha-256', value: Array(32).fill('AB').join(':') };

describe('the documented messages', () => {
  test('welcome says who one is and what the router can', async (t) => {
    const { welcome } = await rtcUser(t, server, 'doc-1', 'doc');
    assert.match(welcome.peerId, /^\S+$/);
    assert.deepEqual(welcome.producers, []);
    const [codec, ...others] = welcome.routerRtpCapabilities.codecs;
    assert.deepEqual([codec.kind, codec.mimeType, codec.clockRate, codec.channels], ['audio', 'audio/opus', 48000, 2]);
    assert.deepEqual(others, []);
  });

  test('ping is answered by pong with the time, and an id is repeated', async (t) => {
    const { socket } = await rtcUser(t, server, 'doc-2', 'doc');
    const before = Date.now();
    socket.send('ping');
    const { data, id } = await socket.next('pong');
    assert.ok(data.timestamp >= before - 1000 && data.timestamp <= Date.now() + 1000);
    assert.equal(id, undefined);
    const answer = await socket.ask('ping');
    assert.equal(answer.type, 'pong');
  });

  test('a broadcast reaches all others of the channel, unchanged', async (t) => {
    const [one, two, elsewhere] = [
      await rtcUser(t, server, 'cast-1', 'cast'),
      await rtcUser(t, server, 'cast-2', 'cast'),
      await rtcUser(t, server, 'cast-3', 'elsewhere'),
    ];
    one.socket.send('broadcast', { text: 'halo', nested: [1, { two: 2 }] });
    const heard = await two.socket.next('broadcast');
    assert.deepEqual(heard.data, { text: 'halo', nested: [1, { two: 2 }] });
    assert.equal(heard.from, one.welcome.peerId);
    await elsewhere.socket.ask('ping');
    await one.socket.ask('ping');
    for (const { socket } of [one, elsewhere]) assert.ok(!socket.frames.some(({ type }) => type === 'broadcast'));
  });

  test('what a back end said while the user was away is told once', async (t) => {
    const service = await server.token({ user: 'billing', args: ['--scope', 'service'] });
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${service}` };
    const body = JSON.stringify({ event: 'invoice', payload: { id: 7 }, room: 'user_doc-away', keep_ms: 60_000 });
    const answer = await fetch(`${server.legacyUrl}/api/broadcast`, { method: 'POST', headers, body });
    assert.deepEqual(await answer.json(), { status: 'ok', kept: true });
    const first = await rtcUser(t, server, 'doc-away', 'doc');
    assert.deepEqual((await first.socket.next('notification')).data, { event: 'invoice', payload: { id: 7 } });
    const second = await rtcUser(t, server, 'doc-away', 'doc');
    await second.socket.ask('ping');
    assert.ok(!second.socket.frames.some(({ type }) => type === 'notification'));
  });

  test('a transport has what mediasoup-client needs', async (t) => {
    const { socket } = await rtcUser(t, server, 'doc-4', 'doc');
    const { data } = await socket.ask('create-transport');
    assert.deepEqual(Object.keys(data).sort(), ['dtlsParameters', 'iceCandidates', 'iceParameters', 'id']);
    assert.equal(data.iceParameters.iceLite, true);
    const [candidate] = data.iceCandidates;
    assert.equal(`${candidate.address}:${candidate.port}`, server.bridgeAddresses.rtc);
    assert.match(data.dtlsParameters.fingerprints[0].value, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    await socket.ask('connect-transport', { dtlsParameters: { role: 'client', fingerprints: [FINGERPRINT] } });
    const { data: produced } = await socket.ask('produce', producing());
    assert.deepEqual(Object.keys(produced), ['id']);
  });

  test('consume may come before connect-transport, and needs nobody who talks', async (t) => {
    const { socket, welcome } = await rtcUser(t, server, 'doc-5', 'doc');
    await socket.ask('create-transport');
    const { data } = await socket.ask('consume', { rtpCapabilities: welcome.routerRtpCapabilities });
    assert.deepEqual(Object.keys(data).sort(), ['id', 'kind', 'producerId', 'rtpParameters']);
    assert.deepEqual([data.kind, data.producerId], ['audio', 'floor']);
    assert.equal(data.rtpParameters.codecs[0].mimeType, 'audio/opus');
    assert.ok(data.rtpParameters.encodings[0].ssrc > 0);
  });

  test('a producer is announced, listed and closed with its client', async (t) => {
    const [one, two] = [await rtcUser(t, server, 'list-1', 'list'), await rtcUser(t, server, 'list-2', 'list')];
    await one.socket.ask('create-transport');
    const { data } = await one.socket.ask('produce', producing());
    const announced = (await two.socket.next('new-producer')).data;
    assert.deepEqual(announced, {
      producerId: data.id, peerId: one.welcome.peerId, kind: 'audio', userId: 'list-1', name: 'list-1 Wijaya',
    });
    assert.deepEqual((await two.socket.ask('get-producers')).data.producers, [announced]);
    await two.socket.ask('create-transport');
    const capabilities = two.welcome.routerRtpCapabilities;
    const consumed = (await two.socket.ask('consume', { producerId: data.id, rtpCapabilities: capabilities })).data;
    assert.equal(consumed.producerId, data.id);
    await two.socket.ask('close-consumer', { consumerId: consumed.id });
    await one.socket.close();
    assert.equal((await two.socket.next('producer-closed')).data.producerId, data.id);
  });

  test('the floor is the same as the other generations have', async (t) => {
    const { socket } = await rtcUser(t, server, 'floor-rtc', 'floor');
    const guard = await legacyUser(t, server, 'floor-guard');
    await guard.enter('floor');
    await socket.ask('floor_request');
    assert.ok((await socket.next('floor_granted')).data.duration_ms > 0);
    assert.equal((await guard.heard.event('floor_taken')).args[0].user_id, 'floor-rtc');
    await guard.call('floor_request', {});
    await guard.heard.event('floor_denied');
    await socket.ask('floor_release');
    await socket.next('floor_idle');
    await guard.call('floor_request', {});
    await guard.heard.event('floor_granted');
    const taken = await until('the floor to be taken', () =>
      socket.frames.find(({ type, data }) => type === 'floor_taken' && data.user_id === 'floor-guard'));
    assert.equal(taken.data.channel_id, 'floor');
    assert.equal((await socket.ask('floor_request')).type, 'floor_request');
    await socket.next('floor_denied');
  });
});

describe('faults have names and cost nobody else anything', () => {
  test('who may not come in is told why', async (t) => {
    const token = await server.token({ user: 'stranger', channels: ['lobby:listen'] });
    for (const [query, code, close] of /** @type {[Record<string, string>, string, number][]} */ ([
      [{ channel: 'lobby' }, 'unauthenticated', 1008],
      [{ token: 'nonsense', channel: 'lobby' }, 'unauthenticated', 1008],
      [{ token }, 'bad_channel', 1008],
      [{ token, channel: '' }, 'bad_channel', 1008],
      [{ token, channel: 'x'.repeat(129) }, 'bad_channel', 1008],
      [{ token, channel: 'ops' }, 'forbidden', 1008],
    ])) {
      const socket = rtcSocket(t, server, query);
      assert.equal((await socket.next('error')).data.code, code, JSON.stringify(query));
      assert.equal(await socket.end(), close);
    }
  });

  test('a page of a foreign origin is refused, and what is no WebSocket', async (t) => {
    const foreign = rtcSocket(t, server, { channel: 'lobby' }, { origin: 'https://evil.example' });
    assert.equal(await foreign.end(), 1006);
    assert.equal((await fetch(`${server.legacyUrl}/rtc/ws`)).status, 426);
  });

  test('messages out of order, unknown ids and wrong parameters', async (t) => {
    const { socket, welcome } = await rtcUser(t, server, 'fault-1', 'faults');
    const rtpCapabilities = welcome.routerRtpCapabilities;
    const dtlsParameters = { role: 'client', fingerprints: [FINGERPRINT] };
    assert.equal(await socket.refused('produce', producing()), 'no_transport');
    assert.equal(await socket.refused('consume', { rtpCapabilities }), 'no_transport');
    assert.equal(await socket.refused('connect-transport', { dtlsParameters }), 'no_transport');
    await socket.ask('create-transport');
    const unknown = '0123456789abcdef';
    for (const [type, data, code] of /** @type {[string, any, string][]} */ ([
      ['connect-transport', {}, 'bad_dtls_parameters'],
      ['connect-transport', { dtlsParameters: { role: 'boss', fingerprints: [FINGERPRINT] } }, 'bad_dtls_parameters'],
      ['connect-transport', { dtlsParameters: { role: 'client', fingerprints: [] } }, 'bad_dtls_parameters'],
      ['connect-transport', { dtlsParameters, transportId: unknown }, 'unknown_transport'],
      ['consume', { rtpCapabilities, producerId: 'nobody' }, 'unknown_producer'],
      ['consume', { rtpCapabilities: { codecs: [] } }, 'cannot_consume'],
      ['consume', {}, 'bad_field'],
      ['produce', producing({ kind: 'video' }), 'unsupported_kind'],
      ['produce', producing({ rtpParameters: { codecs: [{ ...OPUS, mimeType: 'audio/PCMU', clockRate: 8000 }], encodings: [{ ssrc: 1 }] } }), 'unsupported_codec'],
      ['produce', { kind: 'audio' }, 'bad_field'],
      ['close-consumer', { consumerId: unknown }, 'unknown_consumer'],
      ['close-producer', {}, 'unknown_producer'],
      ['dance', {}, 'unknown_type'],
    ])) {
      assert.equal(await socket.refused(type, data), code, `${type} ${JSON.stringify(data)}`);
    }
    assert.equal((await socket.ask('connect-transport', { dtlsParameters })).type, 'connect-transport');
    assert.equal(await socket.refused('connect-transport', { dtlsParameters }), 'already_connected');
  });

  test('a second producer and a third transport', async (t) => {
    const { socket } = await rtcUser(t, server, 'fault-2', 'faults');
    await socket.ask('create-transport');
    await socket.ask('create-transport');
    assert.equal(await socket.refused('create-transport'), 'too_many_transports');
    await socket.ask('produce', producing());
    assert.equal(await socket.refused('produce', producing()), 'too_many_producers');
    await socket.ask('close-transport');
    assert.equal((await socket.ask('create-transport')).type, 'create-transport');
    assert.equal((await socket.ask('produce', producing())).type, 'produce');
  });

  test('what is no frame, too large or too fast', async (t) => {
    const [bad, good] = [await rtcUser(t, server, 'fault-3', 'faults'), await rtcUser(t, server, 'fault-4', 'faults')];
    for (const text of ['', '{', '[]', '"ping"', '{"data":{}}']) {
      bad.socket.sendText(text);
      assert.equal((await bad.socket.next('error')).data.code, 'malformed', text);
    }
    for (let n = 0; n < 400; n++) bad.socket.send('ping');
    await until('rate_limited', () => bad.socket.frames.some(({ data }) => data?.code === 'rate_limited'));
    assert.equal(await bad.socket.end(), 1008);
    const large = await rtcUser(t, server, 'fault-5', 'faults');
    large.socket.sendText(JSON.stringify({ type: 'broadcast', data: 'x'.repeat(70_000) }));
    await large.socket.end();
    assert.equal((await good.socket.ask('ping')).type, 'pong');
  });

  test('a thousand who come and go leave nothing behind', async (t) => {
    const own = await startServer();
    t.after(() => own.stop('SIGINT'));
    // One user may ask for so much a second only.
    const tokens = await Promise.all(Array.from({ length: 40 }, (_, n) => own.token({ user: `soak-${n}` })));
    for (let round = 0; round < 25; round++) {
      await Promise.all(
        tokens.map(async (token, n) => {
          const socket = rtcSocket(t, own, { token, channel: `soak-${n % 7}` });
          const { routerRtpCapabilities } = (await socket.next('welcome')).data;
          await socket.ask('create-transport');
          await socket.ask('produce', producing());
          await socket.ask('consume', { rtpCapabilities: routerRtpCapabilities });
          if (n % 2) await socket.close();
          else socket.socket.terminate();
        }),
      );
    }
    for (const gauge of ['rtc_clients', 'rtc_transports', 'members', 'channels']) {
      const left = async () => sumOf(await own.metrics(), new RegExp(`^suara_bridge_${gauge}$`));
      await until(`no ${gauge} to be left`, async () => (await left()) === 0);
    }
  });
});
