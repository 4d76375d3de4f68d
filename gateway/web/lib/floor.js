// One channel's floor as a client sees it (PROTOCOL.md, section 5). Pure: messages and time in, a view out. It knows
// neither sockets nor sound; who sends what is decided in talkspurt.js.

/** @typedef {import('./wire/messages.js').FloorMessage} FloorMessage */

/**
 * @typedef {object} Holder who has the floor
 * @property {number} talker
 * @property {string} user
 * @property {string} name
 * @property {number} grant
 * @property {number} until when the talk limit ends it, on the clock that was passed in
 */

/**
 * @typedef {object} FloorView
 * @property {'idle' | 'requesting' | 'granted' | 'taken' | 'denied' | 'revoked'} phase
 * @property {Holder | null} holder who has the floor, oneself included
 * @property {number} until for `granted`: when the talk limit is reached
 * @property {string | null} cause for `denied` and `revoked`
 */

/** No answer to a request for so long is a denial: three tries of TS 24.380's T101 would take as long. */
export const REQUEST_TIMEOUT_MS = 3000;

/**
 * What a message meant: `stray` is a grant that nobody waits for any more, to be given back at once.
 * @typedef {'ignored' | 'granted' | 'denied' | 'revoked' | 'ended' | 'changed' | 'stray'} FloorChange
 */

export class Floor {
  /** @type {Holder | null} */
  #holder = null;
  /** The newest grant that was heard of; -1 before the first. */
  #newest = -1;
  /** The newest grant that is known to be over: a renewal that crossed its end must not bring the talker back. */
  #ended = -1;
  #heardAt = 0;
  /** @type {{request: number, phase: 'requesting' | 'granted' | 'denied' | 'revoked', grant: number, since: number,
   *   until: number, cause: string | null} | null} */
  #mine = null;

  /**
   * @param {number} me one's talker number
   * @param {number} renewalMs `floor_renewal_ms` of `welcome`
   */
  constructor(me, renewalMs) {
    this.me = me;
    this.silenceMs = 3 * renewalMs;
  }

