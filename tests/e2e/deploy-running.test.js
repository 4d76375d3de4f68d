/** The files of `deploy` at work: a node by its settings behind nginx, the dashboard's and the alerts' metrics, the health check. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { io } from 'socket.io-client';
import { speech } from './kit/audio.js';
import { openConsole } from './kit/console.js';
import { Daemon, binary } from './kit/daemon.js';
import { legacyUser, word } from './kit/scene.js';
import { startServer } from './kit/server.js';
import { deploy, environment, freePort, Nginx, read, run, temporary, yaml } from './kit/tool.js';
import { sleep, until, within } from './kit/wait.js';

/** @typedef {import('node:test').TestContext} T */

// The certificate is by an authority that this test has made; nginx checks it, which is what matters here.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';

const LOOPBACK = '127.0.0.1:0';

/** One machine: a node by `suara.env.example`, and nginx before it. @param {T} t */
async function oneMachine(t) {
  const directory = temporary(t);
  const secrets = join(directory, 'secrets');
  await run(join(deploy, 'compose/secrets'), [secrets]);
  const settings = environment(read('suara.env.example').replaceAll('/etc/suara', secrets));
  const [http, https, upstream] = [await freePort(), await freePort(), `127.0.0.1:${await freePort()}`];
  const here = { SUARA_HTTP: upstream, SUARA_WEBTRANSPORT: LOOPBACK, SUARA_RTC: LOOPBACK, SUARA_RTC_ANNOUNCE: '127.0.0.1', SUARA_METRICS: LOOPBACK, SUARA_DATA: directory };
  const node = new Daemon('serve', ['serve'], directory, { ...settings, ...here });
  t.after(() => node.stop('SIGINT'));
  const ready = async () => (await fetch(`https://${upstream}/readyz`).catch(() => null))?.status === 200;
  await node.whileAlive(ready, 'the node to serve');
  const nginx = new Nginx(directory, { nodes: 'nginx/suara-nodes-one.conf', secrets, upstream, http, https });
  const url = `https://localhost:${https}`;
  await nginx.start(t, async () => (await fetch(`${url}/healthz`).catch(() => null))?.status === 200);
  const claims = ['--user', 'budi', '--jwt-secret-file', join(secrets, 'jwt.secret'), '--channel', '*:talk,listen'];
  const token = (await run(binary, ['token', ...claims])).trim();
  return { nginx, node, url, plain: `http://localhost:${http}`, announced: settings.SUARA_WEBTRANSPORT_ANNOUNCE, token };
}

/**
 * Asks from an address of this machine's own.
 * @param {string} url @param {{from?: string, method?: string, headers?: Record<string, string>, body?: string}} [how]
 * @returns {Promise<number>} the status
 */
function ask(url, { from = '127.0.0.1', method = 'GET', headers = {}, body = '' } = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { localAddress: from, family: 4, method, headers }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('upgrade', (answer, socket) => (socket.destroy(), resolve(answer.statusCode ?? 0)));
    asked.on('error', reject);
    asked.end(body);
  });
}

