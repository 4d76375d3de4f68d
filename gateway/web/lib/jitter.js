// A talker's jitter buffer. Pure: frames and time in, packets in order out, one per call of `pop`, which the playback's
// clock drives. It adapts between talkspurts only, where a change of delay is inaudible: no sound is ever stretched.

import { DelayTarget, ENTRY_MS } from './delay.js';
import { ticks, TICKS_PER_MS } from './wire/opus.js';

/**
 * @typedef {import('./wire/voice.js').VoiceFrame} VoiceFrame
 * @typedef {{kind: 'packet', packet: Uint8Array} | {kind: 'lost'} | {kind: 'underrun'} | {kind: 'nothing'}
 *   | {kind: 'end'}} Popped `lost` and `underrun` are 20 ms to be concealed; `nothing` asks to come again later
 */

/** What we assume of a frame's length until a packet says it. */
const FRAME_TICKS = 20 * TICKS_PER_MS;
/** Deeper than that is skipped to live. Above the 300 ms that a talker may hold before its grant. */
const DEEPEST_MS = 480;
/** A jump of sequence numbers beyond this is no loss but another stream. */
const FARTHEST = 100;
/** So many concealed frames in a row end a talkspurt whose END was lost. */
const STARVED = 15;
/** The same when the gateway has said that the floor is idle: what was under way has had its 150 ms. */
const STARVED_IDLE = 8;

export class JitterBuffer {
  /** @type {Map<number, Uint8Array>} by extended sequence number */
  #packets = new Map();
  #delay = new DelayTarget();
  #open = false;
  #playing = false;
  #idle = false;
  #next = 0;
  #highest = 0;
  /** Sequence number of END, or Infinity. */
  #end = Infinity;
  /** When number 0 would have come, by the fastest frame of those before the play-out. */
  #zeroAt = Infinity;
  /** Concealed frames that stood for no known loss: a loss found afterwards has been paid for already. */
  #debt = 0;
  #starved = 0;
  /** The newest grant; frames of older ones are late by definition. */
  #grant = -1;
  /** Whether one came in the middle of this talkspurt. */
  #entered = false;
  /** Whether START itself was seen: nothing comes before it. */
  #anchored = false;
  /** Numbers that were passed over: one that comes after all is late, any other is a repeat. @type {Set<number>} */
  #gaps = new Set();
  #frameTicks = FRAME_TICKS;
  stats = {
    received: 0, lost: 0, recovered: 0, concealed: 0, underruns: 0, late: 0, duplicate: 0, stale: 0, skipped: 0,
  };