  /** @returns {FloorView} */
  view() {
    const holder = this.#holder;
    if (this.#mine) return { phase: this.#mine.phase, holder, until: this.#mine.until, cause: this.#mine.cause };
    const taken = holder !== null && holder.talker !== this.me;
    return { phase: taken ? 'taken' : 'idle', holder, until: holder?.until ?? 0, cause: null };
  }

  /** The grant that one may talk with, or -1. */
  get grant() {
    const mine = this.#mine;
    return mine && (mine.phase === 'granted' || mine.phase === 'revoked') ? mine.grant : -1;
  }

  /**
   * The button was pressed and `floor_request` sent.
   * @param {number} request
   * @param {number} now
   */
  request(request, now) {
    this.#mine = { request, phase: 'requesting', grant: -1, since: now, until: 0, cause: null };
  }

  /** The button is up and the burst, if there was one, is released. */
  release() {
    const mine = this.#mine;
    this.#mine = null;
    if (!mine || mine.grant < 0) return;
    this.#ended = Math.max(this.#ended, mine.grant);
    if (this.#holder?.grant === mine.grant) this.#holder = null;
  }

  /**
   * The request was refused by something other than `floor_deny`.
   * @param {number} request
   * @param {string} cause
   * @returns {FloorChange}
   */
  refuse(request, cause) {
    if (this.#mine?.request !== request || this.#mine.phase !== 'requesting') return 'ignored';
    this.#mine = { ...this.#mine, phase: 'denied', cause };
    return 'denied';
  }

  /**
   * @param {FloorMessage} message
   * @param {number} now
   * @returns {FloorChange}
   */
  apply(message, now) {
    switch (message.type) {
      case 'floor_granted': return this.#granted(message, now);
      case 'floor_deny': return this.refuse(message.request, message.cause);
      case 'floor_taken': return this.taken(message, now);
      case 'floor_idle': return this.#idle(message.grant);
      case 'floor_revoke': return this.#revoked(message, now);
    }
  }

  /**
   * Somebody talks: from `floor_taken` or from `joined`.
   * @param {import('./wire/messages.js').TalkerInfo} info
   * @param {number} now
   * @returns {FloorChange}
   */
  taken({ talker, user, name, grant, remaining_ms }, now) {
    if (grant < this.#newest || grant <= this.#ended) return 'ignored';
    this.#newest = grant;
    this.#heardAt = now;
    this.#holder = { talker, user, name, grant, until: now + remaining_ms };
    return this.#overtaken(grant) ? 'ended' : 'changed';
  }

  /**
   * Voice came: a sign of life of its talker, and news when it overtook `floor_taken`. Voice of an older grant than the
   * newest is nobody's any more.
   * @param {{grant: number, talker: number}} frame
   * @param {{user: string, name: string} | undefined} member
   * @param {number} now
   * @returns {'known' | 'changed' | 'old'}
   */
  voice({ grant, talker }, member, now) {
    if (grant < this.#newest) return 'old';
    if (this.#holder?.grant === grant) this.#heardAt = now;
    if (grant === this.#newest) return 'known';
    const { user, name } = member ?? { user: '', name: '' };
    this.taken({ talker, user, name, grant, remaining_ms: this.silenceMs }, now);
    return 'changed';
  }

  /**
   * Time went by: clears what the gateway can no longer tell us of.
   * @param {number} now
   * @returns {FloorChange}
   */
  tick(now) {
    const mine = this.#mine;
    if (mine?.phase === 'requesting' && now - mine.since >= REQUEST_TIMEOUT_MS) {
      return this.refuse(mine.request, 'timeout');
    }
    const holder = this.#holder;
    if (!holder) return 'ignored';
    if (holder.talker !== this.me && (now >= holder.until || now - this.#heardAt >= this.silenceMs)) {
      this.#holder = null;
      return 'changed';
    }
    return 'ignored';
  }

  /**
   * @param {import('./wire/messages.js').FloorGranted} message
   * @param {number} now
   * @returns {FloorChange}
   */
  #granted({ request, grant, duration_ms }, now) {
    const mine = this.#mine;
    if (mine?.request !== request || mine.phase === 'revoked') return grant === mine?.grant ? 'ignored' : 'stray';
    if (grant < this.#newest) return 'ignored';
    if (mine.phase === 'denied') return 'stray';
    this.#newest = grant;
    this.#mine = { ...mine, phase: 'granted', grant, until: now + duration_ms };
    return 'granted';
  }

  /**
   * @param {number} grant
   * @returns {FloorChange}
   */
  #idle(grant) {
    if (grant < this.#newest) return 'ignored';
    this.#newest = grant;
    this.#ended = grant;
    this.#holder = null;
    return this.#lost(grant) ? 'ended' : 'changed';
  }

  /**
   * @param {import('./wire/messages.js').FloorRevoke} message
   * @param {number} now
   * @returns {FloorChange}
   */
  #revoked({ grant, cause, grace_ms }, now) {
    if (this.#mine?.phase !== 'granted' || this.#mine.grant !== grant) return 'ignored';
    this.#mine = { ...this.#mine, phase: 'revoked', cause, until: now + grace_ms };
    return 'revoked';
  }

  /**
   * One's own grant is over without a revoke (T1, or the gateway lost it): the button may still be down.
   * @param {number} grant
   */
  #lost(grant) {
    if (this.#mine?.phase !== 'granted' || this.#mine.grant > grant) return false;
    this.#mine = { ...this.#mine, phase: 'revoked', cause: 'lost' };
    return true;
  }

  /** @param {number} grant */
  #overtaken(grant) {
    return this.#mine?.phase === 'granted' && this.#mine.grant < grant && this.#lost(grant);
  }
}
