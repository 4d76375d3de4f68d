// One press of the button: microphone, floor request, talkspurt and release in the right order. Knows neither sound nor
// bytes.

import { Asking } from './asking.js';
import { Talkspurt } from './talkspurt.js';

/**
 * @typedef {object} Microphone
 * @property {(onPacket: (packet: Uint8Array) => void) => void} start
 * @property {() => Promise<void>} stop resolves when the last packet has been handed out
 *
 * @typedef {object} PressOptions
 * @property {import('./session.js').Session} session
 * @property {import('./channel.js').Channel} channel
 * @property {Microphone} microphone
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {(frame: import('./wire/voice.js').VoiceFrame) => void} send
 * @property {() => void} onHeldTooLong a captured frame grew too old before the grant
 * @property {(burst: import('./reports.js').SaidBurst) => void} onSaid what was said is out
 * @property {() => void} onChange the floor's view changed
 * @property {Press | null} previous its end may still be under way
 * @property {import('./asking.js').Urgency} [urgency]
 */

/** The button is let go of before the last word is out (measured in the field); so much more is captured. */
export const TAIL_MS = 150;
/** A release that is lost on the stream has arrived by then, but for a network that is as good as gone. */
const RELEASED_MS = 1000;
/** How long a packet sounds. */
const FRAME_MS = 20;

export class Press {
  /** When the floor was released. */
  releasedAt = -Infinity;
  #held = true;
  /** For the burst's report. */
  #saw = { pressedAt: 0, grantedAt: /** @type {number | null} */ (null), at: -1, timestamp: 0, waited: false };
  #capturing = false;
  #captured;
  #finished;
  /** @type {() => void} */
  #markCaptured = () => {};
  /** @type {() => void} */
  #markFinished = () => {};
  #over = false;
  /** Once the floor is asked for. @type {Asking | null} */
  #asking = null;
  #previous;
  #talkspurt;
  /** @type {unknown} */
  #tail = null;

  /** @param {PressOptions} options */
  constructor(options) {
    this.options = options;
    this.#previous = options.previous;
    this.#captured = new Promise((resolve) => { this.#markCaptured = () => resolve(undefined); });
    this.#finished = new Promise((resolve) => { this.#markFinished = () => resolve(undefined); });
    const { channel, clock, random, send, session, onHeldTooLong } = options;
    const timestamp = Math.floor(random() * 0x100000000);
    Object.assign(this.#saw, { pressedAt: clock.now(), timestamp });
    this.#talkspurt = new Talkspurt({
      clock, send, onHeldTooLong, channel: channel.number, talker: channel.talker,
      sequence: Math.floor(random() * 0x10000), timestamp,
      release: (grant) => {
        this.releasedAt = clock.now();
        session.send({ type: 'floor_release', channel: channel.number, grant });
        const { waited, grantedAt, ...saw } = this.#saw;
        if (saw.at >= 0) options.onSaid({ ...saw, grant, grantedAt: waited ? null : grantedAt });
      },
      done: () => this.#done(),
    });
    this.#begin();
  }

  get channel() {
    return this.options.channel;
  }

  /** Whether the floor's messages are about this press: asked for, and not over. */
  get owns() {
    return this.#asking !== null && !this.#over;
  }

  /** Whether the button is down. */
  get held() {
    return this.#held;
  }

  get over() {
    return this.#over;
  }

  async #begin() {
    const { microphone, session, channel, clock } = this.options;
    const previous = this.#previous;
    // Two presses in a row: the microphone is free once the first is drained, the floor once it is released.
    if (previous) await previous.#captured;
    if (!this.#held) return this.#talkspurt.abort();
    if (this.#over) return;
    this.#capturing = true;
    microphone.start((packet) => {
      // It is whole when its last sample is.
      if (this.#saw.at < 0) this.#saw.at = clock.now() - FRAME_MS;
      this.#talkspurt.packet(packet);
    });
    if (previous) await previous.#finished;
    if (this.#over) return;
    const request = session.nextRequest();
    channel.floor.request(request, clock.now());
    // A datagram could overtake the release on the stream, and get the grant that is about to end.
    const isReleased = previous?.channel !== channel || clock.now() - previous.releasedAt >= RELEASED_MS;
    this.#asking = new Asking({ session, channel, clock, request, byDatagram: isReleased, urgency: this.options.urgency ?? {} });
    this.#talkspurt.asked(request);
    this.options.onChange();
  }

  /** The button is up: the last word is waited for. Without a grant yet, what was said waits for it, but not in the queue. */
  release() {
    if (!this.#held) return;
    this.#held = false;
    if (this.owns && this.channel.floor.view().phase === 'queued') return this.cancel();
    if (this.#capturing) this.#tail = this.options.clock.after(() => this.finish(), TAIL_MS);
    if (this.#over) this.#settle();
  }

  /** Nothing more is captured; what was is sent to its end. */
  finish() {
    this.options.clock.cancel(this.#tail);
    this.#talkspurt.stop();
    this.#stopCapture(() => this.#talkspurt.drained());
  }

  /** There is some answer to the request: it needn't be repeated. @param {number} request */
  answered(request) {
    if (this.#asking?.request === request) this.#asking.stop();
  }

  /** Nothing is to come of the request, if anything may still: what was captured goes nowhere. */
  cancel() {
    const { session, channel } = this.options;
    if (this.#asking && !this.#over) {
      session.send({ type: 'floor_cancel', request: this.#asking.request, channel: channel.number });
    }
    this.abort();
  }

  /** The request is in the queue. */
  waits() {
    this.#saw.waited = true;
  }

  /** @param {number} grant */
  granted(grant) {
    this.#saw.grantedAt ??= this.options.clock.now();
    this.#talkspurt.granted(grant);
  }

  /** Denied, ended by the gateway, or the session is gone: what was captured goes nowhere. */
  abort() {
    this.#talkspurt.abort();
  }

  /** @param {() => void} then */
  #stopCapture(then) {
    if (!this.#capturing) return;
    this.#capturing = false;
    this.options.microphone.stop().then(() => {
      then();
      this.#markCaptured();
    });
  }

  #done() {
    this.#over = true;
    this.options.clock.cancel(this.#tail);
    this.#asking?.stop();
    if (this.#capturing) this.#stopCapture(() => {});
    else if (!this.#asking) this.#markCaptured();
    if (!this.#held) this.#settle();
    this.#finish();
  }

  /** Nobody's floor is asked for while an earlier press is still ending, even when this one had nothing to say. */
  async #finish() {
    if (this.#previous) await this.#previous.#finished;
    // Else every press would keep all that went before it.
    this.#previous = null;
    this.#markFinished();
  }

  /** Denied and revoked stay visible for as long as the button is down. */
  #settle() {
    if (this.#asking) this.channel.floor.release();
    this.options.onChange();
  }
}
