// One channel's floor as a client sees it (PROTOCOL.md, section 5). Pure: messages and time in, a view out. It knows
// neither sockets nor sound; who sends what is decided in talkspurt.js.

import { Holders } from './holders.js';

/**
 * @typedef {import('./wire/messages.js').FloorMessage} FloorMessage
 * @typedef {import('./holders.js').Holder} Holder
 *
 * @typedef {object} FloorView
 * @property {'idle' | 'requesting' | 'queued' | 'granted' | 'taken' | 'denied' | 'revoked'} phase
 * @property {Holder | null} holder who has the floor, oneself included; of several the newest
 * @property {Holder[]} talkers all who have it, the newest first
 * @property {number} until for `granted`: when the talk limit is reached
 * @property {string | null} cause for `denied` and `revoked`
 * @property {number} position for `queued`: 1 is next
 * @property {boolean} warned for `granted`: whether the time is nearly over
 */

/**
 * The newest press, for as long as the button is down; its grant is -1 before there is one.
 * @typedef {{request: number, phase: 'requesting' | 'queued' | 'granted' | 'denied' | 'revoked', grant: number, since: number,
 *   until: number, cause: string | null, position: number, warned: boolean}} Mine
 */

/** No answer to a request for so long is a denial: three tries of TS 24.380's T101 would take as long. */
export const REQUEST_TIMEOUT_MS = 3000;

/**
 * What a message meant: `stray` is a grant, and `unanswered` a request, that nobody waits for and that is to be taken back.
 * @typedef {'ignored' | 'queued' | 'granted' | 'denied' | 'unanswered' | 'warned' | 'revoked' | 'ended' | 'changed' | 'stray'
 *   } FloorChange
 */

export class Floor {
  #holders;
  /** @type {Mine | null} */
  #mine = null;

  /**
   * @param {number} me one's talker number
   * @param {number} renewalMs `floor_renewal_ms` of `welcome`
   * @param {string} [mode] of the channel
   */
  constructor(me, renewalMs, mode = 'ptt') {
    this.me = me;
    this.#holders = new Holders(mode === 'dual' || mode === 'open', 3 * renewalMs);
  }

  /** @returns {FloorView} */
  view() {
    const talkers = this.#holders.all;
    const other = talkers.find(({ talker }) => talker !== this.me);
    const mine = this.#mine;
    if (mine) {
      const { phase, until, cause, position, warned } = mine;
      const holder = phase === 'granted' ? talkers[0] : other ?? talkers[0];
      return { phase, holder: holder ?? null, talkers, until, cause, position, warned };
    }
    const [phase, holder] = other ? /** @type {const} */ (['taken', other]) : /** @type {const} */ (['idle', talkers[0] ?? null]);
    return { phase, holder, talkers, until: holder?.until ?? 0, cause: null, position: 0, warned: false };
  }

  /** The grant that one may talk with, or -1. */
  get grant() {
    return this.#mine?.grant ?? -1;
  }

  /** Who talks by a grant, and, where there is one at a time, anybody by a grant that isn't known. @param {number} grant */
  talkerOf(grant) {
    return this.#holders.talkerOf(grant) ?? (this.#holders.several ? -1 : null);
  }

  /**
   * The button was pressed and `floor_request` sent.
   * @param {number} request
   * @param {number} now
   */
  request(request, now) {
    this.#mine = { request, phase: 'requesting', since: now, grant: -1, until: 0, cause: null, position: 0, warned: false };
  }

  /** The button is down, but its session was lost for too long. @param {number} request */
  lost(request) {
    this.request(request, 0);
    this.#set({ phase: 'revoked', cause: 'lost' });
  }

  /** The button is up and the burst, if there was one, is released. */
  release() {
    const mine = this.#mine;
    this.#mine = null;
    if (mine && mine.grant >= 0) this.#holders.end(mine.grant);
  }

