/** Debian's Redis server, on a port of its own, that can be killed and started again. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { work } from './paths.js';
import { until, within } from './wait.js';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Redis {
  /** @param {number} port */
  constructor(port) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.directory = mkdtempSync(join(work, 'redis-'));
    /** @type {import('node:child_process').ChildProcess | undefined} */
    this.process = undefined;
  }

  async start() {
    const where = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory];
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
