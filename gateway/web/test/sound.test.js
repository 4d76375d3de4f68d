import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CatchUp } from '../audio/catch-up.js';
import { Concealer } from '../audio/conceal.js';
import { Ring } from '../audio/ring.js';

const FRAME = 960;
/** A vowel of 150 Hz. @param {number} from first sample */
const vowel = (from, count = FRAME) => Float32Array.from({ length: count }, (_, i) =>
  0.3 * Math.sin(((from + i) * 2 * Math.PI * 150) / 48_000) + 0.1 * Math.sin(((from + i) * 2 * Math.PI * 450) / 48_000));
const steepest = (/** @type {number[]} */ samples) => samples.slice(1).reduce((most, sample, i) => Math.max(most, Math.abs(sample - samples[i])), 0);
const rms = (/** @type {Float32Array} */ samples) => Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);

test('a concealed frame goes on without a click, and back into the voice without one', () => {
  const concealer = new Concealer();
  const heard = [];
  for (let i = 0; i < 20; i++) heard.push(...(i === 10 || i === 15 || i === 16 ? concealer.lost() : concealer.good(vowel(i * FRAME))));
  assert.ok(steepest(heard) < 2.5 * steepest([...vowel(0, 4800)]), `${steepest(heard)}`);
  assert.ok(rms(Float32Array.from(heard.slice(10 * FRAME, 11 * FRAME))) > 0.1);
});

test('a voice that glides is concealed like itself, and without a click', () => {
  for (const pitch of [80, 110, 200, 380]) {
    for (const glide of [-0.3, 0.3]) {
      let phase = 0;
      const voice = Float32Array.from({ length: 20 * FRAME }, (_, i) => {
        phase += (2 * Math.PI * pitch * (1 + (glide * i) / 48_000)) / 48_000;
        return [1, 2, 3, 4, 5, 6].reduce((sum, harmonic) => sum + (0.1 / harmonic) * Math.sin(harmonic * phase + harmonic), 0);
      });
      const concealer = new Concealer();
      const heard = [];
      for (let i = 0; i < 20; i++) {
        heard.push(...(i === 15 ? concealer.lost() : concealer.good(voice.slice(i * FRAME, (i + 1) * FRAME))));
      }
      let [power, difference] = [0, 0];
      for (let i = 15 * FRAME; i < 16 * FRAME; i++) [power, difference] = [power + voice[i] ** 2, difference + (voice[i] - heard[i]) ** 2];
      const what = `${pitch} Hz, ${glide}: ${(10 * Math.log10(power / difference)).toFixed(1)} dB`;
      assert.ok(power / difference > 2, what);
      assert.ok(steepest(heard) < 1.5 * steepest([...voice]), what);
    }
  }
});

test('a long loss fades to silence', () => {
  const concealer = new Concealer();
  for (let i = 0; i < 5; i++) concealer.good(vowel(i * FRAME));
  const energies = Array.from({ length: 6 }, () => rms(concealer.lost()));
  for (let i = 1; i < 4; i++) assert.ok(energies[i] <= energies[i - 1]);
  assert.deepEqual(energies.slice(3), [0, 0, 0]);
});

test('a loss before anything was heard is silence', () => {
  assert.equal(rms(new Concealer().lost()), 0);
});

test('delay that a stall left behind is given back in silence, frame by frame, and only then', () => {
  const speech = vowel(0);
  const silence = new Float32Array(FRAME);
  const catchUp = new CatchUp();
  const run = (/** @type {Float32Array} */ samples, /** @type {number} */ depth, count = 100) =>
    Array.from({ length: count }, () => catchUp.skips(samples, depth, 60)).filter(Boolean).length;
  assert.equal(run(silence, 80), 0, 'not too deep');
  assert.equal(run(speech, 160), 0, 'not in speech');
  catchUp.reset();
  assert.equal(run(silence, 160), 4, 'one in half a second');
  catchUp.reset();
  run(silence, 160, 10);
  run(silence, 70, 1);
  assert.equal(run(silence, 160, 20), 0, 'not when it was shallow a moment ago');
});

/** @param {Ring} ring @param {number} blocks */
function drain(ring, blocks) {
  /** @type {number[]} */
  const heard = [];
  for (let i = 0; i < blocks; i++) {
    const block = new Float32Array(128);
    ring.mixInto(block);
    heard.push(...block);
  }
  return heard;
}

test('the ring gives what it was given, faded in', () => {
  const ring = new Ring();
  ring.start();
  ring.push(new Float32Array(1280).fill(0.5));
  const heard = drain(ring, 10);
  assert.ok(heard[0] < 0.01);
  assert.ok(heard.slice(128).every((sample) => sample === 0.5));
  assert.equal(ring.depth, 0);
});

test('running dry is counted, and makes no step', () => {
  const ring = new Ring();
  ring.start();
  ring.push(new Float32Array(300).fill(0.5));
  const heard = drain(ring, 4);
  ring.push(new Float32Array(512).fill(0.5));
  heard.push(...drain(ring, 4));
  assert.equal(ring.underruns, 1);
  assert.ok(steepest(heard) < 0.03, `${steepest(heard)}`);
});

test('an end is faded, and is no underrun', () => {
  const ring = new Ring();
  ring.start();
  ring.push(new Float32Array(960).fill(0.5));
  ring.end();
  const heard = drain(ring, 8);
  assert.ok(ring.done);
  assert.equal(ring.underruns, 0);
  assert.ok(steepest(heard) < 0.02);
});

test('a new talkspurt drops what is left of the old one, without a step', () => {
  const ring = new Ring();
  ring.start();
  ring.push(new Float32Array(4800).fill(0.5));
  const heard = drain(ring, 4);
  ring.start();
  assert.equal(ring.depth, 0);
  heard.push(...drain(ring, 2));
  assert.ok(steepest(heard) < 0.02);
});

test('a channel is as loud as it is set, and a change doesn’t click', () => {
  const ring = new Ring();
  ring.start();
  ring.push(Float32Array.from({ length: 9600 }, () => 0.5));
  const play = (/** @type {number} */ gain, /** @type {number} */ blocks) => Array.from({ length: blocks }, () => {
    const out = new Float32Array(128);
    ring.mixInto(out, gain);
    return [...out];
  }).flat();
  assert.ok(Math.abs((play(0.5, 10).at(-1) ?? 0) - 0.25) < 1e-3);
  const muted = play(0, 20);
  assert.ok(steepest([0.25, ...muted]) < 0.01, 'it glides');
  assert.ok(Math.abs(muted.at(-1) ?? 1) < 1e-3);
});
