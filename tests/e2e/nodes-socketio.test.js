/** Several nodes behind a balancer that knows nothing of sessions: each request goes to the next one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'redis';
import { speech } from './kit/audio.js';
import { legacyClient } from './kit/legacy/index.js';
import { startNginx } from './kit/nginx.js';
import { metric, startNodes, tunnelled, untunnelled } from './kit/nodes.js';
import { startRedis } from './kit/redis.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */
/** @typedef {import('./kit/server.js').Server} Server */
/** @typedef {import('./kit/legacy/index.js').Kind} Kind */
/** @typedef {import('./kit/legacy/client.js').LegacyClient} LegacyClient */
/** @typedef {('polling' | 'websocket')[]} Transports */

const kinds = /** @type {Kind[]} */ (['js4', 'js3', 'python', 'java']);
/** @type {Record<string, Transports>} */
const roads = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] };

/** A client asks so often, each with an answer: what libraries and the server's rates take at once. */
const ROUNDS = 20;

/** Within a third of the drain below: nobody has to go before it is said. */
const SAID_S = 4;

/** @param {Server[]} nodes @param {string} name @param {string} [label] */
async function sum(nodes, name, label) {
  return (await Promise.all(nodes.map((node) => metric(node, name, label)))).reduce((a, b) => a + b, 0);
}

/** @typedef {{client: LegacyClient, user: string, road: string, sid: string}} Member */

/**
 * Logs one client of each kind in on each of these roads.
 * @param {T} t @param {string} url @param {Server} minter @param {string[]} on
 * @param {import('./kit/legacy/client.js').ConnectOptions} [how]
 * @returns {Promise<Member[]>}
 */
async function members(t, url, minter, on, how = {}) {
  const cases = kinds.flatMap((kind) => on.map((road) => ({ kind, road })));
  return inTurns(cases, async ({ kind, road }) => {
    const [client, user] = [legacyClient(kind), `${kind}-${road}`];
    t.after(() => client.disconnect());
    const token = await minter.token({ user });
    const outcome = await client.connect(url, { token, transports: roads[road], ...how });
    assert.ok(outcome.connected, `${user}: ${JSON.stringify(outcome)}`);
    return { client, user, road, sid: outcome.id };
  });
}

/**
 * A few at a time: each Java and each Python client is a process that starts.
 * @template A, B
 * @param {A[]} all @param {(one: A) => Promise<B>} run @returns {Promise<B[]>}
 */
async function inTurns(all, run) {
  const [results, waiting] = [/** @type {B[]} */ ([]), [...all.entries()]];
  const worker = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) results[next[0]] = await run(next[1]);
  };
  await Promise.all([worker(), worker(), worker()]);
  return results;
}

/** Opens a session and leaves it at that. @param {Server} node @returns {Promise<string>} its sid */
async function open(node) {
  const text = await (await fetch(`${node.legacyUrl}/socket.io/?EIO=4&transport=polling`)).text();
  return JSON.parse(text.slice(1)).sid;
}

/** @param {Server} node @param {string} sid */
async function say(node, sid) {
  const request = { method: 'POST', body: '40{"token":"none"}' };
  const answer = await fetch(`${node.legacyUrl}/socket.io/?EIO=4&transport=polling&sid=${sid}`, request);
  return { status: answer.status, again: answer.headers.get('retry-after'), body: await answer.text() };
}

test('behind nginx in plain round robin', async (t) => {
  const redis = await startRedis(t);
  const nodes = await startNodes(t, 3, ['--redis', redis.url]);
  const nginx = await startNginx(t, nodes.map((node) => node.bridgeAddresses.http));
  const publisher = createClient({ url: redis.url });
  // Its Redis ends with the test, perhaps before it.
  publisher.on('error', () => {});
  await publisher.connect();
  t.after(() => publisher.destroy());
  const everybody = await members(t, nginx.url, nodes[0], Object.keys(roads), { reconnect: true });

  await t.test('each client’s session goes on, on each road', async () => {
    await Promise.all(everybody.map((member) => talk(member, publisher)));
    const chunks = everybody.length * ROUNDS;
    await until('all voice', async () => (await sum(nodes, 'voice_packets_total', 'direction="from_client"')) >= chunks);
    const requests = nginx.requests();
    assert.deepEqual(requests.filter(({ status }) => status >= 400), [], 'nobody was refused anything');
    for (const node of nodes) {
      const to = requests.filter(({ upstream }) => upstream === node.bridgeAddresses.http);
      assert.ok(to.length > requests.length / 6, `${to.length} of ${requests.length} requests went to one node`);
    }
    const forwarded = await sum(nodes, 'forwarded_total', 'outcome="answered"');
    assert.ok(forwarded > requests.length / 3, `${forwarded} of ${requests.length} requests met a node without their session`);
    assert.ok((await sum(nodes, 'tunnels')) > 0, 'no upgrade met another node');
  });

  await t.test('a node that dies makes its clients come back elsewhere, and no others', async () => {
    const [dead, ...living] = nodes;
    const log = dead.logTail(Infinity);
    const lost = everybody.filter(({ sid }) => log.includes(`sid=${sid}`));
    assert.ok(lost.length > 0 && lost.length < everybody.length, `${lost.length} were at one node`);
    await dead.stop('SIGKILL');
    await until('all to be back', async () => (await sum(living, 'sockets')) === everybody.length, { ms: 20_000 });
    for (const { client, user, road, sid } of everybody) {
      const answer = await until(`${user} to be answered`, () => client.join('after').catch(() => undefined));
      assert.equal(answer.status, 'ok', user);
      const noticed = client.heard.named('disconnect').length;
      // An upgraded client's road may have led through the dead node, wherever its session was.
      if (road !== 'upgrade') assert.equal(noticed, log.includes(`sid=${sid}`) ? 1 : 0, user);
    }
    assert.deepEqual(nginx.requests().filter(({ status }) => status === 400), [], 'no session was unknown');
  });
});

