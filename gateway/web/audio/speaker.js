// The worker's end of the playback: a stream per talker, and their numbers.

import { Stream } from './stream.js';

/** More than this many talkers at once are an attack or a mistake; the quiet ones give way. */
const MOST_STREAMS = 16;

export class WorkletSpeaker {
  /** @type {Map<string, Stream & {channel: number, talker: number}>} */
  #streams = new Map();
  /** @type {MessagePort | null} */
  #port = null;
  /** @type {Map<number, number>} */
  #gains = new Map();
  /** Of streams that are gone. @type {Record<string, number>} */
  #past = {};

  /**
   * @param {(channel: number, talker: number, speaking: boolean) => void} onSpeaking
   * @param {(channel: number, talker: number, burst: import('../lib/reports.js').HeardBurst) => void} onHeard
   */
  constructor(onSpeaking, onHeard) {
    this.onSpeaking = onSpeaking;
    this.onHeard = onHeard;
  }

  /** @param {MessagePort} port */
  attach(port) {
    this.#port = port;
    for (const [channel, gain] of this.#gains) port.postMessage({ channel, gain });
    port.onmessage = ({ data }) => {
      this.#streams.get(data.stream)?.pull(data.depth, data.received, performance.now());
    };
  }

  /**
   * How loud a channel is: 0 is silent, 1 as it comes.
   * @param {number} channel
   * @param {number} gain
   */
  gain(channel, gain) {
    this.#gains.set(channel, gain);
    this.#port?.postMessage({ channel, gain });
  }

  /**
   * @param {import('../lib/wire/voice.js').VoiceFrame} frame
   * @param {boolean} [entered] whether one came in the middle of its talkspurt
   */
  frame(frame, entered) {
    this.#stream(frame.channel, frame.talker)?.frame(frame, performance.now(), entered);
  }

  /**
   * @param {number} channel
   * @param {number} talker
   * @param {number} speed 1 is as it was said
   */
  speed(channel, talker, speed) {
    const stream = this.#stream(channel, talker);
    if (stream) stream.hasten.speed = speed;
  }

  /**
   * @param {number} channel
   * @param {number | null} talker whose burst is over; whoever's it was when null
   */
  floorIdle(channel, talker) {
    for (const stream of this.#streams.values()) {
      if (stream.channel === channel && (talker ?? stream.talker) === stream.talker) stream.jitter.floorIdle();
    }
  }

  /** @param {number | null} channel */
  silence(channel) {
    for (const [id, stream] of this.#streams) {
      if (channel === null || stream.channel === channel) this.#drop(id, stream);
    }
  }

  stats() {
    const sum = { ...this.#past };
    let depthMs = 0;
    let targetMs = 0;
    for (const stream of this.#streams.values()) {
      add(sum, counters(stream));
      depthMs = Math.max(depthMs, stream.depthMs);
      targetMs = Math.max(targetMs, stream.jitter.targetMs);
    }
    return { ...sum, depthMs, targetMs };
  }

  /**
   * @param {number} channel
   * @param {number} talker
   */
  #stream(channel, talker) {
    const id = `${channel}:${talker}`;
    const known = this.#streams.get(id);
    if (known) return known;
    if (this.#streams.size >= MOST_STREAMS) this.#dropQuiet();
    if (this.#streams.size >= MOST_STREAMS) return undefined;
    const stream = new Stream(
      id,
      (message, transfer = []) => this.#port?.postMessage(message, transfer),
      (speaking) => this.onSpeaking(channel, talker, speaking),
      (burst) => this.onHeard(channel, talker, burst),
    );
    const placed = Object.assign(stream, { channel, talker });
    this.#streams.set(id, placed);
    return placed;
  }

  #dropQuiet() {
    for (const [id, stream] of this.#streams) if (!stream.active) this.#drop(id, stream);
  }

  /**
   * @param {string} id
   * @param {Stream} stream
   */
  #drop(id, stream) {
    add(this.#past, counters(stream));
    stream.drop();
    this.#streams.delete(id);
  }
}

/** @param {Stream} stream */
function counters({ jitter, catchUp }) {
  return { ...jitter.stats, caughtUp: catchUp.skipped };
}

/**
 * @param {Record<string, number>} sum
 * @param {Record<string, number>} more
 */
function add(sum, more) {
  for (const [name, value] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + value;
}
