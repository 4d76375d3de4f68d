// Signal tones, synthesised: the grant, a place in the queue, a refusal, time that is nearly over, the end of somebody's
// call, an emergency.

/** @typedef {[frequency: number, startMs: number, lengthMs: number][]} Tone */

/** @type {Record<'grant' | 'queued' | 'deny' | 'warning' | 'roger' | 'alarm', Tone>} */
const TONES = {
  grant: [[880, 0, 45], [1320, 50, 55]],
  queued: [[660, 0, 60], [660, 140, 60]],
  deny: [[330, 0, 130], [262, 160, 200]],
  warning: [[988, 0, 50], [988, 110, 50], [988, 220, 50]],
  alarm: [[740, 0, 180], [988, 200, 180], [740, 400, 180], [988, 600, 180]],
  roger: [[1046, 0, 60]],
};

/** Soft enough not to be taken for speech by the microphone beside it. */
const GAIN = 0.07;
const RAMP_S = 0.008;

/** @typedef {import('../lib/client.js').FloorDetail} FloorDetail */

/**
 * What is heard of a change of the floor.
 * @param {FloorDetail | undefined} before
 * @param {FloorDetail} floor
 * @returns {keyof typeof TONES | null}
 */
export function toneFor(before, floor) {
  const { phase } = floor;
  const isNew = before?.phase !== phase;
  if (isUrgent(floor) && !(before && isUrgent(before)) && phase !== 'granted') return 'alarm';
  if (phase === 'granted' && floor.warned && !before?.warned) return 'warning';
  if (!isNew) return null;
  if (phase === 'granted') return 'grant';
  if (phase === 'queued') return 'queued';
  if (phase === 'denied' || phase === 'revoked') return 'deny';
  return before?.phase === 'taken' && phase === 'idle' ? 'roger' : null;
}

/** @param {FloorDetail} floor */
function isUrgent({ talkers }) {
  return talkers.some(({ level }) => level === 'emergency');
}

/**
 * @param {AudioContext | null} context
 * @param {keyof typeof TONES} name
 */
export function play(context, name) {
  if (context?.state !== 'running') return;
  for (const [frequency, startMs, lengthMs] of TONES[name]) {
    const begin = context.currentTime + startMs / 1000;
    const end = begin + lengthMs / 1000;
    const oscillator = new OscillatorNode(context, { frequency, type: 'sine' });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(GAIN, begin + RAMP_S);
    gain.gain.setValueAtTime(GAIN, end - RAMP_S);
    gain.gain.linearRampToValueAtTime(0, end);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(begin);
    oscillator.stop(end);
  }
}
