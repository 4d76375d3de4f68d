/**
 * Is this recording that speech? Compared by loudness over time, which survives codecs, resampling and gain but not
 * lost, repeated, reordered or foreign audio.
 */

const WINDOW_MS = 10;
/** Windows of the moving average. Below 3 codec noise shows; above 9 speech and reversed speech grow alike. */
const SMOOTHING = 5;
/** A window of the source is speech above this share of its loudest (-26 dB): softer, a codec's noise decides. */
const SPEECH_SHARE = 0.05;
/** A window of speech is lost below this share of its expected loudness (-20 dB). */
const LOST_SHARE = 0.1;

/**
 * RMS per 10 ms.
 * @param {Int16Array} samples @param {number} rate @param {number} [offset] of the first window in samples
 * @returns {Float64Array}
 */
export function loudness(samples, rate, offset = 0) {
  const width = Math.round((rate * WINDOW_MS) / 1000);
  const rms = new Float64Array(Math.max(0, Math.floor((samples.length - offset) / width)));
  for (let w = 0; w < rms.length; w++) {
    let sum = 0;
    const start = offset + w * width;
    for (let i = start; i < start + width; i++) sum += samples[i] * samples[i];
    rms[w] = Math.sqrt(sum / width);
  }
  return rms;
}

/** Loudness per 10 ms, smoothed. @param {Int16Array} samples @param {number} rate @returns {Float64Array} */
export function envelope(samples, rate) {
  const rms = loudness(samples, rate);
  const half = Math.floor(SMOOTHING / 2);
  return rms.map((_, at) => {
    const part = rms.subarray(Math.max(0, at - half), at + half + 1);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

/**
 * The lag at which `recorded` resembles `reference` most, and how much (Pearson). The whole of `reference` is compared:
 * where `recorded` has nothing, it is silent.
 * @param {Float64Array} reference @param {Float64Array} recorded
 * @returns {{correlation: number, lag: number}} lag in windows: reference[i] ~ recorded[i + lag]
 */
export function bestAlignment(reference, recorded) {
  let best = { correlation: -1, lag: 0 };
  for (let lag = -reference.length; lag <= recorded.length; lag++) {
    const correlation = pearson(reference, (i) => recorded[i + lag] ?? 0);
    if (correlation > best.correlation) best = { correlation, lag };
  }
  return best;
}

/** @param {Float64Array} x @param {(i: number) => number} y */
function pearson(x, y) {
  let [sx, sy, sxx, syy, sxy] = [0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [a, b] = [x[i], y(i)];
    sx += a;
    sy += b;
    sxx += a * a;
    syy += b * b;
    sxy += a * b;
  }
  const n = x.length;
  const spread = (n * sxx - sx * sx) * (n * syy - sy * sy);
  return spread > 0 ? (n * sxy - sx * sy) / Math.sqrt(spread) : 0;
}

/**
 * @typedef {object} SpeechReport
 * @property {number} correlation with the source at the best alignment
 * @property {number} reversed correlation with the source played backwards, at its own best alignment
 * @property {number} delayMs where the source begins in the recording
 * @property {number} speechMs how much of the source is speech
 * @property {number} lostMs how much of that speech is (nearly) silent in the recording
 * @property {number} longestLossMs the longest such stretch
 * @property {number} gain loudness of the recording by that of the source
 */

/**
 * @param {import('./wav.js').Pcm} reference
 * @param {import('./wav.js').Pcm} recorded at any rate
 * @returns {SpeechReport}
 */
export function compareSpeech(reference, recorded) {
  const source = envelope(reference.samples, reference.rate);
  const heard = envelope(recorded.samples, recorded.rate);
  const { correlation, lag } = bestAlignment(source, heard);
  const reversed = bestAlignment(source.slice().reverse(), heard).correlation;
  const fine = alignFinely(reference, recorded, lag);
  return { correlation, reversed, delayMs: fine.delayMs, ...losses(fine.source, fine.heardAt) };
}

/**
 * Aligns to the millisecond, so that one lost 20 ms frame shows as windows of silence.
 * @param {import('./wav.js').Pcm} reference @param {import('./wav.js').Pcm} recorded @param {number} coarse
 */
function alignFinely(reference, recorded, coarse) {
  const source = loudness(reference.samples, reference.rate);
  let best = { correlation: -1, delayMs: 0, source, heardAt: (/** @type {number} */ _) => 0 };
  for (let shift = 0; shift < WINDOW_MS; shift++) {
    const heard = loudness(recorded.samples, recorded.rate, Math.round((shift * recorded.rate) / 1000));
    for (const lag of [coarse - 1, coarse]) {
      const heardAt = (/** @type {number} */ i) => heard[i + lag] ?? 0;
      const correlation = pearson(source, heardAt);
      const delayMs = lag * WINDOW_MS + shift;
      if (correlation > best.correlation) best = { correlation, delayMs, source, heardAt };
    }
  }
  return best;
}

/** @param {Float64Array} source @param {(i: number) => number} heardAt */
function losses(source, heardAt) {
  const threshold = SPEECH_SHARE * source.reduce((most, value) => Math.max(most, value), 0);
  const speech = [...source.keys()].filter((i) => source[i] > threshold);
  const ratios = speech.map((i) => heardAt(i) / source[i]);
  const gain = median(ratios);
  let [lost, run, longest] = [0, 0, 0];
  for (const [k, ratio] of ratios.entries()) {
    const followsOn = k > 0 && speech[k] === speech[k - 1] + 1;
    run = ratio <= LOST_SHARE * gain ? (followsOn ? run : 0) + 1 : 0;
    lost += run > 0 ? 1 : 0;
    longest = Math.max(longest, run);
  }
  const ms = (/** @type {number} */ windows) => windows * WINDOW_MS;
  return { speechMs: ms(speech.length), lostMs: ms(lost), longestLossMs: ms(longest), gain };
}

/** @param {number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
