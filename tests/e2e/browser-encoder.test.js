/** The page's encoder in a real browser: as many bits as a press asks for, and a packet for each frame whatever they are. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { speech } from './kit/audio.js';
import { openPage } from './kit/browser.js';
import { Server } from './kit/server.js';

const server = new Server();
after(() => server.stop());

/** 20 ms at 48 kHz. */
const FRAME = 960;
const SECONDS = 4;

/** The lengths of the packets that speech becomes. @param {{base64: string, bitrate: number}} said 32-bit floats at 48 kHz */
async function encoded({ base64, bitrate }) {
  const { VoiceEncoder, FRAME: frame } = await import(/** @type {any} */ ('/audio/encoder.js'));
  const samples = new Float32Array(Uint8Array.from(atob(base64), (each) => each.charCodeAt(0)).buffer);
  /** @type {number[]} */
  const lengths = [];
  const encoder = new VoiceEncoder((/** @type {Error} */ error) => { throw error; });
  encoder.onPacket = (/** @type {Uint8Array} */ packet) => void lengths.push(packet.byteLength);
  encoder.configure(bitrate);
  for (let at = 0; at < samples.length; at += frame) encoder.encode(samples.slice(at, at + frame));
  await encoder.finish(0);
  return lengths;
}

test('a press with few bits has short packets, and all of them', async (t) => {
  await server.start();
  const page = await openPage(t);
  await page.goto(server.url);
  const { samples } = await speech('patrol', 48_000);
  const floats = Float32Array.from(samples.slice(0, SECONDS * 48_000), (sample) => sample / 32768);
  const base64 = Buffer.from(floats.buffer).toString('base64');
  for (const bitrate of [24_000, 18_000, 12_000]) {
    const lengths = await page.evaluate(encoded, { base64, bitrate });
    const bits = (lengths.reduce((sum, length) => sum + length, 0) * 8) / (lengths.length * 0.02);
    t.diagnostic(`${Math.round(bits)} bits a second of ${bitrate}, the longest packet ${Math.max(...lengths)} bytes`);
    // What the encoder looks ahead takes a frame more, and a browser's last may be cut in two.
    const more = lengths.length - (SECONDS * 48_000) / FRAME;
    assert.ok(more === 1 || more === 2, `${more} more packets than frames`);
    assert.ok(Math.abs(bits / bitrate - 1) < 0.25, `${bits} of ${bitrate}`);
  }
});
