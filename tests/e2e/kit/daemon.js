/** One process of the binary under test: started, watched, stopped by its id. */
import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { repository } from './paths.js';
import { until, within } from './wait.js';

/** The release build, because timing is part of what is tested; `SUARA_BIN` names another. */
export const binary = resolve(process.env.SUARA_BIN ?? join(repository, 'target', 'release', 'suara'));

/** A start may have to make keys; on a busy machine that takes a while. */
const START_MS = 20_000;
const STOP_MS = 10_000;

/** @typedef {{http: string, webtransport?: string, rtc?: string, metrics?: string}} Addresses */
/** @typedef {{code: number | null, signal: NodeJS.Signals | null, ms: number}} Exit */

export class Daemon {
  /**
   * @param {string} name of the log file
   * @param {string[]} args @param {string} data the directory that is also its working directory
   * @param {Record<string, string>} [variables]
   * @param {string[]} [before] what starts the binary, and becomes it
   */
  constructor(name, args, data, variables = {}, before = []) {
    if (!existsSync(binary)) throw new Error(`${binary} is not there: tests/run builds it, or set SUARA_BIN`);
    this.logFile = join(data, `${name}.log`);
    const log = openSync(this.logFile, 'a');
    const [program, ...rest] = [...before, binary, ...args];
    this.process = spawn(program, rest, { cwd: data, env: cleanEnvironment(variables), stdio: ['ignore', log, log] });
    /** @type {Promise<Omit<Exit, 'ms'>>} */
    this.exited = new Promise((resolve, reject) => {
      this.process.once('error', reject);
      this.process.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.exited.catch(() => {});
  }

  /**
   * Waits for the file of addresses and for readiness.
   * @param {string} file @param {string} [host] by which it is reached from here, at its own ports
   * @returns {Promise<Addresses>}
   */
  async ready(file, host) {
    const itself = await this.whileAlive(() => readJson(file), `${file} to appear`);
    const addresses = host ? /** @type {Addresses} */ (elsewhere(itself, host)) : itself;
    await this.whileAlive(async () => (await answers(`http://${addresses.http}/readyz`)) === 200, '/readyz to answer 200');
    return addresses;
  }

  /**
   * @template T
   * @param {() => T | Promise<T>} ask @param {string} what
   */
  whileAlive(ask, what) {
    const checked = () => {
      if (!this.running) throw new Error(`the server ended before it was ready\n${this.logTail()}`);
      return ask();
    };
    return until(what, checked, { ms: START_MS });
  }

  get running() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /**
   * Ends it and says how and how fast; one that does not end in time is killed, which fails the test.
   * @param {NodeJS.Signals} [signal] @param {number} [ms]
   * @returns {Promise<Exit>}
   */
  async stop(signal = 'SIGTERM', ms = STOP_MS) {
    const start = performance.now();
    if (this.running) this.process.kill(signal);
    try {
      const exit = await within(`the end after ${signal}`, this.exited, ms);
      return { ...exit, ms: performance.now() - start };
    } catch (late) {
      this.process.kill('SIGKILL');
      throw late;
    }
  }

  log() {
    return readFileSync(this.logFile, 'utf8');
  }

  logTail(lines = 20) {
    return [`--- ${this.logFile}`, ...this.log().trimEnd().split('\n').slice(-lines)].join('\n');
  }
}

/** What the tester's shell sets for Suara must not reach the server under test. @param {Record<string, string>} more */
export function cleanEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('SUARA_') && name !== 'RUST_LOG');
  return { ...Object.fromEntries(kept), NO_COLOR: '1', ...more };
}

/** The address file appears before it is whole. @param {string} file @returns {Addresses | undefined} */
function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {Addresses} addresses @param {string} host */
function elsewhere(addresses, host) {
  return Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, address.replace(/^[^:]*/, host)]));
}

/** @param {string} url @returns {Promise<number | undefined>} the HTTP status, if somebody answers */
export async function answers(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}
