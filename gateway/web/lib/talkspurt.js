// One press of the button, from the first captured frame to the floor's release (PROTOCOL.md, end of section 5). Knows
// neither microphone nor network: packets come in, frames go out, time is an argument.

import { ticks } from './wire/opus.js';
import { MAX_REDUNDANT } from './wire/voice.js';

/** What is kept until the floor is asked for, and what the gateway keeps until the grant; older voice would be late voice. */
export const HOLD_MS = 300;
/** Between two frames that leave the gateway once they are granted. */
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
 * @property {() => import('./uplink.js').Uplink} uplink the way of its frames, by now
 * @property {(frame: VoiceFrame) => void} send
 * @property {() => void} onHeldTooLong a packet was too old when the floor was asked for
 * @property {(grant: number) => void} release says `floor_release`
 * @property {() => void} done the talkspurt is over, however it ended
 */

export class Talkspurt {
  /** @type {{packet: Uint8Array, timestamp: number}[]} */
  #queue = [];
  /** What frames are sent under: a request's number, ahead of its grant, and then the grant. -1 before. */
  #request = -1;
  #grant = -1;
  #timestamp;
  #sequence;
  #sent = 0;
  /** The newest that were sent, oldest first: what a later frame may carry again. @type {Uint8Array[]} */
  #before = [];
  #sentAhead = 0;
  /** When all that was sent ahead has left the gateway. */
  #outBy = 0;
  #stopping = false;
  #drained = false;
  /** END, as it was sent last. @type {VoiceFrame | null} */
  #last = null;
  /** END and its repeats are sent. */
  #said = false;
  #over = false;
  /** There is no session to send on, or it isn't known yet what it has of this. */
  #suspended = false;
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
    if ((!this.#isOff || this.#suspended) && this.#queue.length * FRAME_MS > HOLD_MS) {
      this.#queue.shift();
      this.options.onHeldTooLong();
    }
    this.#pump();
  }

  /**
   * The floor is asked for: from now on all is sent, ahead of the grant; the gateway holds it until then.
   * @param {number} request
   */
  asked(request) {
    this.#request = request;
    this.#suspended = false;
    this.#pump();
  }

  /** Whether it has been granted. */
  get isGranted() {
    return this.#grant >= 0;
  }

  /** The session is lost, and may be resumed: of what is captured until then the newest is kept. */
  suspend() {
    this.#suspended = true;
    this.options.clock.cancel(this.#timer);
  }

  /** What it was before the loss it is still. */
  goOn() {
    if (!this.#suspended || this.#over) return;
    this.#suspended = false;
    if (this.#said) this.#close();
    else if (this.#last) this.#repeat(REPEATS, () => this.#allSaid());
    else this.#pump();
  }

  /** @param {number} grant */
  granted(grant) {
    if (this.#suspended && grant === this.#grant) return this.goOn();
    this.#suspended = false;
    this.#grant = grant;
    const held = Math.min(this.#sentAhead, HOLD_MS / FRAME_MS);
    this.#outBy = this.options.clock.now() + held * SPACING_MS;
    if (this.#said) this.#close();
    else this.#pump();
  }

  /** What comes from now on is the end, and its last packet is not known yet. */
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

  get #isOff() {
    return this.#request >= 0 || this.#grant >= 0;
  }

  #pump() {
    if (!this.#isOff || this.#suspended || this.#over || this.#last) return;
    // The last packet before the encoder is drained is kept: it may be the one to be marked with END.
    while (this.#queue.length > (this.#stopping ? 1 : 0)) this.#sendNext(false);
    if (this.#drained) this.#finish();
  }

  /** @param {boolean} end */
  #sendNext(end) {
    const { packet, timestamp } = this.#queue.shift() ?? { packet: new Uint8Array(0), timestamp: this.#timestamp };
    const { channel, talker } = this.options;
    const number = this.#sent++;
    const redundant = this.options.uplink().earlier({ number, end, packet }, this.#before);
    const frame = this.#send({ start: number === 0, end, sequence: this.#sequence, talker, timestamp, channel, redundant, packet });
    this.#before = [...this.#before, packet].slice(-MAX_REDUNDANT);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    return frame;
  }

  /**
   * Under what holds by now: a repeat of what was sent ahead may have its grant.
   * @param {Omit<VoiceFrame, 'talkAhead' | 'grant'>} what
   */
  #send(what) {
    const talkAhead = this.#grant < 0;
    const frame = { ...what, talkAhead, grant: talkAhead ? this.#request : this.#grant };
    if (talkAhead) this.#sentAhead++;
    this.options.send(frame);
    return frame;
  }

  #finish() {
    // Nothing was captured: the grant is waited for, to be given back.
    if (this.#sent === 0 && this.#queue.length === 0) {
      this.#said = true;
      return this.#close();
    }
    this.#last = this.#sendNext(true);
    this.#repeat(REPEATS, () => this.#allSaid());
  }

  #allSaid() {
    this.#said = true;
    this.#close();
  }

  /**
   * @param {number} times
   * @param {() => void} then
   */
  #repeat(times, then) {
    if (times === 0) return then();
    this.#later(REPEAT_MS, () => {
      if (this.#last) this.#last = this.#send(this.#last);
      this.#repeat(times - 1, then);
    });
  }

  /** All is said. The floor is given back once it is ours, and once what was said ahead of it is out. */
  #close() {
    if (this.#grant < 0 || this.#suspended) return;
    const wait = this.#outBy - this.options.clock.now();
    const saidAhead = this.#last?.talkAhead;
    if (saidAhead) return this.#later(Math.max(0, wait), () => this.#repeat(REPEATS, () => this.#release()));
    if (wait > 0) return this.#later(wait, () => this.#release());
    this.#release();
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
