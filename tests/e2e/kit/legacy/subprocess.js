/**
 * A client in another language, as a subprocess that speaks JSON lines.
 *
 * To it: `{"id", "op", …}` with the operations of `Driver`. From it: `{"id", "result"}` or `{"id", "error"}` for each,
 * and `{"event", "args", "at"}` for each event received. A binary argument is `{"$binary": "<base64>"}`.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { within } from '../wait.js';

/**
 * @param {string} command @param {string[]} args
 * @param {import('./recorder.js').Recorder} heard
 * @returns {import('./client.js').Driver}
 */
export function subprocessDriver(command, args, heard) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  const waiting = new Map();
  let lastId = 0;
  let complaints = '';
  const ended = new Promise((resolve) => child.once('close', resolve));

  child.stderr.setEncoding('utf8').on('data', (text) => (complaints = (complaints + text).slice(-4000)));
  child.stdin.on('error', () => {});
  const fail = (/** @type {string} */ why) => {
    for (const { reject } of waiting.values()) reject(new Error(`${command}: ${why}\n${complaints}`));
    waiting.clear();
  };
  child.once('error', (error) => fail(error.message));
  child.once('close', (code) => fail(`ended with code ${code}`));

  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = JSON.parse(line);
    if (message.event !== undefined) {
      heard.push({ name: message.event, args: message.args.map(fromJson), at: message.at });
      return;
    }
    const request = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.error === undefined) request?.resolve(fromJson(message.result));
    else request?.reject(new Error(message.error));
  });

  const request = (/** @type {string} */ op, parameters = {}) =>
    new Promise((resolve, reject) => {
      if (child.exitCode !== null) return reject(new Error(`${command} has ended\n${complaints}`));
      const id = ++lastId;
      waiting.set(id, { resolve, reject });
      child.stdin.write(`${JSON.stringify({ id, op, ...parameters })}\n`);
    });

  return {
    connect: (options) => request('connect', options),
    emit: (event, values, ack) => request('emit', { event, args: values.map(toJson), ack }),
    voice: (file, sizes, bytesPerSecond) => request('voice', { file, sizes, bytes_per_second: bytesPerSecond }),
    transport: () => request('transport'),
    stop: (stopped) => void child.kill(stopped ? 'SIGSTOP' : 'SIGCONT'),
    async disconnect() {
      if (child.exitCode === null) await request('disconnect').catch(() => {});
      child.stdin.end();
      await within(`the end of ${command}`, ended, 3000).catch(() => child.kill('SIGKILL'));
    },
  };
}

/** @param {any} value */
function toJson(value) {
  return value instanceof Uint8Array ? { $binary: Buffer.from(value).toString('base64') } : value;
}

/** @param {any} value */
function fromJson(value) {
  return typeof value?.$binary === 'string' ? Buffer.from(value.$binary, 'base64') : value;
}
