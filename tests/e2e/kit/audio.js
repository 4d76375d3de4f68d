/**
 * Speech to send and to check: spoken by espeak-ng, shaped by sox, cached in `.work/speech`.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { compareSpeech } from './envelope.js';
import { repository, work } from './paths.js';
import { readWav } from './wav.js';

const run = promisify(execFile);

/** @typedef {import('./wav.js').Pcm} Pcm */
/** @typedef {Pcm & {file: string, name: string}} Speech */

/**
 * What is said. Phrases of uneven length with pauses between them: played backwards they must not resemble themselves
 * (`kit/test/audio.test.js` holds them to 0.5), and no two of them resemble each other.
 */
export const VOICES = Object.freeze({
  patrol: {
    voice: 'en-us',
    speed: 165,
    text: 'Guard two to control. The lower fence at the north gate is open. ... Nobody here. ... Please send a second patrol towards the harbour road.',
  },
  dispatch: {
    voice: 'en-gb',
    speed: 170,
    text: 'Wait! ... There is smoke above warehouse eleven, and the fire brigade will come in by the western entrance. ... Stop. ... Keep the yard clear.',
  },
  indonesia: {
    voice: 'id',
    speed: 160,
    text: 'Pos satu ke pusat. Situasi di gerbang utara aman terkendali. ... Mohon bantuan. ... Lampu di gudang sebelas padam sejak tengah malam.',
  },
  medic: {
    voice: 'en-us+f3',
    speed: 170,
    text: 'Medic. ... A man has fallen from the loading ramp behind hall four, and he cannot move his left leg. ... Hurry. ... Open the barrier.',
  },
});

const speechDirectory = join(work, 'speech');

/**
 * @param {keyof typeof VOICES} name
 * @param {number} [rate]
 * @returns {Promise<Speech>}
 */
export async function speech(name, rate = 16000) {
  mkdirSync(speechDirectory, { recursive: true });
  const { voice, speed, text } = VOICES[name];
  const edition = createHash('sha256').update(`${voice} ${speed} ${text}`).digest('hex').slice(0, 8);
  const spoken = join(speechDirectory, `${name}-${edition}.wav`);
  await cached(spoken, (file) => run('espeak-ng', ['-v', voice, '-s', String(speed), '-w', file, text]));
  return resample(spoken, rate);
}

/**
 * @param {string} file @param {number} rate
 * @returns {Promise<Speech>} the same speech at another rate, 16-bit mono, loudest at -3 dB
 */
export async function resample(file, rate) {
  const name = basename(file, '.wav');
  const target = join(speechDirectory, `${name}-${rate}.wav`);
  mkdirSync(speechDirectory, { recursive: true });
  await cached(target, (to) => resampleTo(file, rate, to, ['gain', '-n', '-3']));
  return { file: target, name, ...(await readWav(target)) };
}

/** @param {string} file @param {number} rate @param {string} target @param {string[]} [effects] of sox */
export async function resampleTo(file, rate, target, effects = []) {
  await run('sox', ['-D', file, '-b', '16', '-c', '1', '-r', String(rate), target, ...effects]);
}

/**
 * The microphone of a browser: the speech with a pause before it, which Chromium repeats for ever.
 * @param {Speech} source @param {number} [pauseSeconds]
 * @returns {Promise<string>} a WAV file at 48 kHz
 */
export async function microphone(source, pauseSeconds = 0.7) {
  const target = join(speechDirectory, `${source.name}-microphone.wav`);
  await cached(target, (to) => run('sox', ['-D', source.file, '-b', '16', '-r', '48000', to, 'pad', String(pauseSeconds)]));
  return target;
}

/**
 * Recorded voices beside the repository, where somebody put them there; the tests run on them in addition.
 * @returns {string[]} WAV files
 */
export function recordedVoices() {
  const directory = join(repository, '..', 'shared', 'audio');
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => name.endsWith('.wav')).map((name) => join(directory, name));
}

let made = 0;

/**
 * Runs `make` unless the file is there. Tests run side by side, in processes and within one: each writes a file of its
 * own, and the last wins.
 * @param {string} file @param {(temporary: string) => Promise<unknown>} make
 */
async function cached(file, make) {
  if (existsSync(file)) return;
  const temporary = file.replace(/\.wav$/, `.${process.pid}-${made += 1}.wav`);
  await make(temporary);
  renameSync(temporary, file);
}

/** How much speech may seem missing where a codec blurs a soft ending: less than two frames. libopus itself: none. */
const TOLERATED_LOSS_MS = 30;

/** How much longer or shorter the recording may be: less than a frame. A jitter buffer takes more. */
const TOLERATED_DRIFT_MS = 15;

/**
 * The check used everywhere: the recording is that speech, forwards, and nothing of it is missing.
 * @param {Pcm} reference
 * @param {Pcm} recorded
 * @param {{lostMs?: number, driftMs?: number}} [tolerance]
 * @returns {import('./envelope.js').SpeechReport}
 */
export function assertSameSpeech(reference, recorded, tolerance = {}) {
  const { lostMs = TOLERATED_LOSS_MS, driftMs = TOLERATED_DRIFT_MS } = tolerance;
  const report = compareSpeech(reference, recorded);
  const seconds = (/** @type {Pcm} */ { samples, rate }) => (samples.length / rate).toFixed(2);
  const story =
    `source ${seconds(reference)} s, recorded ${seconds(recorded)} s at ${recorded.rate} Hz; ` +
    Object.entries(report).map(([key, value]) => `${key} ${Number(value.toFixed(3))}`).join(', ');
  assert.ok(report.correlation >= 0.9, `the recording is not the speech: ${story}`);
  assert.ok(report.reversed <= 0.6, `the recording resembles the speech backwards: ${story}`);
  assert.ok(report.lostMs <= lostMs, `speech is missing: ${story}`);
  assert.ok(Math.abs(report.driftMs) <= driftMs, `time was lost or added: ${story}`);
  return report;
}
