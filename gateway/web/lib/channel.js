// A channel that one is in: its numbers, rights, roster and floor, for as long as one session lasts.

import { Floor } from './floor.js';
import { Roster } from './roster.js';

const MODES = new Set(['ptt', 'dual', 'open']);

export class Channel {
  /**
   * @param {import('./wire/messages.js').Joined} joined
   * @param {number} renewalMs `floor_renewal_ms` of `welcome`
   * @param {number} now
   */
  constructor(joined, renewalMs, now) {
    this.name = joined.name;
    this.number = joined.channel;
    /** The burst that was going on when one came, and when one asked to. */
    this.enteredDuring = joined.request != null ? joined.talking?.grant ?? -1 : -1;
    this.enteredAt = now;
    this.talker = joined.talker;
    this.rights = joined.rights;
    this.mode = joined.mode;
    // Of whom it is a call; null in a channel that is there for good.
    this.call = joined.call ?? null;
    // In a mode of a newer gateway only listening is safe.
    this.canTalk = MODES.has(joined.mode) && joined.rights.includes('talk');
    this.roster = new Roster(joined.version, joined.members);
    this.floor = new Floor(joined.talker, renewalMs, joined.mode);
    for (const talking of [...joined.also_talking ?? [], joined.talking]) if (talking) this.floor.taken(talking, now);
  }

  /** What a page is told once. */
  info() {
    const { name, talker, rights, mode, canTalk, call } = this;
    return { channel: name, talker, rights, mode, canTalk, call };
  }

  /**
   * The floor as a page sees it: clocks differ between a worker and its page, so times are what is left of them.
   * @param {number} now
   */
  floorEvent(now) {
    const { phase, holder, talkers, until, cause, position, warned } = this.floor.view();
    const remainingMs = until > now ? until - now : 0;
    const by = holder && who(holder);
    return { channel: this.name, phase, by, talkers: talkers.map(who), cause, position, warned, remainingMs };
  }

  /** What a page is told at each change. */
  rosterEvent() {
    return { channel: this.name, version: this.roster.version, me: this.talker, members: this.roster.members };
  }
}

/**
 * What a page is told of a press that reached nobody.
 * @param {string} channel its name
 * @param {string} cause
 * @returns {import('./client.js').FloorDetail}
 */
export function deniedFloor(channel, cause) {
  return { channel, phase: 'denied', by: null, talkers: [], cause, position: 0, warned: false, remainingMs: 0 };
}

/** @param {import('./holders.js').Holder} holder */
function who({ talker, user, name, grant, level }) {
  return { talker, user, name, grant, level };
}
