// Plays what the worker decoded, and is the clock by which it decodes: each stream's depth is told every 10 ms while it
// sounds. Mixes, because talkers of several channels may be heard at once.

import { Ring } from './ring.js';

/**
 * @typedef {{stream: string, kind: 'start' | 'end' | 'drop'} | {stream: string, kind: 'pcm', samples: Float32Array}
 *   | {channel: number, gain: number}} ToPlayback from the worker; a stream's name begins with its channel's number
 * @typedef {{stream: string, depth: number, received: number}} FromPlayback to the worker
 */

/** Blocks of 128 samples between two reports. */
const REPORT_EVERY = 4;
/** Samples of one message of the recorder. */
const TAP = 4800;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {Map<string, Ring>} */
    this.rings = new Map();
    /** @type {MessagePort | null} */
    this.worker = null;
    /** How loud each channel is, where that is not as it comes. @type {Map<string, number>} */
    this.gains = new Map();
    this.blocks = 0;
    this.underruns = 0;
    this.tap = new Float32Array(TAP);
    this.tapped = 0;
    this.recording = false;
    this.port.onmessage = ({ data }) => this.page(data);
  }

  /** @param {{port?: MessagePort, record?: boolean, stats?: boolean}} message */
  page({ port, record, stats }) {
    if (port) {
      this.worker = port;
      port.onmessage = ({ data }) => this.take(data);
    }
    if (stats) this.port.postMessage({ stats: { underruns: this.underruns, streams: this.rings.size } });
    if (record === true) this.tapped = 0;
    if (record === false) this.flushTap(true);
    if (record !== undefined) this.recording = record;
  }

  /** @param {ToPlayback} message */
  take(message) {
    if ('gain' in message) {
      this.gains.set(String(message.channel), message.gain);
      return;
    }
    const ring = this.rings.get(message.stream) ?? new Ring();
    switch (message.kind) {
      case 'start':
        ring.start();
        this.rings.set(message.stream, ring);
        break;
      case 'pcm': ring.push(message.samples); break;
      case 'end': ring.end(); break;
      case 'drop': this.rings.delete(message.stream); break;
    }
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const out = outputs[0][0];
    const report = this.blocks++ % REPORT_EVERY === 0;
    for (const [stream, ring] of this.rings) {
      const before = ring.underruns;
      ring.mixInto(out, this.gains.get(stream.split(':', 1)[0]));
      this.underruns += ring.underruns - before;
      if (ring.done) this.rings.delete(stream);
      else if (report) this.worker?.postMessage({ stream, depth: ring.depth, received: ring.received });
    }
    if (this.recording) this.record(out);
    return true;
  }

  /** @param {Float32Array} block */
  record(block) {
    this.tap.set(block, this.tapped);
    this.tapped += block.length;
    if (this.tapped + block.length > TAP) this.flushTap(false);
  }

  /** @param {boolean} last */
  flushTap(last) {
    const samples = this.tap.slice(0, this.tapped);
    this.tapped = 0;
    this.port.postMessage({ recorded: samples, last }, [samples.buffer]);
  }
}

registerProcessor('suara-playback', Playback);
