/** Real-time pacing without drift, for the clients that run in this process. */
import { readFile } from 'node:fs/promises';
import { sleep } from '../wait.js';

/**
 * @param {string} file raw PCM @param {number[]} sizes in bytes @param {number} bytesPerSecond
 * @param {(chunk: Buffer) => void} send
 */
export async function paced(file, sizes, bytesPerSecond, send) {
  const bytes = await readFile(file);
  const start = performance.now();
  let offset = 0;
  for (const size of sizes) {
    await sleep(start + (offset / bytesPerSecond) * 1000 - performance.now());
    send(bytes.subarray(offset, offset + size));
    offset += size;
  }
}
