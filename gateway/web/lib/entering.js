// A `join`'s way to the gateway: on the control stream, and by datagram beside it (PROTOCOL.md, section 5.8), for who enters in
// the middle of a burst misses as much of it as a lost packet there costs. Its answer by datagram is enough to hear by.

import { Repeats } from './repeats.js';
import { BEST } from './road.js';
import { encodeEntry } from './wire/entry.js';

/** Channels that one enters, and those that one hears already though `joined` hasn't come: by request, and by number. */
export class Entrances {
  /** @type {Map<number, Entrance>} */
  #asked = new Map();
  /** One's own talker numbers. @type {Map<number, number>} */
  #open = new Map();

  /** @param {import('./clock.js').Clock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  /**
   * Asks to enter, until there is an answer by any road.
   * @param {import('./session.js').Session} session
   * @param {string} name
   */
  async ask(session, name) {
    /** @type {Entrance | undefined} */
    let entrance;
    try {
      return await session.ask((request) => {
        entrance = new Entrance(this.clock, session, request, name);
        this.#asked.set(request, entrance);
        return { type: 'join', request, channel: name };
      });
    } finally {
      if (entrance) this.#close(entrance);
    }
  }

  /** The answer came by datagram. @param {{request: number, channel: number, talker: number}} joined */
  joined({ request, channel, talker }) {
    const entrance = this.#asked.get(request);
    if (!entrance || entrance.left) return;
    entrance.stop();
    entrance.number = channel;
    this.#open.set(channel, talker);
  }

  /** One's own talker number in a channel that is heard before `joined`. @param {number} channel */
  talker(channel) {
    return this.#open.get(channel);
  }

  /** It isn't wanted any more; gives its number, where it has one. @param {string} name */
  leave(name) {
    const entrance = [...this.#asked.values()].find((each) => each.name === name);
    if (!entrance) return null;
    entrance.left = true;
    this.#open.delete(entrance.number);
    return entrance.number < 0 ? null : entrance.number;
  }

  /** @param {Entrance} entrance */
  #close(entrance) {
    entrance.stop();
    this.#asked.delete(entrance.request);
    this.#open.delete(entrance.number);
  }
}

class Entrance {
  number = -1;
  left = false;
  #repeats;

  /**
   * @param {import('./clock.js').Clock} clock
   * @param {import('./session.js').Session} session
   * @param {number} request
   * @param {string} name
   */
  constructor(clock, session, request, name) {
    this.request = request;
    this.name = name;
    this.#repeats = new Repeats(clock, session, encodeEntry({ subtype: 'join', request, channel: name }));
    // Behind its message on the stream, and over TCP as late as that.
    if (session.road.kind === BEST) this.#repeats.startBehind();
  }

  stop() {
    this.#repeats.stop();
  }
}
