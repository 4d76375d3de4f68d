// Opus by WebCodecs, 20 ms a packet, one encoder per press: a fresh one owes nothing to what was said before.

import { BITRATE } from '../lib/uplink.js';

/** 20 ms at 48 kHz. */
export const FRAME = 960;
/** libopus looks 6.5 ms ahead: so much silence must follow the last sample for it to come out. */
const LOOKAHEAD = 312;

// Newer than the type checker's library. No `usedtx`: Firefox throws, and Chromium drops packets, silence with them,
// by which the gateway hears that the talker is there.
/** @type {any} */
const OPUS = { frameDuration: 20_000, application: 'voip', signal: 'voice', complexity: 9 };

/** @type {AudioEncoderConfig} */
const CONFIG = { codec: 'opus', sampleRate: 48_000, numberOfChannels: 1, bitrateMode: 'variable', opus: OPUS };

export class VoiceEncoder {
  #encoder;
  #timestamp = 0;
  /** @type {(packet: Uint8Array) => void} */
  onPacket = () => {};

  /** @param {(error: Error) => void} onError */
  constructor(onError) {
    this.#encoder = new AudioEncoder({
      // The chunk's own timestamp is not looked at: Firefox's can't be trusted. Packets come in order, one per 20 ms.
      output: (chunk) => {
        const packet = new Uint8Array(chunk.byteLength);
        chunk.copyTo(packet);
        this.onPacket(packet);
      },
      error: onError,
    });
    this.configure(BITRATE);
  }

  /** Before anything is encoded. @param {number} bitrate bits a second */
  configure(bitrate) {
    this.#encoder.configure({ ...CONFIG, bitrate });
  }

  /** @param {Float32Array<ArrayBuffer>} samples FRAME of them */
  encode(samples) {
    const data = new AudioData({
      format: 'f32-planar', sampleRate: 48_000, numberOfChannels: 1, numberOfFrames: samples.length,
      timestamp: this.#timestamp, data: samples,
    });
    this.#timestamp += 20_000;
    this.#encoder.encode(data);
    data.close();
  }

  /**
   * Lets out what the encoder still holds, then ends it.
   * @param {number} silent how many samples of silence the last frame ended with
   */
  async finish(silent) {
    if (this.#encoder.state !== 'configured') return;
    if (silent < LOOKAHEAD) this.encode(new Float32Array(FRAME));
    await this.#encoder.flush();
    this.#encoder.close();
  }
}
