// Bursts that are heard from their start: the last one again, or the present one by who enters late, a little faster until
// it is live (PROTOCOL.md, section 6.2). Says when which frame is due; knows neither network nor sound.

import { ticks, TICKS_PER_MS } from './wire/opus.js';

/** What catches up is played so much faster: more is hard to understand, less takes long. */
export const HURRY = 1.15;
/** Added to a talker's number: a replay is a voice of its own, beside what the same talker says meanwhile. */
export const REPLAYED = 0x10000;
const FRAME_MS = 20;
/** A replay is given up when frames have waited for it for so many looks, a second in all. */
const LOOKS = 10;
/** Between two looks. A page that stood still looks once: what came meanwhile, perhaps the replay, is read before it looks again. */
const LOOK_MS = 100;
/** Frames that wait at most, should the page hardly ever come to look. */
const MOST_WAITING = 500;

/**
 * @typedef {import('./wire/voice.js').VoiceFrame} VoiceFrame
 *
 * @typedef {object} ReplaySpeaker
 * @property {(frame: VoiceFrame) => void} frame
 * @property {(channel: number, talker: number, speed: number) => void} speed
 */

export class Replays {
  /** By channel. @type {Map<number, Replay>} */
  #all = new Map();
  /** Frames of bursts that are asked for, by channel. @type {Map<number, {grant: number, frames: VoiceFrame[], timer: unknown}>} */
  #expected = new Map();
  /** A grant of its own for each: the same burst may be played twice. */
  #grant = 0;

  /**
   * @param {import('./clock.js').Clock} clock
   * @param {ReplaySpeaker} speaker
   */
  constructor(clock, speaker) {
    this.clock = clock;
    this.speaker = speaker;
  }

  /**
   * A burst that goes on is asked for: from now on its frames wait for their turn.
   * @param {number} channel
   * @param {number} grant
   */
  expect(channel, grant) {
    this.abandon(channel);
    this.#expected.set(channel, { grant, frames: [], timer: null });
  }

  /** Whether one that is asked for is still waited for. @param {number} channel */
  expects(channel) {
    return this.#expected.has(channel);
  }

  /** Nothing came of it: what waited is heard as it would have been. @param {number} channel */
  abandon(channel) {
    const expected = this.#expected.get(channel);
    this.#forget(channel);
    for (const frame of expected?.frames ?? []) this.speaker.frame(frame);
  }

  /**
   * In place of the one that is on in that channel.
   * @param {import('./wire/replay.js').Replaying} head
   * @returns {Replay}
   */
  start({ channel, talker, grant, live }) {
    const expected = this.#expected.get(channel);
    if (expected && (!live || expected.grant !== grant)) this.abandon(channel);
    this.stop(channel);
    const as = { talker: REPLAYED + talker, grant: ++this.#grant };
    this.speaker.speed(channel, as.talker, live ? HURRY : 1);
    const replay = new Replay({
      clock: this.clock, speed: live ? HURRY : 1, of: live ? grant : null,
      play: (frame) => this.speaker.frame({ ...frame, ...as }),
      onLive: () => this.speaker.speed(channel, as.talker, 1),
    });
    if (live) for (const frame of expected?.frames ?? []) if (frame.grant === grant) replay.add(frame);
    this.#all.set(channel, replay);
    return replay;
  }

  /**
   * A frame came by datagram.
   * @param {VoiceFrame} frame
   * @returns {boolean} whether a replay plays it in its turn
   */
  take(frame) {
    const expected = this.#expected.get(frame.channel);
    if (expected?.grant === frame.grant) {
      expected.frames.push(frame);
      if (expected.frames.length > MOST_WAITING) this.abandon(frame.channel);
      else if (expected.frames.length === 1) this.#look(frame.channel, LOOKS);
      return true;
    }
    const replay = this.#all.get(frame.channel);
    if (!replay || frame.grant !== replay.of) return false;
    replay.add(frame);
    return true;
  }

  /** Gives up what frames have waited for long enough. @param {number} channel @param {number} looks that are left */
  #look(channel, looks) {
    const expected = this.#expected.get(channel);
    if (!expected) return;
    if (looks === 0) return this.abandon(channel);
    expected.timer = this.clock.after(() => this.#look(channel, looks - 1), LOOK_MS);
  }

  /** @param {number} channel */
  #forget(channel) {
    this.clock.cancel(this.#expected.get(channel)?.timer);
    this.#expected.delete(channel);
  }

  /** @param {number | null} channel */
  stop(channel) {
    for (const number of [...this.#expected.keys()]) if (channel === null || number === channel) this.#forget(number);
    for (const [number, replay] of this.#all) {
      if (channel !== null && number !== channel) continue;
      replay.stop();
      this.#all.delete(number);
    }
  }
}

/** One burst on its way: frames come as fast as they do, and leave as fast as they are to be heard. */
export class Replay {
  /** By sequence number, from the first frame on. @type {Map<number, VoiceFrame>} */
  #waiting = new Map();
  #next = -1;
  #whole = false;
  #isLive = false;
  #isStopped = false;
  /** @type {unknown} */
  #timer = null;

  /**
   * @param {object} options
   * @param {import('./clock.js').Clock} options.clock
   * @param {number} options.speed
   * @param {number | null} options.of the grant whose frames come by datagram too; null for a burst that is over
   * @param {(frame: VoiceFrame) => void} options.play
   * @param {() => void} options.onLive all that was behind is played
   */
  constructor(options) {
    this.options = options;
    this.of = options.of;
  }

  /** @param {VoiceFrame} frame in any order; the first of the stream's comes first */
  add(frame) {
    // A repeat of what was played already would be waited for without end; what was passed over may be in time yet.
    const isBehind = this.#next >= 0 && ((frame.sequence - this.#next) & 0xffff) >= 0x8000;
    if (this.#isLive || isBehind) return this.options.play(frame);
    this.#waiting.set(frame.sequence, frame);
  }

  /** @param {VoiceFrame} frame as it came on the stream, in order */
  recorded(frame) {
    // Its stream goes on for a while.
    if (this.#isStopped) return;
    const begins = this.#next < 0;
    if (begins) this.#next = frame.sequence;
    this.add(frame);
    if (begins) this.#play();
  }

  /** The stream has ended. */
  whole() {
    this.#whole = true;
    if (this.#next < 0 && !this.#isStopped) this.#live();
  }

  stop() {
    this.options.clock.cancel(this.#timer);
    this.#waiting.clear();
    this.#isStopped = true;
    this.of = null;
  }

  #play() {
    const frame = this.#take();
    if (frame) this.options.play(frame);
    else if (this.#whole && this.#waiting.size === 0) return this.#live();
    const ms = frame ? ticks(frame.packet) / TICKS_PER_MS : FRAME_MS;
    this.#timer = this.options.clock.after(() => this.#play(), (ms || FRAME_MS) / this.options.speed);
  }

  /** The next frame; one that is missing is passed over when there is any behind it, and left to the jitter buffer. */
  #take() {
    const frame = this.#waiting.get(this.#next);
    if (frame || (this.#whole && this.#waiting.size > 0)) {
      this.#waiting.delete(this.#next);
      this.#next = (this.#next + 1) & 0xffff;
    }
    return frame;
  }

  #live() {
    this.#isLive = true;
    this.options.onLive();
  }
}