describe('a node by the example of its settings, behind nginx', () => {
  test('serves the console, the API, WebSockets and Socket.IO, knows who asks, and no log has a token', async (t) => {
    const { nginx, node, url, plain, announced, token } = await oneMachine(t);
    const moved = await fetch(`${plain}/path`, { redirect: 'manual' });
    assert.deepEqual([moved.status, moved.headers.get('location')], [308, 'https://localhost/path']);
    assert.match(await (await fetch(url)).text(), /<title>/);
    const connect = await (await fetch(`${url}/api/connect`)).json();
    assert.deepEqual([connect.webtransport.url, connect.websocket.url], [announced, '/v1/ws']);

    const upgrade = { 'sec-websocket-protocol': 'suara.1', connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    for (const path of [`${connect.websocket.url}`, `/rtc/ws?token=${token}`, `/socket.io/?EIO=4&transport=websocket&token=${token}`]) {
      assert.equal(await ask(url + path, { headers: upgrade }), 101, path);
    }
    // Pages are judged by the host that was asked, which the proxy has to pass on.
    assert.equal(await visit(url, { headers: { origin: 'https://evil.example' } }), 403);
    assert.equal(await visit(url, { headers: { origin: url } }), 201);

    // By polling at first.
    const socket = io(url, { query: { token }, rejectUnauthorized: false, reconnection: false });
    t.after(() => socket.disconnect());
    const answer = await within('joining', socket.timeout(5000).emitWithAck('join_channel', { channel_id: 'yard' }), 6000);
    assert.deepEqual(answer, { status: 'ok', channel: 'yard' });
    await until('the upgrade to a WebSocket', () => socket.io.engine.transport.name === 'websocket');

    await assertAddressesAreToldApart(url);

    assert.equal(await node.stop('SIGINT').then(({ code }) => code), 0);
    assert.equal(await ask(`${url}/api/connect?token=${token}`), 502);
    const logs = nginx.logs();
    assert.match(logs, /GET \/socket\.io\/ 101 /);
    assert.doesNotMatch(logs, /token=|eyJ/);
  });
});

/** A flood of visitors from one address is held up, and from no other: the proxy says who asks. @param {string} url */
async function assertAddressesAreToldApart(url) {
  const flood = await Promise.all(Array.from({ length: 60 }, () => visit(url, { from: '127.0.0.2' })));
  assert.ok(flood.includes(201) && flood.includes(429), JSON.stringify(flood));
  assert.equal(await visit(url, { from: '127.0.0.3' }), 201);
}

/** A visitor begins a livechat. @param {string} url @param {{from?: string, headers?: Record<string, string>}} how */
function visit(url, { from, headers = {} }) {
  const json = { 'content-type': 'application/json', ...headers };
  return ask(`${url}/livechat/session`, { from, method: 'POST', headers: json, body: JSON.stringify({ name: 'Visitor' }) });
}

describe('what is asked of Prometheus', () => {
  test('is exported by the binary, with these labels, and the health check of the image finds it alive', async (t) => {
    const server = await startServer();
    t.after(() => server.stop('SIGINT'));
    await everythingHappens(t, server);
    const texts = [...(await queriesOfTheDashboard()), ...(await queriesOfTheAlerts())];
    assert.ok(texts.length > 50);
    await until('all that is asked for to be exported', async () => {
      const exported = await labelsByName(server);
      const missing = texts.flatMap((expr) => unknownIn(expr, exported));
      missed = [...new Set(missing)];
      return missed.length === 0;
    }).catch(() => assert.fail(`not exported: ${missed.join(', ')}`));

    await run('bash', ['-c', healthCheck(`${server.addresses.metrics}`)]);
    await assert.rejects(run('bash', ['-c', healthCheck(`127.0.0.1:${await freePort()}`)]));
  });
});

/** @type {string[]} what the last look didn't find */
let missed = [];

/**
 * Something of everything that is counted only once it has happened.
 * @param {T} t @param {import('./kit/server.js').Server} server
 */
async function everythingHappens(t, server) {
  const talker = await legacyUser(t, server, 'talker');
  const stranger = await legacyUser(t, server, 'stranger', { channels: ['lobby:listen'] });
  await stranger.join('yard');
  await stranger.driver.emit('voice_packet', [Buffer.alloc(640)], false);
  await stranger.driver.emit('join_channel', [[]], false);
  await talker.enter('yard');
  const { samples, rate } = await speech('patrol');
  // One burst into which a console enters late, and one that it hears from the beginning.
  const long = talker.say({ samples: samples.slice(0, 6 * rate), rate });
  const console = await openConsole(t, server, 'listener', 'yard');
  await long;
  await sleep(1000);
  await talker.say(await word());
  await sleep(1000);
  await console.page.close();
  await stranger.disconnect();
}

/** @returns {Promise<string[]>} */
async function queriesOfTheDashboard() {
  const { panels, templating } = JSON.parse(read('grafana/suara.json'));
  const variables = templating.list.map((/** @type {any} */ { query }) => query.query).filter(Boolean);
  return [...variables, ...panels.flatMap((/** @type {any} */ panel) => (panel.targets ?? []).map((/** @type {any} */ { expr }) => expr))];
}

/** @returns {Promise<string[]>} */
async function queriesOfTheAlerts() {
  const { groups } = await yaml(join(deploy, 'prometheus/suara.rules.yml'));
  return groups.flatMap((/** @type {any} */ { rules }) => rules.map((/** @type {any} */ { expr }) => expr));
}

/** @param {import('./kit/server.js').Server} server @returns {Promise<Map<string, Set<string>>>} */
async function labelsByName(server) {
  const page = await (await fetch(`http://${server.addresses.metrics}/metrics`)).text();
  /** @type {Map<string, Set<string>>} Prometheus itself adds the first two */
  const labels = new Map([['up', new Set(['instance', 'job'])]]);
  for (const [, name, list = ''] of page.matchAll(/^(\w+)(?:\{(.*?)\})? /gm)) {
    const mine = labels.get(name) ?? labels.set(name, new Set(['instance', 'job'])).get(name);
    for (const [, label] of list.matchAll(/(\w+)="/g)) mine?.add(label);
  }
  return labels;
}

/**
 * Metrics and labels of an expression that nobody exports. A label has to be one of some metric in the same expression.
 * @param {string} expr @param {Map<string, Set<string>>} exported @returns {string[]}
 */
function unknownIn(expr, exported) {
  const names = expr.match(/\bsuara_\w+|\bup\b/g) ?? [];
  assert.ok(names.length > 0, `nothing of Suara is asked for by ${expr}`);
  const labels = new Set(names.flatMap((name) => [...(exported.get(name) ?? [])]));
  const grouped = [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, list]) => list.split(',').map((label) => label.trim()));
  const matched = [...expr.matchAll(/[{,]\s*(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label]) => label);
  return [...names.filter((name) => !exported.has(name)), ...[...grouped, ...matched].filter((label) => !labels.has(label)).map((label) => `${label} of ${names[0]}`)];
}

/** The command in the Dockerfile, asking there. @param {string} address */
function healthCheck(address) {
  const dockerfile = readFileSync(join(deploy, 'compose/Dockerfile'), 'utf8');
  const [shell, flag, script] = JSON.parse(/HEALTHCHECK [^[]*CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]');
  assert.deepEqual([shell, flag], ['bash', '-c']);
  assert.match(script, /\/127\.0\.0\.1\/9464 /);
  return script.replace('/127.0.0.1/9464', `/${address.replace(':', '/')}`);
}
