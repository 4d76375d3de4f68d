/** Voice quality as listeners would rate it: ITU-T P.862.2 (PESQ, wide band), 1.0 to 4.64. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { resampleTo } from './audio.js';
import { python, work } from './paths.js';
import { writeWav } from './wav.js';

const script = join(dirname(fileURLToPath(import.meta.url)), 'voice_quality.py');
const RATE = 16000;

/**
 * Aligns `recorded` with `reference` and rates it; both are brought to 16 kHz first.
 * @param {import('./wav.js').Pcm} reference
 * @param {import('./wav.js').Pcm} recorded
 * @returns {Promise<{pesq: number, delay_ms: number}>}
 */
export async function pesq(reference, recorded) {
  const directory = await mkdtemp(join(work, 'pesq-'));
  try {
    const files = await Promise.all([
      at16k(reference, join(directory, 'reference')),
      at16k(recorded, join(directory, 'recorded')),
    ]);
    const { stdout } = await promisify(execFile)(python, [script, ...files]);
    return JSON.parse(stdout);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** @param {import('./wav.js').Pcm} pcm @param {string} path @returns {Promise<string>} */
async function at16k({ samples, rate }, path) {
  await writeWav(`${path}.wav`, samples, rate);
  if (rate === RATE) return `${path}.wav`;
  await resampleTo(`${path}.wav`, RATE, `${path}-16k.wav`);
  return `${path}-16k.wav`;
}
