// A talker, two paths that lose and jitter, the gateway between them and a listener, in milliseconds of no clock. What the
// client does is its own code; what the gateway does (sections 6 and 6.3 of PROTOCOL.md) is here in a few lines.

import { JitterBuffer } from '../lib/jitter.js';
import { Reporter } from '../lib/reception.js';
import { OPENING, Uplink } from '../lib/uplink.js';
import { Redundancy } from './redundancy.js';
import { packet, seeded } from './support.js';

const FRAME_MS = 20;
const PAUSE_MS = 1500;
/** What the playback holds when a frame that isn't there is concealed, and how often it asks (audio/stream.js). */
const CRITICAL_MS = 20;
const ASK_MS = 10;
const AHEAD_MS = 120;
/** Frames that a new listener gets with two earlier packets. */
const TRIAL = 150;

/** Events by time, in the order in which they were put in. */
class Events {
  /** @type {{at: number, run: (at: number) => void}[]} */
  #all = [];

  /** @param {number} at @param {(at: number) => void} run */
  at(at, run) {
    let index = this.#all.length;
    while (index > 0 && this.#all[index - 1].at > at) index--;
    this.#all.splice(index, 0, { at, run });
  }

  run() {
    for (let event = this.#all.shift(); event; event = this.#all.shift()) event.run(event.at);
  }
}

/** One end of a leg that gets frames and reports them. */
class Receiver {
  reporter = new Reporter();
  rule = new Redundancy();
  /** What the sender puts into its frames. */
  level = 0;
}

/**
 * @param {object} how
 * @param {number} how.loss on each leg, 0 to 1
 * @param {number} how.seed
 * @param {number} [how.jitter] in ms, of each leg
 * @param {number} [how.seconds] of each talkspurt
 * @param {number} [how.talkMs] of talk in all
 */
export function simulate({ loss, seed, jitter = 10, seconds = 8, talkMs = 40_000 }) {
  const random = seeded(seed);
  const events = new Events();
  const [up, down] = [new Receiver(), new Receiver()];
  const uplink = new Uplink();
  const buffer = new JitterBuffer();
  const counts = { early: 0, earlyOf: 0, late: 0, lateOf: 0, targetMs: 0 };
  let reported = Infinity;
  let tried = 0;

  /** @param {number} at @param {(at: number) => void} arrive */
  const cross = (at, arrive) => {
    if (random() >= loss) events.at(at + 20 + random() * jitter, arrive);
  };
  /** @param {Receiver} receiver @param {any} frame @param {number} at */
  const account = (receiver, frame, at) => {
    const report = receiver.reporter.frame(frame, at);
    if (report) cross(at, () => { receiver.level = receiver.rule.report(report); });
  };

  const listen = playback(events, buffer, (at, missing) => {
    const isEarly = at < reported;
    counts[isEarly ? 'earlyOf' : 'lateOf']++;
    if (missing) counts[isEarly ? 'early' : 'late']++;
  });

  /** @type {Map<number, any>} what the gateway forwarded, by number */
  let said = new Map();
  /** @param {any} frame @param {number} at */
  const forward = (frame, at) => {
    if (said.has(frame.sequence) && !frame.end) return;
    said.set(frame.sequence, frame);
    /** @type {Uint8Array[]} */
    const redundant = [];
    const isEdge = frame.end || frame.sequence < OPENING;
    const level = Math.max(down.level, isEdge ? 2 : 0, tried++ < TRIAL ? 2 : 0);
    for (let back = 1; back <= level && !frame.start && said.has(frame.sequence - back); back++) {
      redundant.unshift(said.get(frame.sequence - back).packet);
    }
    cross(at, (now) => {
      account(down, { ...frame, redundant }, now);
      if (buffer.push({ ...frame, redundant }, now) === 'started') listen.started(now);
    });
  };
  /** @param {any} frame @param {number} at */
  const ingress = (frame, at) => {
    account(up, frame, at);
    if (frame.start) said = new Map();
    frame.redundant.forEach((/** @type {Uint8Array} */ earlier, /** @type {number} */ index) => {
      const back = frame.redundant.length - index;
      const repaired = { ...frame, sequence: frame.sequence - back, timestamp: frame.timestamp - back * 960, end: false };
      if (!said.has(repaired.sequence)) forward({ ...repaired, packet: earlier, redundant: [] }, at);
    });
    forward({ ...frame, redundant: [] }, at);
  };

  const frames = (seconds * 1000) / FRAME_MS;
  let at = 0;
  for (let grant = 1; grant * seconds * 1000 <= talkMs; grant++) {
    for (let number = 0; number < frames; number++) {
      const end = number === frames - 1;
      for (const repeat of end ? [0, 1, 2] : [0]) {
        events.at(at + (number + repeat) * FRAME_MS, (now) => {
          if (grant === 1 && number === 50) reported = now + 60;
          uplink.wanted = up.level;
          const before = [2, 1].filter((back) => back <= number).map((back) => packet(number - back));
          const redundant = uplink.earlier({ number, end, packet: packet(number) }, before);
          const frame = { start: number === 0, end, talkAhead: false, sequence: number, talker: 4, channel: 1, grant,
            timestamp: number * 960, redundant, packet: packet(number) };
          cross(now, (later) => ingress(frame, later));
        });
      }
    }
    at += seconds * 1000 + PAUSE_MS;
  }
  events.run();
  counts.targetMs = buffer.targetMs;
  return counts;
}

/**
 * A sound card that plays what it is given and asks for more, as the playback worklet and audio/stream.js do.
 * @param {Events} events
 * @param {JitterBuffer} buffer
 * @param {(at: number, missing: boolean) => void} played
 */
function playback(events, buffer, played) {
  let ahead = 0;
  let on = false;
  /** @param {number} now */
  const ask = (now) => {
    while (on && ahead < AHEAD_MS) {
      const popped = buffer.pop(now, ahead < CRITICAL_MS);
      if (popped.kind === 'nothing') break;
      if (popped.kind === 'end') on = false;
      else {
        ahead += FRAME_MS;
        played(now, popped.kind !== 'packet');
      }
    }
    ahead = Math.max(0, ahead - ASK_MS);
    if (on) events.at(now + ASK_MS, ask);
  };
  return {
    /** @param {number} now */
    started(now) {
      ahead = 0;
      if (!on) events.at(now, ask);
      on = true;
    },
  };
}
