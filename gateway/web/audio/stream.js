// One talker heard: jitter buffer, decoder and concealment, driven by the playback's reports.

import { JitterBuffer } from '../lib/jitter.js';
import { ticks } from '../lib/wire/opus.js';
import { CatchUp } from './catch-up.js';
import { Concealer } from './conceal.js';
import { VoiceDecoder } from './decoder.js';
import { FirstSound } from './first-sound.js';
import { Hasten } from './hasten.js';

/** Samples of 20 ms. */
const FRAME = 960;
/** What is given to the playback as soon as it is there: the more, the longer a stall of this thread goes unheard. It
 * delays nothing, for how much waits in all is the jitter buffer's decision at the talkspurt's start. */
const AHEAD = 6 * FRAME;
/** Below that a missing frame is concealed rather than waited for. */
const CRITICAL = FRAME;

export class Stream {
  jitter = new JitterBuffer();
  catchUp = new CatchUp();
  hasten = new Hasten();
  #first = new FirstSound();
  #concealer = new Concealer();
  #decoder;
  /** What was asked of the decoder or is to be concealed, in order: 0 conceals, more are ticks in the decoder. */
  #order = /** @type {number[]} */ ([]);
  #posted = 0;
  #ahead = 0;
  #ending = false;
  #playing = false;
  #speaking = false;

  /**
   * @param {string} id
   * @param {(message: import('./playback-worklet.js').ToPlayback, transfer?: Transferable[]) => void} post
   * @param {(speaking: boolean) => void} onSpeaking
   * @param {(burst: import('../lib/reports.js').HeardBurst) => void} [onHeard] once a burst was played
   */
  constructor(id, post, onSpeaking, onHeard = () => {}) {
    this.id = id;
    this.post = post;
    this.onSpeaking = onSpeaking;
    this.onHeard = onHeard;
    this.#decoder = new VoiceDecoder((samples) => this.#decoded(samples), () => this.#failed());
  }

  /** Whether anything is being played or waits to be. */
  get active() {
    return this.#playing;
  }

  /** What waits to be heard, decoded or not, in ms. */
  get depthMs() {
    return this.#playing ? this.jitter.depthMs + this.#ahead / 48 : 0;
  }

  /**
   * @param {import('../lib/wire/voice.js').VoiceFrame} frame
   * @param {number} now
   * @param {boolean} [entered] whether one came in the middle of this talkspurt
   */
  frame(frame, now, entered) {
    const pushed = this.jitter.push(frame, now, entered);
    if (pushed === 'started') {
      this.#start();
      this.#first.start(frame.grant);
    }
    if (pushed !== 'dropped') this.#first.note(frame);
  }

  /**
   * The playback tells how much it has: the moment to give it more.
   * @param {number} depth samples that it still has
   * @param {number} received samples that it has had of this talkspurt
   * @param {number} now
   */
  pull(depth, received, now) {
    if (!this.#playing || this.#ending) return;
    let ahead = depth + (this.#posted - received) + this.#order.reduce((sum, ticks) => sum + (ticks || FRAME), 0);
    while (ahead < AHEAD) {
      const popped = this.jitter.pop(now, ahead < CRITICAL);
      if (popped.kind === 'nothing') break;
      if (popped.kind === 'end') return this.#end();
      ahead += popped.kind === 'packet' ? this.#decode(popped.packet) : this.#conceal();
    }
    this.#ahead = ahead;
  }

  /** Drops everything at once. */
  drop() {
    this.post({ stream: this.id, kind: 'drop' });
    this.#decoder.close();
    this.#playing = false;
    this.#speak(false);
  }

  #start() {
    this.#decoder.reset();
    this.#concealer.reset();
    this.catchUp.reset();
    this.hasten.reset();
    this.#order = [];
    this.#posted = 0;
    this.#ahead = 0;
    this.#ending = false;
    this.#playing = true;
    this.post({ stream: this.id, kind: 'start' });
  }

  #end() {
    this.#ending = true;
    this.#flush();
  }

  /** @param {Uint8Array} packet */
  #decode(packet) {
    const length = ticks(packet);
    this.#order.push(length);
    this.#first.decoding(packet);
    this.#decoder.decode(packet, length);
    return length;
  }

  #conceal() {
    this.#order.push(0);
    this.#flush();
    return FRAME;
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  #decoded(samples) {
    this.#order.shift();
    const heard = this.#concealer.good(samples);
    this.#first.leaves(performance.now() + this.#posted / 48);
    // What is left out stays out of the sum as well, so that the next report asks for more.
    if (!this.catchUp.skips(heard, this.depthMs, this.jitter.targetMs)) this.#send(this.hasten.shorten(heard));
    this.#speak(true);
    this.#flush();
  }

  #failed() {
    this.#order = this.#order.map(() => 0);
    this.#flush();
  }

  /** What needs no decoder goes as soon as nothing before it waits for one. */
  #flush() {
    while (this.#order[0] === 0) {
      this.#order.shift();
      this.#send(this.#concealer.lost());
    }
    if (!this.#ending || this.#order.length > 0 || !this.#playing) return;
    this.#playing = false;
    this.post({ stream: this.id, kind: 'end' });
    if (this.#first.heard) this.onHeard(this.#first.heard);
    this.#speak(false);
  }

  /** @param {Float32Array<ArrayBuffer>} samples */
  #send(samples) {
    this.#posted += samples.length;
    this.post({ stream: this.id, kind: 'pcm', samples }, [samples.buffer]);
  }

  /** @param {boolean} speaking */
  #speak(speaking) {
    if (this.#speaking === speaking) return;
    this.#speaking = speaking;
    this.onSpeaking(speaking);
  }
}
