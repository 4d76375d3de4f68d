// What this side saw of bursts, told to the gateway once each is over (PROTOCOL.md, section 6.4): when the button was pressed
// and the grant known, when what timestamp was at the microphone or left the loudspeaker.

import { GatewayClock } from './gateway-clock.js';
import { REPLAYED } from './replay.js';

/**
 * @typedef {import('./channel.js').Channel} Channel
 * @typedef {import('./session.js').Session} Session
 * @typedef {{grant: number, pressedAt: number, grantedAt: number | null, at: number, timestamp: number}} SaidBurst
 *   `grantedAt` is null when the request waited in the queue
 * @typedef {{grant: number, at: number, timestamp: number}} HeardBurst
 */

/** In a larger channel a burst is reported by about so many listeners. */
const ENOUGH = 32;

export class Reports {
  #clock = new GatewayClock();
  /** Whose clock it is. @type {Session | null} */
  #session = null;
  /** From what leaves the worker to what one hears, as the page knows it. */
  outputLatencyMs = 0;

  /** @param {{now: () => number, random: () => number, channels: import('./channels.js').Channels}} options */
  constructor(options) {
    this.options = options;
  }

  /** @param {Session | null} session the present one */
  tick(session) {
    if (session !== this.#session) this.#clock = new GatewayClock();
    this.#session = session;
    if (session) this.#clock.tick(this.options.now(), (bytes) => session.sendDatagram(bytes));
  }

  /** @param {Uint8Array} bytes */
  answer(bytes) {
    this.#clock.answer(bytes, this.options.now());
  }

  /**
   * A burst of ours is over.
   * @param {Session} session on which it was
   * @param {Channel} channel
   * @param {SaidBurst} burst
   */
  said(session, channel, { grant, pressedAt, grantedAt, at, timestamp }) {
    const [pressed, granted, spoken] = [pressedAt, grantedAt ?? 0, at].map((ms) => this.#clock.at(ms));
    if (session !== this.#session || pressed === null || granted === null || spoken === null) return;
    const said = { pressed_us: pressed, ...(grantedAt !== null && { granted_us: granted }), at_us: spoken, timestamp };
    session.send({ type: 'burst_report', channel: channel.number, grant, said });
  }

  /**
   * A burst of somebody else's was played.
   * @param {number} number of the channel
   * @param {number} talker
   * @param {HeardBurst} burst
   */
  heard(number, talker, { grant, at, timestamp }) {
    const channel = this.options.channels.numbered(number);
    // What is played again, or faster, tells nothing of the path.
    if (!channel || talker >= REPLAYED) return;
    const heardAt = this.#clock.at(at + this.outputLatencyMs);
    if (heardAt === null || this.options.random() * channel.roster.members.length >= ENOUGH) return;
    const entered = channel.enteredDuring === grant ? this.#clock.at(channel.enteredAt) : null;
    const heard = { at_us: heardAt, timestamp, ...(entered !== null && { entered_us: entered }) };
    this.#session?.send({ type: 'burst_report', channel: channel.number, grant, heard });
  }
}
