// Who is in the channel: those who talk first in sight, oneself marked.

import { bdi, byId, make } from './dom.js';
import { t } from './i18n.js';

/** Rows drawn: a channel may have 10 000 members, a screen has not. */
const MOST_ROWS = 200;
/** With more members than that a search field is worth its place. */
const SEARCH_FROM = 12;

/** @typedef {import('../lib/client.js').RosterDetail} RosterDetail */

export class People {
  /** @type {RosterDetail | null} */
  #roster = null;
  /** Who has the floor. @type {Set<number>} */
  #talkers = new Set();
  /** What a dispatcher does about somebody; null for who isn't one.
   * @type {((action: import('../lib/wire/messages.js').DispatchAction, talker: number) => void) | null} */
  onAction = null;
  /** Calls somebody, or those whom a dispatcher chose. @type {((users: string[]) => void) | null} */
  onCall = null;
  /** Users chosen for a group call. @type {Set<string>} */
  #chosen = new Set();
  #list = byId('people-list');
  #count = byId('people-count');
  /** @type {HTMLInputElement} */
  #find = byId('people-find');
  #drawing = 0;

  constructor() {
    this.#find.addEventListener('input', () => this.draw());
  }

  /** @param {RosterDetail | null} roster */
  set(roster) {
    this.#roster = roster;
    this.draw();
  }

  /** @param {import('../lib/client.js').FloorDetail | null} floor */
  floor(floor) {
    this.#talkers = new Set(floor?.talkers.map(({ talker }) => talker));
    this.draw();
  }

  /** At most once per picture, however many deltas come. */
  draw() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  }

  #draw() {
    const { members = [], me = -1 } = this.#roster ?? {};
    this.#find.hidden = members.length < SEARCH_FROM;
    const sought = this.#find.hidden ? '' : this.#find.value.trim().toLowerCase();
    const found = members.filter(({ name, user }) => `${name}\n${user}`.toLowerCase().includes(sought));
    const sorted = found.sort((a, b) =>
      this.#rank(a.talker) - this.#rank(b.talker) || a.name.localeCompare(b.name));
    const rows = sorted.slice(0, MOST_ROWS).map((member) => this.#row(member, member.talker === me));
    if (sorted.length > MOST_ROWS) {
      rows.push(make('li', { class: 'muted small' }, [t('people.more', { count: sorted.length - MOST_ROWS })]));
    }
    if (this.onAction && this.onCall && this.#chosen.size > 1) rows.unshift(this.#group(this.onCall));
    this.#list.replaceChildren(...rows);
    byId('people-alone').hidden = members.length !== 1;
    this.#count.textContent = members.length > 0 ? String(members.length) : '';
    this.#count.setAttribute('aria-label', t('people.count', { count: members.length }));
  }

  /** @param {number} talker */
  #rank(talker) {
    return this.#talkers.has(talker) ? 0 : 1;
  }

  /**
   * @param {import('../lib/client.js').Member} member
   * @param {boolean} isMe
   */
  #row(member, isMe) {
    const about = [];
    if (member.role) about.push(bdi(member.role));
    if (member.listen_only) about.push(make('span', {}, [t('people.listenonly')]));
    if (member.muted) about.push(make('span', { class: 'is-muted' }, [t('people.muted')]));
    // In words, for colour and shape say nothing to a screen reader; what it means, to who asks.
    if (member.unreachable) about.push(make('span', { title: t('people.unreachable.hint') }, [t('people.unreachable')]));
    const looks = [this.#talkers.has(member.talker) && 'speaking', member.unreachable && 'unreachable'];
    const row = make('li', { class: looks.filter(Boolean).join(' ') }, [
      make('span', { class: 'avatar', 'aria-hidden': 'true' }, [initials(member.name)]),
      make('span', { class: 'who' }, [bdi(member.name), make('small', {}, about)]),
    ]);
    if (isMe) row.append(make('span', { class: 'tag' }, [t('people.you')]));
    if (this.onAction && !member.listen_only && !isMe) row.append(this.#actions(member, this.onAction));
    if (this.onCall && !isMe) row.append(this.#calls(member, this.onCall));
    return row;
  }

  /** @param {NonNullable<People['onCall']>} call */
  #group(call) {
    const button = make('button', { type: 'button', class: 'quiet act' }, [t('call.group', { count: this.#chosen.size })]);
    button.addEventListener('click', () => {
      call([...this.#chosen]);
      this.#chosen.clear();
      this.draw();
    });
    return make('li', {}, [button]);
  }

  /**
   * @param {import('../lib/client.js').Member} member
   * @param {NonNullable<People['onCall']>} call
   */
  #calls({ user, name }, call) {
    const button = make('button', { type: 'button', class: 'quiet act call-one', 'aria-label': t('call.whom', { name }) }, [t('call.call')]);
    button.addEventListener('click', () => call([user]));
    const both = make('span', { class: 'acts' }, [button]);
    if (!this.onAction) return both;
    const choose = /** @type {HTMLInputElement} */ (make('input', { type: 'checkbox', 'aria-label': t('call.choose', { name }) }));
    choose.checked = this.#chosen.has(user);
    choose.addEventListener('change', () => {
      if (choose.checked) this.#chosen.add(user);
      else this.#chosen.delete(user);
      this.draw();
    });
    both.append(choose);
    return both;
  }

  /**
   * @param {import('../lib/client.js').Member} member
   * @param {NonNullable<People['onAction']>} act
   */
  #actions({ talker, name, muted }, act) {
    /** @type {('revoke' | 'mute' | 'unmute')[]} */
    const actions = [muted ? 'unmute' : 'mute'];
    if (this.#talkers.has(talker)) actions.unshift('revoke');
    return make('span', { class: 'acts' }, actions.map((action) => {
      const button = make('button', { type: 'button', class: 'quiet act', 'aria-label': t(`dispatch.${action}.whom`, { name }) },
        [t(`dispatch.${action}`)]);
      button.addEventListener('click', () => act(action, talker));
      return button;
    }));
  }
}

/**
 * @param {string} name
 */
export function initials(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => [...word][0] ?? '').join('').toUpperCase();
}
