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
  /** Who has the floor, or -1. */
  #talker = -1;
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
    this.#talker = floor?.by?.talker ?? -1;
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
    this.#list.replaceChildren(...rows);
    this.#count.textContent = members.length > 0 ? String(members.length) : '';
    this.#count.setAttribute('aria-label', t('people.count', { count: members.length }));
  }

  /** @param {number} talker */
  #rank(talker) {
    return talker === this.#talker ? 0 : 1;
  }

  /**
   * @param {import('../lib/client.js').Member} member
   * @param {boolean} isMe
   */
  #row(member, isMe) {
    const about = [];
    if (member.role) about.push(bdi(member.role));
    if (member.listen_only) about.push(make('span', {}, [t('people.listenonly')]));
    const row = make('li', { class: member.talker === this.#talker ? 'speaking' : '' }, [
      make('span', { class: 'avatar', 'aria-hidden': 'true' }, [initials(member.name)]),
      make('span', { class: 'who' }, [bdi(member.name), make('small', {}, about)]),
    ]);
    if (isMe) row.append(make('span', { class: 'tag' }, [t('people.you')]));
    return row;
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
