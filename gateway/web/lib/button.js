// The push-to-talk button over all channels: which press is on, and what the floor's messages mean for it.

import { Press } from './press.js';
import { encode } from './wire/voice.js';

/**
 * @typedef {import('./channel.js').Channel} Channel
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./wire/messages.js').FloorMessage} FloorMessage
 *
 * @typedef {object} ButtonOptions
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {import('./press-options.js').Microphone} microphone
 * @property {(session: Session, channel: Channel, burst: import('./reports.js').SaidBurst) => void} onSaid a burst is over
 * @property {(channel: Channel) => void} onFloor the channel's floor looks different now
 */

export class Button {
  /** The press that is held, or was the last. @type {Press | null} */
  #press = null;
  /** Those that are not over: a tap may still wait for its grant while the next press is on. @type {Set<Press>} */
  #live = new Set();
  counts = { presses: 0, framesSent: 0, framesSentAhead: 0, framesHeldTooLong: 0 };

  /** @param {ButtonOptions} options */
  constructor(options) {
    this.options = options;
  }

  /**
   * @param {Session} session
   * @param {Channel} channel
   * @param {import('./asking.js').Urgency} [urgency]
   */
  press(session, channel, urgency) {
    this.#press?.release();
    // Its last word is out, or what follows would wait for it.
    this.#press?.finish();
    this.counts.presses++;
    const { clock, random, microphone, onFloor, onSaid } = this.options;
    const press = new Press({
      session, channel, urgency, clock, random, microphone, previous: this.#press,
      send: (frame, by) => {
        this.counts.framesSent++;
        if (frame.talkAhead) this.counts.framesSentAhead++;
        by.sendDatagram(encode(frame));
      },
      onHeldTooLong: () => { this.counts.framesHeldTooLong++; },
      onSaid: (burst, by, heardIn) => onSaid(by, heardIn, burst),
      onChange: onFloor,
    });
    this.#press = press;
    for (const live of this.#live) if (live.over) this.#live.delete(live);
    this.#live.add(press);
  }

  release() {
    this.#press?.release();
  }

  /** The channel, or the session, is gone. */
  abort() {
    for (const press of this.#live) press.abort();
    this.#live.clear();
    this.#press = null;
  }

  /** The session is lost, and may be resumed. */
  suspend() {
    for (const press of this.#live) press.suspend();
  }

  /**
   * A channel is entered: by a session that was resumed, with all that one had there, or anew, with nothing.
   * @param {Session | null} session the one that was resumed
   * @param {Channel} channel
   * @returns {boolean} whether what one has of its floor is still to be said
   */
  entered(session, channel) {
    const own = [...this.#live].filter((press) => !press.over && press.channel.name === channel.name);
    for (const press of own) {
      if (session) press.resume(session, channel);
      else press.lose(channel);
    }
    return own.some((press) => press.owns);
  }

  /** All is said of what was resumed. @param {Session} session */
  settle(session) {
    for (const press of this.#live) press.settle(session);
  }

  /** @param {Channel} channel */
  isOn(channel) {
    return [...this.#live].some((press) => press.channel === channel && !press.over);
  }

  /** Whether it is up, and nothing of what was said under it is still to be sent. */
  get isIdle() {
    return !this.#press?.held && [...this.#live].every((press) => press.over);
  }

  /** @param {Channel} channel whose floor's messages are about this press */
  #owner(channel) {
    return [...this.#live].find((press) => press.owns && press.channel === channel);
  }

  /**
   * @param {Session} session
   * @param {Channel} channel
   * @param {FloorMessage} message
   */
  take(session, channel, message) {
    const owner = this.#owner(channel);
    if ('request' in message) owner?.answered(message.request);
    if (message.type === 'floor_queued') owner?.waits();
    const change = channel.floor.apply(message, this.options.clock.now());
    if (message.type === 'floor_granted') {
      if (change === 'granted') owner?.granted(message.grant);
      // Nobody waits for it any more; kept, it would block the channel until the gateway's T1.
      if (change === 'stray') session.send({ type: 'floor_cancel', channel: channel.number, request: message.request });
    }
    // After a loss: it waits as before.
    if (change === 'queued') owner?.goOn();
    this.#follow(channel, change);
  }

  /**
   * A request was refused with `error`.
   * @param {number} request
   * @param {string} code
   */
  refuse(request, code) {
    for (const { channel } of this.#live) {
      if (channel.floor.refuse(request, code) !== 'denied') continue;
      this.#follow(channel, 'denied');
      return true;
    }
    return false;
  }

  /** @param {Channel} channel */
  tick(channel) {
    this.#follow(channel, channel.floor.tick(this.options.clock.now()));
  }

  /**
   * @param {Channel} channel
   * @param {import('./floor.js').FloorChange} change
   */
  #follow(channel, change) {
    if (change === 'ignored') return;
    const owner = this.#owner(channel);
    if (change === 'revoked') owner?.finish();
    if (change === 'unanswered') owner?.cancel();
    // The button is up: what was said by then is too old once its turn comes.
    if (change === 'queued' && !owner?.held) owner?.cancel();
    if (change === 'denied' || change === 'ended') owner?.abort();
    this.options.onFloor(channel);
  }
}
