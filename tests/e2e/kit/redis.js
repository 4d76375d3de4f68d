/** Debian's Redis server, on a port of its own, that can be killed and started again. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { work } from './paths.js';
import { until, within } from './wait.js';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Redis {
  /** @param {number} port @param {string[]} [flags] more of its own */
  constructor(port, flags = []) {
    this.port = port;
    this.flags = flags;
    this.url = `redis://127.0.0.1:${port}`;
    this.directory = mkdtempSync(join(work, 'redis-'));
    /** @type {import('node:child_process').ChildProcess | undefined} */
    this.process = undefined;
  }

  async start() {
    const where = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory, ...this.flags];
    const child = spawn('redis-server', [...where, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
    running.add(child);
    this.process = child;
    await until('Redis to answer', () => child.exitCode === null && answers(this.port));
  }

  /** Ends it without a word, as a crash does. */
  async kill() {
    const child = this.process;
    if (!child) return;
    this.process = undefined;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await within('the end of Redis', gone, 5000);
    running.delete(child);
  }
}

/** One that ends with the test. @param {{after: (end: () => Promise<void>) => void}} t */
export async function startRedis(t) {
  const redis = new Redis(await freePort());
  t.after(async () => {
    await redis.kill();
    rmSync(redis.directory, { recursive: true, force: true });
  });
  await redis.start();
  return redis;
}

/**
 * A Redis Cluster of masters alone, which ends with the test.
 * @param {{after: (end: () => Promise<void>) => void}} t @param {number} [masters]
 */
export async function startCluster(t, masters = 3) {
  const flags = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'];
  /** @type {Redis[]} */
  const nodes = [];
  for (let n = 0; n < masters; n++) nodes.push(new Redis(await clusterPort(), flags));
  t.after(async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    for (const { directory } of nodes) rmSync(directory, { recursive: true, force: true });
  });
  await Promise.all(nodes.map((node) => node.start()));
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const cli = promisify(execFile);
  await cli('redis-cli', ['--cluster', 'create', ...hosts, '--cluster-yes']);
  const isWhole = async (/** @type {Redis} */ { port }) =>
    (await cli('redis-cli', ['-p', String(port), 'cluster', 'info'])).stdout.includes('cluster_state:ok');
  await until('the cluster to be whole', async () => (await Promise.all(nodes.map(isWhole))).every(Boolean));
  return { url: `redis+cluster://${hosts.join(',')}`, nodes };
}

/** Members of a cluster listen 10000 above, too. */
async function clusterPort() {
  for (;;) {
    const port = await freePort();
    if (port < 55_000 && !(await answers(port + 10_000))) return port;
  }
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/** @param {number} port @returns {Promise<boolean>} */
export function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true)));
    socket.once('error', () => resolve(false));
  });
}
