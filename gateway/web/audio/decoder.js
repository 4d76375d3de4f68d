// Opus by WebCodecs: packets in, samples out, in order. A packet that can't be decoded is a lost frame, not an end.

export class VoiceDecoder {
  /** @type {AudioDecoder | null} */
  #decoder = null;
  #timestamp = 0;

  /**
   * @param {(samples: Float32Array<ArrayBuffer>) => void} onSamples
   * @param {() => void} onError everything that was given and hasn't come out is lost
   */
  constructor(onSamples, onError) {
    this.onSamples = onSamples;
    this.onError = onError;
  }

  /** Forgets what was said: the next packet begins a talkspurt. */
  reset() {
    if (this.#decoder?.state === 'configured') this.#decoder.reset();
    if (this.#decoder?.state !== 'unconfigured') this.#decoder = this.#make();
    this.#decoder.configure({ codec: 'opus', sampleRate: 48_000, numberOfChannels: 1 });
    this.#timestamp = 0;
  }

  /**
   * @param {Uint8Array} packet
   * @param {number} ticks how long it sounds
   */
  decode(packet, ticks) {
    if (this.#decoder?.state !== 'configured') this.reset();
    const duration = (ticks / 48) * 1000;
    this.#decoder?.decode(new EncodedAudioChunk({
      type: 'key', timestamp: this.#timestamp, duration, data: /** @type {Uint8Array<ArrayBuffer>} */ (packet),
    }));
    this.#timestamp += duration;
  }

  close() {
    if (this.#decoder && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
  }

  #make() {
    const decoder = new AudioDecoder({
      output: (data) => {
        const samples = new Float32Array(data.numberOfFrames);
        data.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        data.close();
        if (decoder === this.#decoder) this.onSamples(samples);
      },
      error: () => {
        if (decoder === this.#decoder) this.onError();
      },
    });
    return decoder;
  }
}