/**
 * Asks, speaks and is told, many times; nothing is lost, and nothing comes twice.
 * @param {Member} member @param {{publish: (channel: string, message: string) => Promise<unknown>}} publisher
 */
async function talk({ client, user, road }, publisher) {
  const arrived = road === 'polling' ? 'polling' : 'websocket';
  await until(`${user} by ${arrived}`, async () => (await client.transport()) === arrived);
  for (let round = 0; round < ROUNDS; round++) {
    await client.enter(`${user}-${round % 3}`);
    await client.emit('voice_packet', Buffer.alloc(640, round));
    const notification = { event: 'notification', payload: round, room: `user_${user}` };
    await publisher.publish('socket:broadcast', JSON.stringify(notification));
  }
  const told = () => client.heard.named('notification').map(({ args: [round] }) => round);
  await until(`what ${user} is told`, () => told().length >= ROUNDS).catch(() => {});
  await sleep(200);
  assert.deepEqual(told(), Array.from({ length: ROUNDS }, (_, round) => round), `${user} is told once, in order`);
  assert.deepEqual(client.heard.named('disconnect'), [], user);
}

test('without Redis known sessions go on, and a foreign one gets 503 until it is back', async (t) => {
  const redis = await startRedis(t);
  const nodes = await startNodes(t, 2, ['--redis', redis.url]);
  const [here, there] = nodes;
  const nginx = await startNginx(t, nodes.map((node) => node.bridgeAddresses.http));
  const balanced = await members(t, nginx.url, here, ['websocket']);
  const direct = await members(t, here.legacyUrl, here, ['polling']);
  const steady = [...balanced, ...direct].map(({ client }) => client);
  const goOn = () => Promise.all(steady.map((client) => client.enter('on')));
  await goOn();
  const sid = await open(here);
  assert.equal((await say(there, sid)).status, 200);

  await redis.kill();
  for (let round = 0; round < 10; round++) {
    const { status, again, body } = await say(there, sid);
    assert.deepEqual([status, again, JSON.parse(body).code], [503, '1', 'session_unreachable']);
    assert.equal((await say(here, await open(here))).status, 200, 'one that began without Redis is known');
    await goOn();
  }
  assert.match(await (await fetch(`${there.url}/readyz`)).text(), /degraded: no Redis/);

  const since = await open(here);
  await redis.start();
  for (const found of [since, await open(there)]) {
    for (const node of nodes) {
      await until('the session to be found', async () => {
        const { status } = await say(node, found);
        assert.ok([200, 503].includes(status), `${status}`);
        return status === 200;
      });
    }
  }
  await goOn();
  assert.deepEqual(steady.flatMap((client) => client.heard.named('disconnect')), []);
});

test('a listener that stalls behind another node loses old voice, and only that', async (t) => {
  const redis = await startRedis(t);
  const [at, through] = await startNodes(t, 2, ['--redis', redis.url]);
  const format = { sample_rate: 48000 };
  const talker = legacyClient('js4');
  t.after(() => talker.disconnect());
  await talker.connect(at.legacyUrl, { token: await at.token({ user: 'talker' }), transports: ['websocket'] });
  const { socket, connection, chunks } = await tunnelled(t, at, through, 'stalled');
  assert.equal(await metric(through, 'tunnels'), 1);
  await talker.enter('stall', format);
  assert.equal((await socket.emitWithAck('join_channel', { channel_id: 'stall', ...format })).status, 'ok');

  const { samples, rate } = await speech('patrol', 48000);
  /** @param {number} seconds */
  const say = (seconds) => talker.say({ samples: samples.slice(0, seconds * rate), rate });
  await say(1);
  await until('what was said', () => chunks() >= 50);
  await sleep(800);
  const [before, sent] = [chunks(), 6 * 50];
  connection.pause();
  await say(6);
  connection.resume();
  await sleep(1000);
  const late = chunks() - before;
  assert.ok(late < sent / 2, `the stalled listener still got ${late} of ${sent} old chunks`);
  assert.equal((await socket.emitWithAck('join_channel', { channel_id: 'stall' })).status, 'ok');
});

test('a listener whose way leads through a node that stops goes when nobody speaks, and no sooner', async (t) => {
  const redis = await startRedis(t);
  const [at, through] = await startNodes(t, 2, ['--redis', redis.url, '--drain', '15']);
  const talker = legacyClient('js4');
  t.after(() => talker.disconnect());
  await talker.connect(at.legacyUrl, { token: await at.token({ user: 'talker' }), transports: ['websocket'] });
  const { socket, chunks } = await tunnelled(t, at, through, 'listener');
  await talker.enter('way', { sample_rate: 16000 });
  const join = () => socket.emitWithAck('join_channel', { channel_id: 'way', sample_rate: 16000 });
  assert.equal((await join()).status, 'ok');

  let heard = 0;
  socket.on('disconnect', () => void (heard = chunks()));
  const { samples, rate } = await speech('patrol', 16000);
  const saying = talker.say({ samples: samples.slice(0, SAID_S * rate), rate });
  await until('the first of what is said', () => chunks() > 0);
  const ended = through.stop('SIGTERM');
  await sleep(500);
  const late = await untunnelled(t, at, through, 'late');
  await saying;
  await until('the listener to go', () => heard > 0);
  assert.equal(heard, SAID_S * 50, 'chunks until it went');
  await ended;
  assert.equal(late.engine.transport.name, 'polling');
  assert.equal((await late.socket.emitWithAck('join_channel', { channel_id: 'way' })).status, 'ok', 'who came late goes on');
});
