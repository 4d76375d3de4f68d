// The microphone's samples: to the worker in frames of 20 ms while the button is down, and their level to the page.

/** 20 ms at 48 kHz. */
const FRAME = 960;
/** Samples per level: 20 a second move a meter smoothly. */
const LEVEL = 2400;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {MessagePort | null} */
    this.worker = null;
    this.frame = new Float32Array(FRAME);
    this.filled = 0;
    /** The press that is captured for; 0 is none. */
    this.press = 0;
    this.energy = 0;
    this.measured = 0;
    this.port.onmessage = ({ data }) => {
      this.worker = data.port;
      data.port.onmessage = (/** @type {MessageEvent} */ event) => this.command(event.data);
    };
  }

  /** @param {{start?: number, stop?: number}} command */
  command({ start, stop }) {
    if (start) {
      this.press = start;
      this.filled = 0;
    }
    if (stop && stop === this.press) {
      // What was said until now, and silence to the frame's end.
      const filled = this.filled;
      this.frame.fill(0, filled);
      this.post({ last: true, filled });
      this.press = 0;
    }
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const samples = inputs[0][0];
    if (!samples) return true;
    this.meter(samples);
    if (this.press) this.collect(samples);
    return true;
  }

  /** @param {Float32Array} samples */
  collect(samples) {
    for (let at = 0; at < samples.length;) {
      const count = Math.min(samples.length - at, FRAME - this.filled);
      this.frame.set(samples.subarray(at, at + count), this.filled);
      this.filled += count;
      at += count;
      if (this.filled === FRAME) this.post({ last: false, filled: FRAME });
    }
  }

  /** @param {{last: boolean, filled: number}} what */
  post(what) {
    const samples = this.frame.slice();
    this.worker?.postMessage({ press: this.press, samples, ...what }, [samples.buffer]);
    this.filled = 0;
  }

  /** @param {Float32Array} samples */
  meter(samples) {
    for (const sample of samples) this.energy += sample * sample;
    this.measured += samples.length;
    if (this.measured < LEVEL) return;
    this.port.postMessage({ level: Math.sqrt(this.energy / this.measured) });
    this.energy = 0;
    this.measured = 0;
  }
}

registerProcessor('suara-capture', Capture);
