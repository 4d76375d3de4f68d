import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { assertSameSpeech, microphone, speech } from '../audio.js';
import { openPage } from '../browser.js';
import { toSamples } from '../wav.js';

/** Runs in the page. @param {number} seconds @returns {Promise<string>} PCM at 48 kHz in base64 */
async function recordMicrophone(seconds) {
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  const context = new AudioContext({ sampleRate: 48000 });
  const worklet = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process([[channel]]) { if (channel) this.port.postMessage(channel.slice()); return true; }
  })`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })));
  const tap = new AudioWorkletNode(context, 'tap', { channelCount: 1, channelCountMode: 'explicit' });
  /** @type {number[]} */
  const samples = [];
  tap.port.onmessage = ({ data }) => samples.push(...data);
  context.createMediaStreamSource(stream).connect(tap);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const bytes = new Uint8Array(Int16Array.from(samples, (sample) => sample * 32767).buffer);
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

test('a page hears the whole speech from its microphone within two rounds', async (t) => {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>.')).listen(0);
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());

  const source = await speech('dispatch');
  const page = await openPage(t, { microphone: await microphone(source), colorScheme: 'dark', locale: 'id-ID' });
  await page.goto(`http://127.0.0.1:${port}/`);
  assert.equal(await page.evaluate(() => navigator.language), 'id-ID');
  assert.ok(await page.evaluate(() => matchMedia('(prefers-color-scheme: dark)').matches));

  const rounds = (source.samples.length / source.rate + 0.7) * 2;
  const heard = await page.evaluate(recordMicrophone, rounds);
  assertSameSpeech(source, { samples: toSamples(Buffer.from(heard, 'base64')), rate: 48000 });
});
