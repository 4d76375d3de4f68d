// The page of KPIs: asks the gateway for its scorecard every few seconds, and shows it.

import { byId, make } from './ui/dom.js';
import * as fragment from './ui/fragment.js';
import { choose, locale, t, tCode, use } from './ui/i18n.js';
import * as prefs from './ui/prefs.js';

/** @typedef {import('./ui/i18n.js').Key} Key */
/**
 * @typedef {{kpi: number, talker: string | null, listener: string | null, count: number, p50_ms: number, p95_ms: number,
 *   threshold_ms: number, within: number}} Row
 */

const EVERY_MS = 5000;
/** The gateway tells no more than this apart. */
const LONGEST_MS = 2000;
/** The standard's: of all bursts. */
const SHARE = 0.95;

const ROADS = /** @type {Record<string, string>} */ ({
  webtransport: 'WebTransport', websocket: 'WebSocket', socketio: 'Socket.IO',
});

const link = fragment.take();
if (link.token) prefs.token.set(link.token);
use(prefs.load().language || choose(navigator.languages));
document.title = `${t('kpi.title')} · Suara`;
void look();

async function look() {
  try {
    const answer = await fetch('/api/kpi', { headers: { authorization: `Bearer ${prefs.token.get()}` } });
    if (answer.ok) show(await answer.json());
    else refuse(String(answer.status));
  } catch {
    refuse('lost');
  }
  setTimeout(look, EVERY_MS);
}

/** @param {string} code */
function refuse(code) {
  byId('kpi-note').textContent = tCode('kpi.error', code);
  byId('kpi-panel').hidden = true;
}

/** @param {{seconds: number, node: string, joined: number, alone: number, rows: Row[]}} card */
function show({ seconds, node, joined, alone, rows }) {
  byId('kpi-note').textContent = rows.length > 0 ? '' : t('kpi.none');
  byId('kpi-panel').hidden = rows.length === 0;
  byId('kpi-rows').replaceChildren(...rows.map((row, i) => line(row, rows[i - 1]?.kpi !== row.kpi)));
  const since = new Date(Date.now() - seconds * 1000);
  byId('kpi-since').textContent = t('kpi.since', { time: since.toLocaleString(locale()), node });
  const share = Math.round((alone / Math.max(1, joined + alone)) * 100);
  byId('kpi-alone').textContent = t('kpi.alone', { percent: share.toLocaleString(locale()) });
  byId('kpi-alone').hidden = alone === 0;
}

/**
 * @param {Row} row
 * @param {boolean} first of its KPI
 */
function line(row, first) {
  const met = row.within >= SHARE;
  const percent = (Math.floor(row.within * 1000) / 10).toLocaleString(locale());
  const within = `${t('kpi.percent', { percent })} · ${t(met ? 'kpi.good' : 'kpi.bad')}`;
  const number = (/** @type {string} */ text) => make('td', { class: 'number' }, [text]);
  return make('tr', {}, [
    make('th', { scope: 'row' }, first ? [t(/** @type {Key} */ (`kpi.${row.kpi}`))] : []),
    make('td', {}, [road(row.talker)]), make('td', {}, [road(row.listener)]),
    number(String(row.count)), number(time(row.p50_ms)), number(time(row.p95_ms)), number(time(row.threshold_ms)),
    make('td', { class: 'number', 'data-met': met ? 'yes' : 'no' }, [within]),
  ]);
}

/** @param {string | null} name */
function road(name) {
  return name === null ? '–' : ROADS[name] ?? name;
}

/** @param {number} ms */
function time(ms) {
  return ms > LONGEST_MS ? t('kpi.beyond') : t('kpi.ms', { ms });
}