  /** What waits to be played, in ms. */
  get depthMs() {
    return (this.#packets.size * this.#frameTicks) / TICKS_PER_MS;
  }

  get targetMs() {
    return this.#delay.targetMs;
  }

  /**
   * Takes a frame; `started` when it opens a talkspurt, which resets decoder and playback.
   * @param {VoiceFrame} frame
   * @param {number} now
   * @param {boolean} [entered] whether one entered the channel in the middle of this talkspurt
   * @returns {'started' | 'taken' | 'dropped'}
   */
  push(frame, now, entered = false) {
    if (frame.grant < this.#grant) return this.#drop('stale');
    const fresh = frame.grant > this.#grant || this.#restarts(frame);
    if (fresh) this.#start(frame, entered && !frame.start);
    const sequence = this.#extend(frame.sequence);
    // A closed talkspurt stays closed: a repeat of END or a straggler must not open it again.
    if (!this.#open) return this.#drop(sequence < this.#next && !this.#gaps.has(sequence) ? 'duplicate' : 'late');
    if (Math.abs(sequence - this.#next) > FARTHEST) return this.#drop('late');
    this.stats.received++;
    const stored = this.#store(frame, sequence, now);
    if (frame.end) this.#end = Math.min(this.#end, sequence);
    this.#skipToLive();
    return fresh ? 'started' : stored;
  }

  /** The gateway said that the floor is idle: what is here is played, and no END is waited for. */
  floorIdle() {
    this.#idle = true;
  }

  /**
   * The next 20 ms.
   * @param {number} now
   * @param {boolean} must whether the playback is about to run dry; until then a missing frame is waited for
   * @returns {Popped}
   */
  pop(now, must) {
    if (!this.#open) return { kind: 'nothing' };
    if (!this.#playing) {
      if (!this.#ripe(now)) return { kind: 'nothing' };
      this.#playing = true;
    }
    if (this.#next > this.#end) return this.#finish();
    this.#settleDebt();
    const packet = this.#packets.get(this.#next);
    if (packet) return this.#play(packet);
    if (this.#next === this.#end) return this.#finish();
    return must ? this.#conceal() : { kind: 'nothing' };
  }

  /**
   * Whether it is time to play. The fastest frame tells when the first one was due: that one may have been lost and come with a
   * later one, and a talker's held voice comes faster than it was said.
   * @param {number} now
   */
  #ripe(now) {
    if (this.#end !== Infinity || this.#idle) return true;
    const target = this.#entered ? ENTRY_MS : this.targetMs;
    return now - this.#dueIn(this.#next) - this.#zeroAt >= target;
  }

  /** From number 0 to this one, in ms. @param {number} sequence */
  #dueIn = (sequence) => (sequence * this.#frameTicks) / TICKS_PER_MS;

  /**
   * Whether a frame of the grant that is known begins anew: a talker may press again within a grant, and one whom we
   * gave up for silent may go on.
   * @param {VoiceFrame} frame
   */
  #restarts(frame) {
    const ahead = this.#extend(frame.sequence) - this.#highest;
    if (frame.start) return ahead > 0 || ahead < -FARTHEST;
    return !this.#open && ahead > 0;
  }

  /** @type {(frame: VoiceFrame, entered: boolean) => void} */
  #start(frame, entered) {
    // One who goes on: what was played before isn't played again.
    const again = frame.grant === this.#grant && !frame.start;
    const back = again ? Math.min(frame.redundant.length, this.#extend(frame.sequence) - this.#highest - 1) : 0;
    this.#delay.newTalkspurt();
    this.#packets.clear();
    this.#grant = frame.grant;
    [this.#open, this.#playing] = [true, false];
    this.#idle = false;
    this.#end = Infinity;
    [this.#debt, this.#starved, this.#zeroAt] = [0, 0, Infinity];
    this.#entered = entered;
    this.#anchored = frame.start || again;
    this.#gaps.clear();
    this.#next = frame.sequence - back;
    this.#highest = frame.sequence;
  }

  /** @param {'stale' | 'late' | 'duplicate'} why */
  #drop(why) {
    this.stats[why]++;
    return /** @type {const} */ ('dropped');
  }

  /** Unwraps 16 bits by the highest number seen. @param {number} sequence */
  #extend(sequence) {
    const difference = ((sequence - this.#highest + 0x8000) & 0xffff) - 0x8000;
    return this.#highest + difference;
  }

  /** @type {(frame: VoiceFrame, sequence: number, now: number) => 'taken' | 'dropped'} */
  #store(frame, sequence, now) {
    this.#highest = Math.max(this.#highest, sequence);
    this.#frameTicks = ticks(frame.packet) || this.#frameTicks;
    if (!this.#playing) this.#zeroAt = Math.min(this.#zeroAt, now - this.#dueIn(sequence));
    const first = sequence - frame.redundant.length;
    // Overtaken by a later frame before anything was played: the talkspurt begins earlier than it seemed.
    if (!this.#playing && !this.#anchored && first < this.#next) this.#next = first;
    if (frame.start) this.#anchored = true;
    frame.redundant.forEach((packet, i) => this.#repair(first + i, packet, frame.timestamp - (sequence - first - i) * this.#frameTicks, now));
    if (frame.packet.length === 0) return /** @type {const} */ ('taken');
    if (this.#packets.has(sequence) || (sequence < this.#next && !this.#gaps.has(sequence))) return this.#drop('duplicate');
    this.#delay.arrived(frame.timestamp, now);
    if (sequence < this.#next) return this.#drop('late');
    this.#packets.set(sequence, frame.packet);
    return /** @type {const} */ ('taken');
  }

  /**
   * An earlier packet, which is one that came late, if it hasn't come before; or too late, if it is missed already.
   * @type {(sequence: number, packet: Uint8Array, timestamp: number, now: number) => void}
   */
  #repair(sequence, packet, timestamp, now) {
    if (this.#packets.has(sequence) || (sequence < this.#next && !this.#gaps.delete(sequence))) return;
    this.#delay.arrived(timestamp, now);
    if (sequence < this.#next) return;
    this.#packets.set(sequence, packet);
    this.stats.recovered++;
  }

  #skipToLive() {
    if (this.depthMs <= DEEPEST_MS) return;
    const keep = Math.ceil((this.targetMs * TICKS_PER_MS) / this.#frameTicks);
    const sequences = [...this.#packets.keys()].sort((a, b) => a - b);
    const dropped = sequences.slice(0, -keep);
    for (const sequence of dropped) this.#packets.delete(sequence);
    this.stats.skipped += dropped.length;
    this.#next = sequences[dropped.length];
    this.#debt = 0;
  }

  /** Losses whose time has been played already are passed over in silence. */
  #settleDebt() {
    while (this.#debt > 0 && this.#packets.size > 0 && !this.#packets.has(this.#next)) {
      this.#passOver();
      this.#debt--;
    }
    if (this.#packets.size > 0) this.#debt = 0;
  }

  /** @type {(packet: Uint8Array) => Popped} */
  #play(packet) {
    this.#packets.delete(this.#next++);
    this.#starved = 0;
    return { kind: 'packet', packet };
  }

  /** @returns {Popped} */
  #conceal() {
    // With END known, everything has been sent: what isn't here by now is as good as lost.
    if (this.#packets.size > 0 || this.#end !== Infinity) {
      this.stats.concealed++;
      this.#passOver();
      return { kind: 'lost' };
    }
    // Nothing behind it: lost or only late, which the next frame will tell. The play-out waits at this number.
    if (++this.#starved > (this.#idle ? STARVED_IDLE : STARVED)) return this.#finish();
    this.#debt++;
    this.stats.concealed++;
    this.stats.underruns++;
    return { kind: 'underrun' };
  }

  #passOver() {
    this.#gaps.add(this.#next++);
    this.stats.lost++;
  }

  /** @returns {Popped} */
  #finish() {
    this.#open = false;
    this.#packets.clear();
    return { kind: 'end' };
  }
}
