/**
 * Is this recording that speech? Compared by loudness over time, which survives codecs, resampling and gain but not
 * lost, repeated, reordered or foreign audio.
 */

const WINDOW_MS = 10;
/**
 * Windows of the moving average. With 5 a jitter buffer that plays half of it 40 ms later already costs 0.15; with 15
 * speech and reversed speech begin to resemble each other (0.5).
 */
const SMOOTHING = 9;
/** A window of the source is speech above this share of its loudest (-26 dB): softer, a codec's noise decides. */
const SPEECH_SHARE = 0.05;
/** A window of speech is lost below this share of its expected loudness (-20 dB). */
const LOST_SHARE = 0.1;
/** Windows of a stretch that is sought by itself: long enough to be recognised, shorter than between two pauses. */
const STRETCH = 40;
/** A jitter buffer moves what it plays by this much at most. */
const WANDER_MS = 120;
/** How much better a stretch must fit for each millisecond that it is sought away from the one before. */
const DOUBT_PER_MS = 0.002;

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
 * @property {number} driftMs how much later than it began it ends: below zero, time was cut out without leaving a hole
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
  return { correlation, reversed, ...losses(reference, recorded, lag * WINDOW_MS) };
}

/**
 * What is missing. Each stretch of the source is sought to the millisecond near where it should be: so one lost 20 ms
 * frame shows as silence, and a jitter buffer that plays a stretch some frames later loses nothing.
 * @param {import('./wav.js').Pcm} reference @param {import('./wav.js').Pcm} recorded @param {number} delay in ms, roughly
 */
function losses(reference, recorded, delay) {
  const source = loudness(reference.samples, reference.rate);
  const heardAt = millisecondLoudness(recorded);
  const threshold = SPEECH_SHARE * source.reduce((most, value) => Math.max(most, value), 0);
  const delays = [delay];
  /** @type {{at: number, ratio: number}[]} */
  const speech = [];
  for (let start = 0; start < source.length; start += STRETCH) {
    // The last one is as long as the others and overlaps its neighbour: a short one is found anywhere.
    const from = Math.max(0, Math.min(start, source.length - STRETCH));
    const stretch = source.subarray(from, from + STRETCH);
    if (!stretch.some((value) => value > threshold)) continue;
    const local = nearestDelay(stretch, (i, shift) => heardAt((from + i) * WINDOW_MS + shift), delays[delays.length - 1]);
    delays.push(local);
    for (let at = start; at < from + stretch.length; at++) {
      if (source[at] > threshold) speech.push({ at, ratio: heardAt(at * WINDOW_MS + local) / source[at] });
    }
  }
  const [first, last] = [delays[1] ?? delay, delays[delays.length - 1]];
  return { delayMs: first, driftMs: last - first, ...countLosses(speech) };
}

/** Loudness of the 10 ms from each millisecond on. @param {import('./wav.js').Pcm} pcm */
function millisecondLoudness({ samples, rate }) {
  const shifted = Array.from({ length: WINDOW_MS }, (_, ms) => loudness(samples, rate, Math.round((ms * rate) / 1000)));
  return (/** @type {number} */ ms) => shifted[((ms % WINDOW_MS) + WINDOW_MS) % WINDOW_MS][Math.floor(ms / WINDOW_MS)] ?? 0;
}

/**
 * Where the stretch is, most likely where the one before it was.
 * @param {Float64Array} stretch @param {(i: number, shift: number) => number} heardAt @param {number} around in ms
 */
function nearestDelay(stretch, heardAt, around) {
  let best = { score: 0, shift: around };
  for (let off = 0; off <= WANDER_MS; off++) {
    for (const shift of [around - off, around + off]) {
      const score = pearson(stretch, (i) => heardAt(i, shift)) - off * DOUBT_PER_MS;
      if (score > best.score) best = { score, shift };
    }
  }
  return best.shift;
}

/** @param {{at: number, ratio: number}[]} speech windows in order, and how loud each arrived */
function countLosses(speech) {
  const gain = median(speech.map(({ ratio }) => ratio));
  let [lost, run, longest] = [0, 0, 0];
  for (const [k, { at, ratio }] of speech.entries()) {
    const followsOn = k > 0 && at === speech[k - 1].at + 1;
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
