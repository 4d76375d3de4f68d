// A channel that one is in: its numbers, rights, roster and floor, for as long as one session lasts.

import { Floor } from './floor.js';
import { Roster } from './roster.js';

export class Channel {
  /**
   * @param {import('./wire/messages.js').Joined} joined
   * @param {number} renewalMs `floor_renewal_ms` of `welcome`
   * @param {number} now
   */
  constructor(joined, renewalMs, now) {
    this.name = joined.name;
    this.number = joined.channel;
    this.talker = joined.talker;
    this.rights = joined.rights;
    // In a mode of a newer gateway only listening is safe.
    this.canTalk = joined.mode === 'ptt' && joined.rights.includes('talk');
    this.roster = new Roster(joined.version, joined.members);
    this.floor = new Floor(joined.talker, renewalMs);
    if (joined.talking) this.floor.taken(joined.talking, now);
  }

  /** What a page is told once. */
  info() {
    const { name, talker, rights, canTalk } = this;
    return { channel: name, talker, rights, canTalk };
  }

  /**
   * The floor as a page sees it: clocks differ between a worker and its page, so times are what is left of them.
   * @param {number} now
   */
  floorEvent(now) {
    const { phase, holder, until, cause } = this.floor.view();
    const by = holder && { talker: holder.talker, user: holder.user, name: holder.name, grant: holder.grant };
    return { channel: this.name, phase, by, cause, remainingMs: until > now ? until - now : 0 };
  }

  /** What a page is told at each change. */
  rosterEvent() {
    return { channel: this.name, version: this.roster.version, me: this.talker, members: this.roster.members };
  }
}
