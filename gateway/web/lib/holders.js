// Who has a channel's floor, as far as its messages and its voice tell (PROTOCOL.md, sections 5.1 and 5.4). Pure.

/**
 * @typedef {object} Holder
 * @property {number} talker
 * @property {string} user
 * @property {string} name
 * @property {number} grant
 * @property {number} until when the talk limit ends it, on the clock that was passed in
 * @property {import('./wire/messages.js').Level} level how urgent it is
 *
 * @typedef {import('./wire/messages.js').TalkerInfo} TalkerInfo
 */

/** Grants that are over and remembered as such, where several talk: a renewal that is still under way is younger. */
const REMEMBERED = 64;

export class Holders {
  /** By grant, the newest last. @type {Map<number, Holder & {heardAt: number}>} */
  #all = new Map();
  /** The newest grant that was heard of; -1 before the first. */
  #newest = -1;
  /** Grants that are known to be over: a renewal that crossed its end must not bring the talker back. @type {Set<number>} */
  #over = new Set();

  /**
   * @param {boolean} several whether a newer grant leaves the older ones in force
   * @param {number} silenceMs a talker of whom nothing is heard for so long is gone
   */
  constructor(several, silenceMs) {
    this.several = several;
    this.silenceMs = silenceMs;
  }

  /** Those who have the floor, the newest first. @returns {Holder[]} */
  get all() {
    return [...this.#all.values()].sort((a, b) => b.grant - a.grant);
  }

  /** @param {number} grant */
  talkerOf(grant) {
    return this.#all.get(grant)?.talker;
  }

  /**
   * Whether a message about this grant is out of date.
   * @param {number} grant
   */
  isOld(grant) {
    return !this.several && grant < this.#newest;
  }

  /** @param {number} grant */
  isOver(grant) {
    return this.isOld(grant) || this.#over.has(grant);
  }

  /**
   * A grant that was heard of: it ends the older ones, where there is one talker at a time.
   * @param {number} grant
   */
  know(grant) {
    this.#newest = Math.max(this.#newest, grant);
    if (this.several) return;
    for (const older of this.#all.keys()) if (older < grant) this.#all.delete(older);
  }

  /**
   * @param {TalkerInfo} info
   * @param {number} now
   * @returns {boolean} whether it is so: an old one changes nothing
   */
  taken({ talker, user, name, grant, remaining_ms, level }, now) {
    if (this.isOver(grant)) return false;
    this.know(grant);
    this.#all.set(grant, { talker, user, name, grant, until: now + remaining_ms, level: level ?? 'normal', heardAt: now });
    return true;
  }

  /**
   * Voice came under a grant: a sign of life.
   * @param {number} grant
   * @param {number} now
   * @returns {'known' | 'new' | 'old'}
   */
  voice(grant, now) {
    if (this.isOld(grant)) return 'old';
    const holder = this.#all.get(grant);
    if (holder) holder.heardAt = now;
    // What was still under way at its end is heard, and brings nobody back.
    return holder || grant === this.#newest || this.#over.has(grant) ? 'known' : 'new';
  }

  /** @param {number} grant that is over */
  end(grant) {
    this.know(grant);
    this.#all.delete(grant);
    this.#over.add(grant);
    if (this.#over.size > REMEMBERED) this.#over.delete(Math.min(...this.#over));
  }

  /**
   * Clears those of whom the gateway can no longer tell us.
   * @param {number} now
   * @param {number} me who knows better when its own is over
   */
  expire(now, me) {
    let changed = false;
    for (const { grant, talker, until, heardAt } of this.#all.values()) {
      if (talker === me || (now < until && now - heardAt < this.silenceMs)) continue;
      this.#all.delete(grant);
      changed = true;
    }
    return changed;
  }
}
