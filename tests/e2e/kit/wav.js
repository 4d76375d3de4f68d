/**
 * 16-bit mono PCM: to and from WAV files, and cut into chunks.
 *
 * @typedef {object} Pcm
 * @property {Int16Array} samples
 * @property {number} rate samples per second
 */
import { readFile, writeFile } from 'node:fs/promises';

const HEADER_BYTES = 44;

/** @param {string} file @returns {Promise<Pcm>} */
export async function readWav(file) {
  return parseWav(await readFile(file));
}

/**
 * Reads 16-bit mono PCM; anything else is a mistake of the test and throws.
 * @param {Buffer} bytes
 * @returns {Pcm}
 */
export function parseWav(bytes) {
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') {
    throw new Error('not a WAV file');
  }
  let rate = 0;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const id = bytes.toString('latin1', at, at + 4);
    const start = at + 8;
    const end = Math.min(start + bytes.readUInt32LE(at + 4), bytes.length);
    if (id === 'fmt ') {
      const [channels, bits] = [bytes.readUInt16LE(start + 2), bytes.readUInt16LE(start + 14)];
      if (channels !== 1 || bits !== 16) throw new Error(`expected 16-bit mono, got ${channels} channels of ${bits} bits`);
      rate = bytes.readUInt32LE(start + 4);
    }
    if (id === 'data') return { samples: toSamples(bytes.subarray(start, end)), rate };
    at = end + (end % 2);
  }
  throw new Error('a WAV file without data');
}

/** @param {string} file @param {Int16Array} samples @param {number} rate */
export async function writeWav(file, samples, rate) {
  const data = toBytes(samples);
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('RIFF', 0, 'latin1');
  header.writeUInt32LE(HEADER_BYTES - 8 + data.length, 4);
  header.write('WAVEfmt ', 8, 'latin1');
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * 2, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write('data', 36, 'latin1');
  header.writeUInt32LE(data.length, 40);
  await writeFile(file, Buffer.concat([header, data]));
}

/** @param {Uint8Array} bytes signed 16-bit little-endian; an odd last byte is dropped */
export function toSamples(bytes) {
  const whole = bytes.subarray(0, bytes.length - (bytes.length % 2));
  return new Int16Array(new Uint8Array(whole).buffer);
}

/** @param {Int16Array} samples @returns {Buffer} */
export function toBytes(samples) {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}

/**
 * Sizes in bytes of equal chunks that cover `total`; the last one is what remains.
 * @param {number} total @param {number} size
 */
export function fixedChunks(total, size) {
  const sizes = new Array(Math.floor(total / size)).fill(size);
  if (total % size) sizes.push(total % size);
  return sizes;
}

/**
 * Sizes in bytes of chunks as recorders cut them: any size between `least` and `most`. The same seed gives the same.
 * @param {number} total @param {number} seed
 * @param {{least?: number, most?: number, grain?: number}} [range] sizes are multiples of `grain`: 1 splits samples
 */
export function oddChunks(total, seed, { least = 62, most = 3584, grain = 2 } = {}) {
  const random = mulberry32(seed);
  const sizes = [];
  for (let left = total; left > 0; ) {
    const size = Math.min(left, grain * Math.round((least + random() * (most - least)) / grain));
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

/** A small seeded generator of numbers in [0, 1). @param {number} seed */
export function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
