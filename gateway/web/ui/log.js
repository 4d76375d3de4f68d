// Who talked, when and for how long: what a dispatcher looks up after an interruption. It is this page's memory only.

import { bdi, byId, make } from './dom.js';
import { locale, t } from './i18n.js';

/** Lines kept: a busy hour. */
const MOST = 100;

/** @typedef {{name: string, mine: boolean, urgent: boolean, grant: number, at: Date, ms: number, over: boolean}} Entry */

export class Log {
  /** @type {Entry[]} */
  #entries = [];
  #list = byId('log-list');

  /** Another channel has another log. */
  clear() {
    this.#entries = [];
    this.draw();
  }

  /**
   * @param {import('../lib/client.js').FloorDetail} floor
   * @param {number} me one's own talker number
   */
  floor({ talkers }, me) {
    const grants = new Set(talkers.map(({ grant }) => grant));
    for (const entry of this.#entries) {
      // A grant is logged once: what comes back after a silence goes on.
      if (entry.over !== grants.has(entry.grant)) continue;
      entry.over = !entry.over;
      entry.ms = Date.now() - entry.at.getTime();
    }
    const known = new Set(this.#entries.map(({ grant }) => grant));
    for (const { name, talker, grant, level } of talkers) {
      if (known.has(grant)) continue;
      const urgent = level !== 'normal';
      const entry = { name, mine: talker === me, urgent, grant, at: new Date(), ms: 0, over: false };
      this.#entries = [entry, ...this.#entries].slice(0, MOST);
    }
    this.draw();
  }

  draw() {
    const rows = this.#entries.map(row);
    this.#list.replaceChildren(...rows);
    byId('log-none').hidden = rows.length > 0;
  }
}

/** @param {Entry} entry */
function row({ name, mine, urgent, at, ms, over }) {
  const length = over ? `${Math.max(1, Math.round(ms / 1000))} s` : t('log.now');
  return make('li', { class: `${over ? '' : 'now'} ${urgent ? 'urgent' : ''}`.trim() }, [
    make('time', { datetime: at.toISOString() }, [clock(at)]),
    make('span', { class: mine ? 'log-who mine' : 'log-who' }, [mine ? t('log.you') : bdi(name)]),
    make('span', { class: 'log-length' }, [length]),
  ]);
}

/** @param {Date} at */
function clock(at) {
  return at.toLocaleTimeString(locale(), {
    hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false,
  });
}
