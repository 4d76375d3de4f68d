/**
 * What a legacy client received, in order of arrival.
 *
 * @typedef {object} Received
 * @property {string} name of the event
 * @property {any[]} args binary ones as Buffers
 * @property {number} at milliseconds since 1970
 *
 * @typedef {object} Sender
 * @property {string | number} channel_id
 * @property {string} user_id
 * @property {string} name
 * @property {number} seq
 * @property {number} timestamp
 *
 * @typedef {{bytes: Buffer, sender: Sender, at: number}} Chunk
 */
import { toSamples } from '../wav.js';
import { sleep, until } from '../wait.js';

export class Recorder {
  constructor() {
    /** @type {Received[]} */
    this.events = [];
  }

  /** @param {Received} event */
  push(event) {
    this.events.push(event);
  }

  /** @param {string} name @returns {Received[]} */
  named(name) {
    return this.events.filter((event) => event.name === name);
  }

  /** @returns {Chunk[]} */
  get chunks() {
    return this.named('voice_packet').map(({ args: [bytes, sender], at }) => ({ bytes, sender, at }));
  }

  /** All voice in one piece. */
  voice() {
    return Buffer.concat(this.chunks.map(({ bytes }) => bytes));
  }

  /** @param {number} rate the client's own @returns {import('../wav.js').Pcm} */
  pcm(rate) {
    return { samples: toSamples(this.voice()), rate };
  }

  /** @param {number} bytes @param {number} [ms] */
  async voiceOf(bytes, ms = 5000) {
    await until(`${bytes} bytes of voice`, () => this.voice().length >= bytes, { ms }).catch((late) => {
      throw new Error(`${late.message}: ${this.voice().length} came in ${this.chunks.length} chunks`);
    });
  }

  /** Waits until no voice has come for `ms` (and at most ten times as long). @param {number} [ms] */
  async silence(ms = 500) {
    for (let rounds = 0; rounds < 10; rounds++) {
      const before = this.chunks.length;
      await sleep(ms);
      if (this.chunks.length === before) return;
    }
    throw new Error('the voice does not end');
  }

  /** @param {string} name @param {number} [ms] @returns {Promise<Received>} the first such event, past or to come */
  event(name, ms = 5000) {
    return until(`the event ${name}`, () => this.named(name)[0], { ms });
  }

  clear() {
    this.events = [];
  }
}
