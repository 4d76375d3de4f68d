// What came of the voice that one was sent, and when the gateway is told (PROTOCOL.md, section 6.3). Pure: frames and time
// in, reports out. The rules are those of `proto/src/reception.rs`.

/** Numbers that are remembered behind the newest: 1.3 s. What is farther away is no loss but another stream. */
const WINDOW = 64;
/** Between two reports. */
const INTERVAL_MS = 1000;
/** Until the first report of a path that begins to lose: ten frames say enough. */
const FIRST_MS = 200;
/** Talkers that are followed at a time. */
const STREAMS = 8;
const MOST = 0xffff;

/** The newest sequence number of a talkspurt, and which of those before it came. */
class Window {
  #newest = 0;
  /** @type {Set<number>} */
  #seen = new Set();

  /**
   * @param {number} sequence
   * @param {boolean} start nothing is missing before it
   * @returns {number} how many are missing before it; -1 for one that was missing until now, NaN for a repeat
   */
  arrive(sequence, start) {
    const ahead = ((sequence - this.#newest + 0x8000) & 0xffff) - 0x8000;
    if (this.#seen.size === 0 || Math.abs(ahead) >= WINDOW) {
      this.#newest = sequence;
      this.#seen = new Set([sequence]);
      return 0;
    }
    if (ahead <= 0 && this.#seen.has(sequence)) return NaN;
    this.#seen.add(sequence);
    if (ahead <= 0) return -1;
    for (let step = 1; step <= ahead; step++) {
      const number = (this.#newest + step) & 0xffff;
      this.#seen.delete((number - WINDOW) & 0xffff);
      if (start) this.#seen.add(number);
    }
    this.#newest = sequence;
    return start ? 0 : ahead - 1;
  }
}

export class Reporter {
  /** By talker, the one heard last at the end. @type {Map<string, Window>} */
  #windows = new Map();
  #expected = 0;
  #lost = 0;
  #gap = 0;
  #redundant = false;
  /** A loss was told of, and earlier packets have come in every interval since. Those that come without go to everybody. */
  #told = false;
  /** When this interval began; NaN before the first frame. */
  #since = NaN;
  /** Something was lost in the last interval. */
  #lossy = false;

  /**
   * A frame came.
   * @param {import('./wire/voice.js').VoiceFrame} frame
   * @param {number} now
   * @returns {import('./wire/report.js').Report | null} the report that is due by now, if it says anything that matters
   */
  frame(frame, now) {
    this.#count(frame);
    if (Number.isNaN(this.#since)) this.#since = now;
    const early = this.#lost > 0 && !this.#lossy;
    if (now - this.#since < (early ? FIRST_MS : INTERVAL_MS)) return null;
    const worth = this.#lost > 0 || (this.#told && this.#redundant);
    if (this.#expected > 0) this.#told = worth;
    const expected = Math.min(this.#expected, MOST);
    const lost = Math.min(this.#lost, expected);
    // One that was taken for lost in the last report may have come since.
    const gap = Math.min(Math.max(this.#gap, 1), lost, 255);
    this.#since = now;
    this.#lossy = lost > 0;
    [this.#expected, this.#lost, this.#gap, this.#redundant] = [0, 0, 0, false];
    return worth && expected > 0 ? { expected, lost, gap, earlier: 0 } : null;
  }

  /** @param {import('./wire/voice.js').VoiceFrame} frame */
  #count({ channel, talker, sequence, start, redundant }) {
    if (redundant.length > 0) this.#redundant = true;
    const missing = this.#window(`${channel}:${talker}`).arrive(sequence, start);
    if (missing === -1) this.#lost = Math.max(0, this.#lost - 1);
    if (!(missing >= 0)) return;
    this.#expected += 1 + missing;
    this.#lost += missing;
    this.#gap = Math.max(this.#gap, missing);
  }

  /** @param {string} of */
  #window(of) {
    const window = this.#windows.get(of) ?? new Window();
    this.#windows.delete(of);
    this.#windows.set(of, window);
    if (this.#windows.size > STREAMS) this.#windows.delete(this.#windows.keys().next().value ?? '');
    return window;
  }
}
