// One press of the button, from the first captured frame to the floor's release (PROTOCOL.md, end of section 5). Knows
// neither microphone nor network: packets come in, frames go out, time is an argument.

import { ticks } from './wire/opus.js';

/** What is kept until the grant comes; older voice would be late voice. */
export const HOLD_MS = 300;
/** Between two held frames: faster would overflow a listener's jitter buffer, slower would never catch up. */
export const SPACING_MS = 5;
/** Between END and its repeats. */
export const REPEAT_MS = 20;
/** How often END is repeated: with 10 % of loss, one in a thousand talkspurts ends without it. */
export const REPEATS = 2;

const FRAME_MS = 20;

/**
 * @typedef {import('./wire/voice.js').VoiceFrame} VoiceFrame
 *
 * @typedef {object} TalkspurtOptions
 * @property {import('./clock.js').Clock} clock
 * @property {number} channel
 * @property {number} talker
 * @property {number} sequence of the first frame
 * @property {number} timestamp of the first sample
 * @property {(frame: VoiceFrame) => void} send
 * @property {() => void} onHeldTooLong a packet was too old when the grant came
 * @property {(grant: number) => void} release says `floor_release`
 * @property {() => void} done the talkspurt is over, however it ended
 */

export class Talkspurt {
  /** @type {{packet: Uint8Array, timestamp: number}[]} */
  #queue = [];
  #grant = -1;
  #timestamp;
  #sequence;
  #sent = 0;
  #stopping = false;
  #drained = false;
  #over = false;
  /** @type {unknown} */
  #timer = null;

  /** @param {TalkspurtOptions} options */
  constructor(options) {
    this.options = options;
    this.#sequence = options.sequence;
    this.#timestamp = options.timestamp;
  }

  /**
   * The encoder made a packet.
   * @param {Uint8Array} packet
   */
  packet(packet) {
    if (this.#over) return;
    this.#queue.push({ packet, timestamp: this.#timestamp });
    this.#timestamp = (this.#timestamp + ticks(packet)) >>> 0;
    if (this.#grant < 0 && this.#queue.length * FRAME_MS > HOLD_MS) {
      this.#queue.shift();
      this.options.onHeldTooLong();
    }
    this.#pump();
  }

  /** @param {number} grant */
  granted(grant) {
    this.#grant = grant;
    this.#pump();
  }

  /** The button is up: what comes from now on is the end, and its last packet is not known yet. */
  stop() {
    this.#stopping = true;
  }

  /** The encoder holds nothing more. */
  drained() {
    this.#stopping = true;
    this.#drained = true;
    this.#pump();
  }

  /** Denied, or the session is gone: nothing leaks. */
  abort() {
    if (this.#over) return;
    this.#over = true;
    this.#queue = [];
    this.options.clock.cancel(this.#timer);
    this.options.done();
  }

  #pump() {
    if (this.#grant < 0 || this.#timer !== null || this.#over) return;
    if (this.#drained && this.#queue.length <= 1) return this.#finish();
    // The last packet before the encoder is drained is kept: it may be the one to be marked with END.
    if (this.#queue.length <= (this.#stopping ? 1 : 0)) return;
    this.#sendNext(false);
    if (this.#queue.length > 0) this.#later(SPACING_MS, () => this.#pump());
  }

  /** @param {boolean} end */
  #sendNext(end) {
    const { channel, talker, send } = this.options;
    const { packet, timestamp } = this.#queue.shift() ?? { packet: new Uint8Array(0), timestamp: this.#timestamp };
    /** @type {VoiceFrame} */
    const frame = {
      start: this.#sent === 0, end, talkAhead: false, sequence: this.#sequence, talker, timestamp, channel,
      grant: this.#grant, redundant: [], packet,
    };
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#sent++;
    send(frame);
    return frame;
  }

  #finish() {
    if (this.#sent === 0 && this.#queue.length === 0) return this.#release();
    this.#repeat(this.#sendNext(true), REPEATS);
  }

  /**
   * @param {VoiceFrame} frame
   * @param {number} times
   */
  #repeat(frame, times) {
    if (times === 0) return this.#release();
    this.#later(REPEAT_MS, () => {
      this.options.send(frame);
      this.#repeat(frame, times - 1);
    });
  }

  #release() {
    this.#over = true;
    this.options.release(this.#grant);
    this.options.done();
  }

  /**
   * @param {number} ms
   * @param {() => void} run
   */
  #later(ms, run) {
    this.#timer = this.options.clock.after(() => {
      this.#timer = null;
      run();
    }, ms);
  }
}
