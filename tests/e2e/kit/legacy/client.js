/**
 * A legacy client as tests see it, whatever it is written in. A driver carries out five operations (`connect`, `emit`,
 * `voice`, `transport`, `disconnect`) and reports events; this adds the words of the contract.
 *
 * @typedef {object} ConnectOptions
 * @property {string} [token]
 * @property {'/' | '/ptt'} [namespace]
 * @property {('polling' | 'websocket')[]} [transports] both, with the upgrade, unless told
 * @property {'auth' | 'query' | 'none'} [authMode] how the token is presented
 * @property {boolean} [reconnect] whether the library comes back by itself, as it does in the field
 *
 * @typedef {{connected: true, id: string} | {connected: false, message: string}} Outcome
 *
 * @typedef {object} Driver
 * @property {(options: Required<ConnectOptions> & {url: string}) => Promise<Outcome>} connect
 * @property {(event: string, args: any[], ack: boolean) => Promise<any>} emit the first argument of the ack
 * @property {(file: string, sizes: number[], bytesPerSecond: number) => Promise<void>} voice
 * @property {() => Promise<string>} transport
 * @property {() => Promise<void>} disconnect and end
 * @property {(stopped: boolean) => void} [stop] the process, as a device that sleeps does, and lets it go on
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { work } from '../paths.js';
import { within } from '../wait.js';
import { fixedChunks, toBytes } from '../wav.js';
import { Recorder } from './recorder.js';

const ANSWER_MS = 10_000;

export class LegacyClient {
  /** @param {Driver} driver @param {Recorder} heard @param {ConnectOptions} defaults of this kind of client */
  constructor(driver, heard, defaults) {
    this.driver = driver;
    this.heard = heard;
    this.defaults = defaults;
  }

  /** @param {string} url @param {ConnectOptions} [options] @returns {Promise<Outcome>} */
  connect(url, options = {}) {
    /** @type {Required<ConnectOptions>} */
    const base = { token: '', namespace: '/', transports: ['polling', 'websocket'], authMode: 'auth', reconnect: false };
    return within('connecting', this.driver.connect({ ...base, ...this.defaults, ...options, url }), ANSWER_MS);
  }

  /**
   * @param {string} event @param {any[]} args binary ones as Buffers
   * @returns {Promise<any>} the first argument of the ack
   */
  call(event, ...args) {
    return within(`the ack of ${event}`, this.driver.emit(event, args, true), ANSWER_MS);
  }

  /** @param {string} event @param {any[]} args */
  async emit(event, ...args) {
    await this.driver.emit(event, args, false);
  }

  /** @param {string | number} channel @param {{codec?: 'pcm16' | 'opus', sample_rate?: number}} [format] */
  join(channel, format = {}) {
    return this.call('join_channel', { channel_id: channel, ...format });
  }

  /** Joins, and fails the test unless admitted. @param {string | number} channel @param {object} [format] */
  async enter(channel, format) {
    const answer = await this.join(channel, format);
    assert.equal(answer?.status, 'ok', `join_channel ${channel}: ${JSON.stringify(answer)}`);
    assert.equal(answer.channel, channel);
  }

  /** @param {string | number} channel */
  leave(channel) {
    return this.call('leave_channel', { channel_id: channel });
  }

  /**
   * Speaks in real time: each chunk leaves when its first sample is due, so that delays do not add up.
   * @param {import('../wav.js').Pcm} pcm
   * @param {{sizes?: number[], speed?: number}} [how] chunk sizes in bytes (20 ms each unless told); 2 is twice as fast
   */
  async say(pcm, { sizes, speed = 1 } = {}) {
    const bytesPerSecond = pcm.rate * 2 * speed;
    const bytes = toBytes(pcm.samples);
    const directory = mkdtempSync(join(work, 'say-'));
    const file = join(directory, 'voice.pcm');
    writeFileSync(file, bytes);
    try {
      const frame = (pcm.rate * 2) / 50;
      const limit = (bytes.length / bytesPerSecond) * 1000 + ANSWER_MS;
      const spoken = this.driver.voice(file, sizes ?? fixedChunks(bytes.length, frame), bytesPerSecond);
      await within('speaking', spoken, limit);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  /** The transport in use: `polling` or `websocket`. */
  transport() {
    return this.driver.transport();
  }

  /** Sleeps while this is done, as a device does; the server and the kernel go on. @param {() => Promise<void>} meanwhile */
  async sleepThrough(meanwhile) {
    assert.ok(this.driver.stop, 'a client in a process of its own');
    this.driver.stop(true);
    await meanwhile().finally(() => this.driver.stop?.(false));
  }

  async disconnect() {
    await within('disconnecting', this.driver.disconnect(), ANSWER_MS);
  }
}
