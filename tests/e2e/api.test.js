/** The HTTP API of the real binary: its document, what schemathesis makes of it, and the page that shows it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openConsole } from './kit/console.js';
import { legacyUser } from './kit/scene.js';
import { e2e, python } from './kit/paths.js';
import { sharedServer } from './kit/server.js';
import { until } from './kit/wait.js';

/** The same requests in each run. */
const SEED = 20_220_179;
const EXAMPLES = 25;
/** Far more than it takes: a run that hangs ends. */
const SECONDS = 240;

const server = await sharedServer();
const service = await server.token({ user: 'backend', args: ['--scope', 'service'] });

/** @param {string} method @param {string} path @param {{token?: string, body?: unknown}} [how] */
async function ask(method, path, { token = service, body } = {}) {
  const headers = { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) };
  const response = await fetch(`${server.url}${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, type: response.headers.get('content-type'), body: text && JSON.parse(text) };
}

describe('the API', () => {
  test('throws a Socket.IO client out, keeps it out, and lets it in again', async (t) => {
    const client = await legacyUser(t, server, 'rowdy');
    await client.enter('api-gate');
    const { body: { members } } = await ask('GET', '/api/channels/api-gate/members');
    assert.deepEqual(members.map((/** @type {any} */ { user }) => user), ['rowdy']);
    const { body: kicked } = await ask('POST', '/api/users/rowdy/kick', { body: { ban_seconds: 600 } });
    assert.deepEqual([kicked.sessions, kicked.lasting], [1, true]);
    const gone = async () => (await ask('GET', '/api/channels/api-gate/members')).body.total === 0;
    await until('it is out of the channel', gone);
    await assert.rejects(legacyUser(t, server, 'rowdy'), /Autentikasi Gagal/);
    assert.equal((await ask('DELETE', '/api/users/rowdy/ban')).status, 204);
    await (await legacyUser(t, server, 'rowdy')).enter('api-gate');
  });

  test('answers by problem documents where the bridge serves too', async () => {
    for (const [method, path, status] of /** @type {const} */ ([['GET', '/api/broadcast', 405], ['GET', '/api/none', 404]])) {
      const { type, body, ...answer } = await ask(method, path);
      assert.deepEqual([answer.status, type, body.status], [status, 'application/problem+json', status]);
    }
  });

  test('holds to its document, whatever schemathesis asks', { timeout: (SECONDS + 60) * 1000 }, async (t) => {
    const args = ['-m', 'schemathesis.cli', '--config-file', join(e2e, 'kit', 'schemathesis.toml'), 'run', `${server.url}/api/openapi.json`,
      '--checks', 'all', '--seed', String(SEED), '--max-examples', String(EXAMPLES), '--generation-deterministic',
      '--phases', 'examples,coverage,fuzzing', '--header', `Authorization: Bearer ${service}`, '--rate-limit', '80/s',
      '--continue-on-failure', '--no-color'];
    const run = spawn(python, args, { cwd: server.data, stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => run.kill('SIGKILL'));
    let said = '';
    for (const stream of [run.stdout, run.stderr]) stream.setEncoding('utf8').on('data', (text) => { said += text; });
    const timer = setTimeout(() => run.kill('SIGKILL'), SECONDS * 1000);
    const [code] = await new Promise((resolve) => run.once('close', (...end) => resolve(end)));
    clearTimeout(timer);
    assert.equal(code, 0, said);
    t.diagnostic(said.split('\n').filter((line) => /generated|passed|operations/i.test(line)).join('; '));
    assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  });

  test('has a page to read it', async (t) => {
    const { page: entry } = await openConsole(t, server, 'reader', 'yard');
    const page = await entry.context().newPage();
    await page.goto(`${server.url}/api.html`);
    const kick = page.locator('details', { has: page.locator('summary', { hasText: '/api/users/{user}/kick' }) });
    await kick.locator('summary').click();
    assert.match(await kick.innerText(), /POST\s*\/api\/users\/\{user\}\/kick[^]*application\/json: Kick[^]*429/);
    const document = await (await fetch(`${server.url}/api/openapi.json`)).json();
    const operations = Object.values(document.paths).reduce((sum, item) => sum + Object.keys(item).length, 0);
    assert.equal(await page.locator('#api-operations details').count(), operations, 'each operation is under a tag');
  });
});