  /**
   * The request was refused by something other than `floor_deny`.
   * @param {number} request
   * @param {string} cause
   * @returns {FloorChange}
   */
  refuse(request, cause) {
    if (!this.#asks(request)) return 'ignored';
    this.#set({ phase: 'denied', cause });
    return 'denied';
  }

  /**
   * @param {FloorMessage} message the same one twice, by datagram and on the stream, is ignored the second time
   * @param {number} now
   * @returns {FloorChange}
   */
  apply(message, now) {
    switch (message.type) {
      case 'floor_granted': return this.#granted(message, now);
      case 'floor_deny': return this.refuse(message.request, message.cause);
      case 'floor_queued': return this.#queued(message);
      case 'floor_cancelled': return this.refuse(message.request, 'cancelled');
      case 'floor_warning': return this.#warned(message, now);
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
  taken(info, now) {
    if (!this.#holders.taken(info, now)) return 'ignored';
    const isNewer = !this.#holders.several && info.grant > this.grant;
    return isNewer && this.#lost(info.grant) ? 'ended' : 'changed';
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
    const known = this.#holders.voice(grant, now);
    if (known !== 'new') return known;
    const { user = '', name = '' } = member ?? {};
    this.taken({ talker, user, name, grant, remaining_ms: this.#holders.silenceMs }, now);
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
      this.refuse(mine.request, 'timeout');
      return 'unanswered';
    }
    return this.#holders.expire(now, this.me) ? 'changed' : 'ignored';
  }

  /** @param {Partial<Mine>} change */
  #set(change) {
    if (this.#mine) this.#mine = { ...this.#mine, ...change };
  }

  /**
   * Whether this request is mine, and waits.
   * @param {number} request
   */
  #asks(request) {
    const { request: own, phase } = this.#mine ?? {};
    return own === request && (phase === 'requesting' || phase === 'queued');
  }

  /**
   * @param {import('./wire/messages.js').FloorGranted} message
   * @param {number} now
   * @returns {FloorChange}
   */
  #granted({ request, grant, duration_ms }, now) {
    if (grant === this.#mine?.grant || this.#holders.isOver(grant)) return 'ignored';
    if (!this.#asks(request)) {
      this.#holders.end(grant);
      return 'stray';
    }
    this.#holders.know(grant);
    this.#set({ phase: 'granted', grant, until: now + duration_ms });
    return 'granted';
  }

  /**
   * @param {import('./wire/messages.js').FloorQueued} message
   * @returns {FloorChange}
   */
  #queued({ request, position }) {
    if (!this.#asks(request) || this.#mine?.position === position) return 'ignored';
    this.#set({ phase: 'queued', position });
    return 'queued';
  }

  /**
   * @param {import('./wire/messages.js').FloorWarning} message
   * @param {number} now
   * @returns {FloorChange}
   */
  #warned({ grant, remaining_ms }, now) {
    if (this.#mine?.phase !== 'granted' || this.#mine.grant !== grant) return 'ignored';
    this.#set({ warned: true, until: now + remaining_ms });
    return 'warned';
  }

  /**
   * @param {number} grant
   * @returns {FloorChange}
   */
  #idle(grant) {
    if (this.#holders.isOld(grant)) return 'ignored';
    this.#holders.end(grant);
    return this.#lost(grant) ? 'ended' : 'changed';
  }

  /**
   * @param {import('./wire/messages.js').FloorRevoke} message
   * @param {number} now
   * @returns {FloorChange}
   */
  #revoked({ grant, cause, grace_ms }, now) {
    if (this.#mine?.phase !== 'granted' || this.#mine.grant !== grant) return 'ignored';
    this.#set({ phase: 'revoked', cause, until: now + grace_ms });
    return 'revoked';
  }

  /**
   * One's own grant is over without a revoke (T1, or the gateway lost it): the button may still be down.
   * @param {number} grant that is over, and where there is one talker at a time every older one
   */
  #lost(grant) {
    const mine = this.#mine;
    if (mine?.phase !== 'granted' || (this.#holders.several ? mine.grant !== grant : mine.grant > grant)) return false;
    this.#set({ phase: 'revoked', cause: 'lost' });
    return true;
  }
}
