/** The server under test, as one process (`serve`) or as two (`gateway` and `bridge`), on ports of its own. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { Daemon, binary, cleanEnvironment } from './daemon.js';
import { parseMetrics, sumOf } from './metrics.js';
import { work } from './paths.js';
import { until } from './wait.js';

const LOOPBACK = '127.0.0.1:0';

/** @type {Server[]} all that this process has made */
const servers = [];

/** No server outlives its test. Its directory goes when all passed; otherwise it stays, and its log's end is shown. */
process.once('exit', (code) => {
  const passed = code === 0 && !process.exitCode;
  for (const server of servers) {
    for (const daemon of server.daemons) daemon.process.kill('SIGKILL');
    if (passed) rmSync(server.data, { recursive: true, force: true });
    else process.stderr.write(`${server.logTail()}\n`);
  }
});
// Without a handler an interrupted process has no `exit` event.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/**
 * @typedef {object} Options
 * @property {'serve' | 'split'} [mode] one process or two
 * @property {string[]} [args] more flags (of every process)
 * @property {Record<string, string>} [variables] more environment (of every process)
 * @property {string[]} [before] what starts the binary, and becomes it
 * @property {string} [host] by which it is reached from here, unless it listens here
 * @property {string} [metrics] where metrics are, HOST:PORT; a free port unless told
 * @property {string} [http] where it listens, HOST:PORT, after a restart too; a free port unless told
 */

export class Server {
  /** @param {Options} [options] */
  constructor({ mode = 'serve', args = [], variables = {}, http = LOOPBACK, metrics = LOOPBACK, before = [], host } = {}) {
    this.mode = mode;
    this.http = http;
    this.internal = metrics;
    this.before = before;
    this.host = host;
    this.args = args;
    this.variables = variables;
    this.data = mkdtempSync(join(work, 'suara-'));
    /** @type {Daemon[]} in the order of starting */
    this.daemons = [];
    /** @type {import('./daemon.js').Addresses} of the gateway (which is the bridge too in one process) */
    this.addresses = { http: '' };
    /** @type {import('./daemon.js').Addresses} of what serves the legacy clients */
    this.bridgeAddresses = { http: '' };
    servers.push(this);
  }

  async start() {
    const main = this.mode === 'serve' ? 'serve' : 'gateway';
    this.addresses = await this.launch(main, ['--webtransport', LOOPBACK], 'addresses.json');
    this.bridgeAddresses = this.addresses;
    if (this.mode === 'split') {
      const gateway = ['--gateway', `http://${this.addresses.http}`];
      this.bridgeAddresses = await this.launch('bridge', gateway, 'addresses-bridge.json');
    }
    return this;
  }

  /** @param {'serve' | 'gateway' | 'bridge'} command @param {string[]} args @param {string} addressFile */
  async launch(command, args, addressFile) {
    const common = ['--http', this.http, '--metrics', this.internal, '--rtc', LOOPBACK, '--data', this.data, ...this.args];
    const name = command === 'serve' ? [] : [command];
    // What an earlier start left there would be taken for this one's.
    rmSync(join(this.data, addressFile), { force: true });
    const daemon = new Daemon(command, [...name, ...common, ...args], this.data, this.variables, this.before);
    this.daemons.push(daemon);
    return daemon.ready(join(this.data, addressFile), this.host);
  }

  /** Where the console and the API are. */
  get url() {
    return `http://${this.addresses.http}`;
  }

  /** Where legacy clients connect. */
  get legacyUrl() {
    return `http://${this.bridgeAddresses.http}`;
  }

  /**
   * Mints a token with the development secret of this server.
   * @param {{user: string, name?: string, role?: string, channels?: string[], ttl?: string, args?: string[]}} claims
   * @returns {Promise<string>}
   */
  async token({ user, name = user, role = 'guard', channels = ['*:talk,listen'], ttl = '1h', args = [] }) {
    const rights = channels.flatMap((channel) => ['--channel', channel]);
    const who = ['--user', user, '--name', name, '--role', role, '--ttl', ttl];
    const all = ['token', '--data', this.data, ...who, ...rights, ...args];
    const { stdout } = await promisify(execFile)(binary, all, { cwd: this.data, env: cleanEnvironment(this.variables) });
    return stdout.trim();
  }

  /** The processes' metrics added up. @returns {Promise<import('./metrics.js').Metrics>} */
  async metrics() {
    const places = new Set([this.addresses.metrics, this.bridgeAddresses.metrics]);
    const texts = await Promise.all([...places].map(async (at) => (await fetch(`http://${at}/metrics`)).text()));
    return parseMetrics(texts.join('\n'));
  }

  /**
   * How many frames were dropped for this reason so far.
   * @param {RegExp} reason against the label's value
   */
  async dropped(reason) {
    return sumOf(await this.metrics(), droppedFor(reason));
  }

  /**
   * Waits until exactly `count` more frames were dropped than `before`.
   * @param {RegExp} reason @param {number} before @param {number} count
   */
  async expectDropped(reason, before, count) {
    const counted = async () => (await this.dropped(reason)) - before >= count;
    await until(`${count} frames dropped because of ${reason}`, counted, { ms: 3000 });
    const dropped = (await this.dropped(reason)) - before;
    if (dropped !== count) throw new Error(`expected ${count} frames dropped because of ${reason}, counted ${dropped}`);
  }

  get running() {
    return this.daemons.every((daemon) => daemon.running);
  }

  /**
   * Stops every process, the last started first.
   * @param {NodeJS.Signals} [signal] @param {number} [ms]
   */
  async stop(signal, ms) {
    const exits = [];
    for (const daemon of [...this.daemons].reverse()) exits.push(await daemon.stop(signal, ms));
    return exits;
  }

  /** @param {number} [lines] of each process */
  logTail(lines) {
    return this.daemons.map((daemon) => daemon.logTail(lines)).join('\n');
  }
}

/** @param {RegExp} reason */
function droppedFor(reason) {
  return new RegExp(`dropped\\w*\\{(.*,)?reason="[^"]*(${reason.source})[^"]*"`, 'i');
}

/** @param {Options} [options] @returns {Promise<Server>} */
export async function startServer(options) {
  return new Server(options).start();
}

/**
 * One server for all tests of a file: awaited at its top, before any test is declared.
 * @param {Options} [options]
 */
export async function sharedServer(options) {
  const server = await startServer(options);
  after(() => server.stop('SIGINT'));
  return server;
}
