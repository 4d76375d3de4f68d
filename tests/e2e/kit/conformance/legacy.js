/** One who takes part by Socket.IO: by voice alone, or in so many words where it is told to. */
import { LegacyClient } from '../legacy/client.js';
import { javascriptDriver } from '../legacy/javascript.js';
import { Recorder } from '../legacy/recorder.js';
import { toBytes, toSamples } from '../wav.js';
import { Party } from './party.js';

const RATE = 16_000;
const CHUNK = RATE / 50;
/** Of a tone, as of speech; silence and what a codec makes of it are far below. */
const LOUD = 300;

/** A second of a tone: 20 ms of it are a whole number of its periods, or it would click. */
const tone = toBytes(Int16Array.from({ length: CHUNK }, (_, i) => Math.round(9000 * Math.sin((2 * Math.PI * 400 * i) / RATE))));

/** What Socket.IO's events are in the words of all. @type {Record<string, (payload: any) => import('./party.js').Word>} */
const words = {
  floor_granted: () => ({ type: 'granted' }),
  floor_denied: ({ cause }) => ({ type: 'denied', cause }),
  floor_queued: ({ position }) => ({ type: 'queued', position }),
  floor_warning: () => ({ type: 'warned' }),
  floor_revoked: ({ cause }) => ({ type: 'revoked', cause }),
  floor_taken: ({ user_id: user, level = 'normal' }) => ({ type: 'taken', user, level }),
  floor_idle: () => ({ type: 'idle' }),
};

export class LegacyParty extends Party {
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {string} user */
  constructor(user) {
    super(user);
    const heard = new Recorder();
    heard.push = ({ name, args }) => this.#take(name, args);
    this.client = new LegacyClient(javascriptDriver('js4', heard), heard, { transports: ['websocket'] });
  }

  /** @param {string} url @param {string} token */
  async connect(url, token) {
    const outcome = await this.client.connect(url, { token });
    if (!outcome.connected) throw new Error(`${this.user} was refused: ${outcome.message}`);
  }

  /** @param {string} channel */
  async enter(channel) {
    this.channel = channel;
    await this.client.enter(channel, { sample_rate: RATE });
  }

  /** @param {import('./party.js').Press} [how] */
  async press({ level, explicit = false } = {}) {
    this.knowsNoFloor = !explicit && level === undefined;
    if (!this.knowsNoFloor) await this.client.call('floor_request', { level });
    this.#timer = setInterval(() => { this.client.emit('voice_packet', tone); }, 20);
  }

  async hush() {
    clearInterval(this.#timer);
  }

  async release() {
    await this.hush();
    if (!this.knowsNoFloor) await this.client.call('floor_release');
  }

  async close() {
    await this.hush();
    await this.client.disconnect();
  }

  /** @param {string} name @param {any[]} args */
  #take(name, args) {
    if (name === 'voice_packet') return this.#hear(args[0], args[1].user_id);
    const word = words[name]?.(args[0]);
    if (word) this.tell(word);
  }

  /** @param {Buffer} chunk @param {string} user */
  #hear(chunk, user) {
    const samples = toSamples(chunk);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    if (Math.sqrt(power) > LOUD) this.heard.set(user, this.heardOf(user) + 1);
  }
}
