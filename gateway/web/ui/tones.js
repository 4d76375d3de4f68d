// Signal tones, synthesised: the grant, a refusal, the end of somebody's call.

/** @typedef {[frequency: number, startMs: number, lengthMs: number][]} Tone */

/** @type {Record<'grant' | 'deny' | 'roger', Tone>} */
const TONES = {
  grant: [[880, 0, 45], [1320, 50, 55]],
  deny: [[330, 0, 130], [262, 160, 200]],
  roger: [[1046, 0, 60]],
};

/** Soft enough not to be taken for speech by the microphone beside it. */
const GAIN = 0.07;
const RAMP_S = 0.008;

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
