// One press of the button: microphone, floor request, talkspurt and release in the right order. Knows neither sound nor
// bytes.

import { Asking, giveBack } from './asking.js';
import { Moment } from './moment.js';
import { Said } from './said.js';
import { Talkspurt } from './talkspurt.js';

/** @typedef {import('./press-options.js').PressOptions} PressOptions */

/** The button is let go of before the last word is out (measured in the field); so much more is captured. */
export const TAIL_MS = 150;
/** A release that is lost on the stream has arrived by then, but for a network that is as good as gone. */
const RELEASED_MS = 1000;

export class Press {
  /** When the floor was released. */
  releasedAt = -Infinity;
  #held = true;
  /** For the burst's report. */
  #saw;
  #capturing = false;
  /** Nothing more is captured. */
  #captured = new Moment();
  /** The floor is another's to ask for. */
  #finished = new Moment();
  #over = false;
  /** Once the floor is asked for. @type {Asking | null} */
  #asking = null;
  #previous;
  #talkspurt;
  #session;
  #channel;
  /** The session is lost, and may be resumed; or what it has of this press isn't said yet. */
  #suspended = false;
  /** The floor would be asked for, if there were a session. */
  #mayAsk = false;
  /** @type {unknown} */
  #tail = null;

  /** @param {PressOptions} options */
  constructor(options) {
    this.options = options;
    this.#previous = options.previous;
    this.#session = options.session;
    this.#channel = options.channel;
    const { channel, clock, random, send, onHeldTooLong } = options;
    const timestamp = Math.floor(random() * 0x100000000);
    this.#saw = new Said(clock.now(), timestamp);
    this.#talkspurt = new Talkspurt({
      clock, onHeldTooLong, send: (frame) => send(frame, this.#session), uplink: () => this.#session.uplink,
      channel: channel.number, talker: channel.talker,
      sequence: Math.floor(random() * 0x10000), timestamp,
      release: (grant) => {
        this.releasedAt = clock.now();
        giveBack({ session: this.#session, channel: this.#channel, grant });
        const burst = this.#saw.burst(grant);
        if (burst) options.onSaid(burst, this.#session, this.#channel);
      },
      done: () => this.#done(),
    });
    this.#begin();
  }

  get channel() {
    return this.#channel;
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
    const { clock, microphone } = this.options;
    const previous = this.#previous;
    // Two presses in a row: the microphone is free once the first is drained, the floor once it is released.
    if (previous) await previous.#captured.come;
    if (!this.#held) return this.#talkspurt.abort();
    if (this.#over) return;
    this.#capturing = true;
    microphone.start((packet) => {
      this.#saw.packet(clock.now());
      this.#talkspurt.packet(packet);
    }, this.#session.uplink.bitrate);
    if (previous) await previous.#finished.come;
    if (this.#over) return;
    this.#mayAsk = true;
    // A datagram could overtake the release on the stream, and get the grant that is about to end.
    const { now } = this.options.clock;
    if (!this.#suspended) this.#ask(previous?.channel !== this.#channel || now() - previous.releasedAt >= RELEASED_MS);
  }

  /** @param {boolean} byDatagram as well */
  #ask(byDatagram) {
    const { clock, urgency = {}, onChange } = this.options;
    const [session, channel] = [this.#session, this.#channel];
    const request = session.nextRequest();
    channel.floor.request(request, clock.now());
    this.#asking = new Asking({ session, channel, clock, request, byDatagram, urgency });
    this.#talkspurt.asked(request);
    onChange(channel);
  }

  /** The session is lost, and may be resumed: what is said goes on being captured. */
  suspend() {
    if (this.#over) return;
    this.#suspended = true;
    this.#asking?.stop();
    this.#talkspurt.suspend();
  }

  /**
   * Its session was resumed, and has its place in the channel. What there is of the floor is said next: until then the
   * floor is waited for.
   * @param {import('./session.js').Session} session
   * @param {import('./channel.js').Channel} channel
   */
  resume(session, channel) {
    const { number, talker } = this.#channel;
    if (channel.number !== number || channel.talker !== talker) return this.lose(channel);
    this.#session = session;
    this.#channel = channel;
    if (this.#asking) channel.floor.request(this.#asking.request, this.options.clock.now());
  }

  /** It waits, as before. */
  goOn() {
    this.#suspended = false;
    this.#talkspurt.goOn();
  }

  /**
   * All is said of what was resumed. What the floor was asked for and isn't heard of never came, or was denied, which is worth
   * asking again while the button is down; a grant that isn't heard of is over.
   * @param {import('./session.js').Session} session that it is on by now, or else its channel is gone
   */
  settle(session) {
    if (!this.#suspended || this.#over) return;
    const isThere = session === this.#session;
    if (!isThere || this.#talkspurt.isGranted || (this.#asking && !this.#held)) return this.lose(this.#channel);
    this.#suspended = false;
    if (this.#mayAsk) this.#ask(true);
    else this.#talkspurt.goOn();
  }

  /** What it was for is over; seen in the channel as it is now, for as long as the button is down. @param {import('./channel.js').Channel} channel */
  lose(channel) {
    this.#channel = channel;
    if (this.#asking) channel.floor.lost(this.#asking.request);
    this.abort();
    this.options.onChange(channel);
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
    if (this.#asking && !this.#over) {
      this.#session.send({ type: 'floor_cancel', request: this.#asking.request, channel: this.#channel.number });
    }
    this.abort();
  }

  /** The request is in the queue. */
  waits() {
    this.#saw.waited = true;
  }

  /** @param {number} grant */
  granted(grant) {
    this.#suspended = false;
    this.#saw.granted(this.options.clock.now());
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
      this.#captured.mark();
    });
  }

  #done() {
    this.#over = true;
    this.options.clock.cancel(this.#tail);
    this.#asking?.stop();
    if (this.#capturing) this.#stopCapture(() => {});
    else if (!this.#asking) this.#captured.mark();
    if (!this.#held) this.#settle();
    this.#finish();
  }

  /** Nobody's floor is asked for while an earlier press is still ending, even when this one had nothing to say. */
  async #finish() {
    if (this.#previous) await this.#previous.#finished.come;
    // Else every press would keep all that went before it.
    this.#previous = null;
    this.#finished.mark();
  }

  /** Denied and revoked stay visible for as long as the button is down. */
  #settle() {
    if (this.#asking) this.channel.floor.release();
    this.options.onChange(this.channel);
  }
}
