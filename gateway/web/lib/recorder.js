// Records what the playback worklet gives out: decoded voice, concealment and silence, as one heard it.

export class Recorder {
  /** @type {Float32Array[]} */
  #blocks = [];
  /** @type {(() => void) | null} */
  #finished = null;
  #port;
  #take;

  /** @param {MessagePort} port of the playback worklet */
  constructor(port) {
    this.#port = port;
    this.#take = (/** @type {MessageEvent} */ { data }) => {
      if (!data.recorded) return;
      this.#blocks.push(data.recorded);
      if (data.last) this.#finished?.();
    };
    port.addEventListener('message', this.#take);
    port.start();
    port.postMessage({ record: true });
  }

  /** @returns {Promise<Float32Array<ArrayBuffer>>} at 48 kHz, mono */
  async stop() {
    const finished = new Promise((resolve) => { this.#finished = () => resolve(undefined); });
    this.#port.postMessage({ record: false });
    await finished;
    this.#port.removeEventListener('message', this.#take);
    const whole = new Float32Array(this.#blocks.reduce((sum, block) => sum + block.length, 0));
    let at = 0;
    for (const block of this.#blocks) {
      whole.set(block, at);
      at += block.length;
    }
    return whole;
  }
}
