import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VOICES, assertSameSpeech, microphone, recordedVoices, resample, speech } from '../audio.js';
import { compareSpeech } from '../envelope.js';
import { work } from '../paths.js';
import { fixedChunks, mulberry32, oddChunks, parseWav, readWav, toBytes, toSamples, writeWav } from '../wav.js';

const directory = mkdtempSync(join(work, 'audio-'));
after(() => rmSync(directory, { recursive: true }));
const names = /** @type {(keyof typeof VOICES)[]} */ (Object.keys(VOICES));

/** @param {import('../wav.js').Pcm} pcm @param {number} from @param {number} to milliseconds */
function without(pcm, from, to) {
  const [a, b] = [from, to].map((ms) => (ms * pcm.rate) / 1000);
  return { rate: pcm.rate, samples: Int16Array.from([...pcm.samples.subarray(0, a), ...pcm.samples.subarray(b)]) };
}

/** @param {import('../wav.js').Pcm} pcm @param {number} from @param {number} to milliseconds */
function muted(pcm, from, to) {
  const samples = pcm.samples.slice();
  samples.fill(0, (from * pcm.rate) / 1000, (to * pcm.rate) / 1000);
  return { rate: pcm.rate, samples };
}

for (const name of names) {
  test(`the voice ${name} is itself, not itself backwards and nobody else`, async () => {
    const source = await speech(name);
    const seconds = source.samples.length / source.rate;
    assert.ok(seconds > 5 && seconds < 11, `${seconds} s`);
    const report = assertSameSpeech(source, await speech(name, 48000), { lostMs: 0 });
    assert.ok(report.correlation > 0.99 && report.reversed < 0.5, JSON.stringify(report));
    for (const other of names.filter((candidate) => candidate !== name)) {
      assert.ok(compareSpeech(source, await speech(other)).correlation < 0.6, other);
    }
  });
}

test('a recorded voice beside the repository passes the same check', async (t) => {
  if (recordedVoices().length === 0) return t.skip('none there');
  for (const file of recordedVoices()) assertSameSpeech(await readWav(file), await resample(file, 16000), { lostMs: 10 });
});

test('speech through a telephone codec, late and quieter, is still the same speech', async () => {
  const source = await speech('patrol');
  const [coded, heard] = [join(directory, 'coded.gsm'), join(directory, 'heard.wav')];
  execFileSync('sox', ['-D', source.file, '-r', '8000', coded]);
  execFileSync('sox', ['-D', coded, '-r', '48000', '-b', '16', heard, 'vol', '0.5', 'pad', '0.333', '1']);
  const report = assertSameSpeech(source, await readWav(heard));
  assert.ok(Math.abs(report.delayMs - 333) <= 5, `${report.delayMs} ms`);
});

test('speech backwards fails', async () => {
  const source = await speech('medic');
  assert.throws(() => assertSameSpeech(source, { ...source, samples: source.samples.slice().reverse() }), /not the speech/);
});

test('noise and silence fail', async () => {
  const source = await speech('dispatch');
  const random = mulberry32(1);
  const noise = source.samples.map(() => (random() - 0.5) * 20000);
  assert.throws(() => assertSameSpeech(source, { ...source, samples: noise }), /not the speech/);
  assert.throws(() => assertSameSpeech(source, { ...source, samples: new Int16Array(80000) }), /not the speech/);
});

test('a second cut out or muted fails, and so do three muted frames', async () => {
  const source = await speech('indonesia');
  assert.throws(() => assertSameSpeech(source, without(source, 1500, 2500)));
  assert.throws(() => assertSameSpeech(source, muted(source, 1500, 2500)));
  assert.throws(() => assertSameSpeech(source, muted(source, 1000, 1060)), /speech is missing/);
});

test('speech that a jitter buffer plays later from some pause on has lost nothing, but time was added', async () => {
  const source = await speech('patrol');
  const half = 3.2 * source.rate;
  const pause = new Array(0.04 * source.rate).fill(0);
  const later = [...source.samples.subarray(0, half), ...pause, ...source.samples.subarray(half)];
  const heard = { rate: source.rate, samples: Int16Array.from(later) };
  assert.throws(() => assertSameSpeech(source, heard), /time was lost or added/);
  const report = assertSameSpeech(source, heard, { driftMs: 40 });
  assert.equal(report.lostMs, 0);
});

test('a frame cut out without a hole is time lost', async () => {
  const source = await speech('patrol');
  assert.throws(() => assertSameSpeech(source, without(source, 3000, 3020)), /time was lost or added/);
});

test('a lost beginning or end is reported', async () => {
  const source = await speech('patrol');
  const end = (source.samples.length / source.rate) * 1000;
  assert.throws(() => assertSameSpeech(source, without(source, 0, 300)), /speech is missing/);
  assert.throws(() => assertSameSpeech(source, without(source, end - 1200, end)));
});

test('a WAV file reads as it was written', async () => {
  const file = join(directory, 'written.wav');
  const samples = Int16Array.from([0, 1, -1, 32767, -32768]);
  await writeWav(file, samples, 24000);
  assert.deepEqual(await readWav(file), { samples, rate: 24000 });
  assert.throws(() => parseWav(Buffer.from('nonsense')), /not a WAV/);
});

test('samples survive as little-endian bytes, an odd last byte does not', () => {
  const samples = Int16Array.from([256, -2]);
  assert.deepEqual([...toBytes(samples)], [0, 1, 254, 255]);
  assert.deepEqual(toSamples(Buffer.from([0, 1, 254, 255, 7])), samples);
});

test('chunks cover everything, and a seed gives the same odd ones again', () => {
  const sum = (/** @type {number[]} */ sizes) => sizes.reduce((a, b) => a + b, 0);
  assert.deepEqual(fixedChunks(1500, 640), [640, 640, 220]);
  const odd = oddChunks(100000, 7);
  assert.equal(sum(odd), 100000);
  assert.deepEqual(odd, oddChunks(100000, 7));
  assert.notDeepEqual(odd, oddChunks(100000, 8));
  assert.ok(odd.every((size) => size % 2 === 0 && size <= 3584));
});

test('the microphone file is the speech after a pause', async () => {
  const source = await speech('medic');
  const report = assertSameSpeech(source, await readWav(await microphone(source)), { lostMs: 0 });
  assert.ok(Math.abs(report.delayMs - 700) <= 2, `${report.delayMs} ms`);
});
