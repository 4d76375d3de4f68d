// A floor request's way to the gateway, and a release's: on the control stream, and by datagram beside it, for a packet that
// is lost on a stream costs a probe timeout (PROTOCOL.md, section 5.6). A request is repeated until there is an answer.

import { Repeats } from './repeats.js';
import { BEST } from './road.js';
import { ALL_PRIORITY, encodeFloor } from './wire/floor.js';

/**
 * @typedef {object} Urgency how a request is to be taken
 * @property {import('./wire/messages.js').Level} [level] `normal` when missing
 * @property {boolean} [queue] rather wait than be denied
 */

export class Asking {
  #repeats;

  /**
   * Asks.
   * @param {object} options
   * @param {import('./session.js').Session} options.session
   * @param {import('./channel.js').Channel} options.channel
   * @param {import('./clock.js').Clock} options.clock
   * @param {number} options.request
   * @param {boolean} options.byDatagram whether to go by datagram too, where there are any
   * @param {Urgency} options.urgency
   */
  constructor({ session, channel, clock, request, byDatagram, urgency: { level = 'normal', queue = false } }) {
    this.request = request;
    session.send({
      type: 'floor_request', request, channel: channel.number,
      ...(level !== 'normal' && { level }), ...(queue && { queue }),
    });
    const datagram = encodeFloor({
      channel: channel.number, talker: channel.talker, subtype: 'request', request, level, queue, priority: ALL_PRIORITY,
    });
    this.#repeats = new Repeats(clock, session, datagram);
    // Over TCP a datagram comes behind the stream's message, and is as late.
    if (byDatagram && session.road.kind === BEST) this.#repeats.start();
  }

  /** There was an answer, or none is wanted any more. */
  stop() {
    this.#repeats.stop();
  }
}

/**
 * Gives the floor back, by each road once: what comes second says nothing new.
 * @param {{session: import('./session.js').Session, channel: import('./channel.js').Channel, grant: number}} what
 */
export function giveBack({ session, channel: { number: channel, talker }, grant }) {
  session.send({ type: 'floor_release', channel, grant });
  if (session.road.kind === BEST) session.sendDatagram(encodeFloor({ channel, talker, subtype: 'release', grant }));
}
