// How good the connection is, in words: from statistics once a second.

import { byId, make } from './dom.js';
import { t } from './i18n.js';

/** Seconds over which loss is counted: shorter flickers, longer hides a recovery. */
const WINDOW = 10;

export class Quality {
  /** @type {{received: number, missing: number}[]} */
  #past = [];
  #element = byId('quality');
  #text = byId('quality-text');
  /** Whether one hears a part of the channel only, however good the way is. */
  split = false;

  /** @param {any} stats of the client */
  show(stats) {
    const { received = 0, lost = 0, late = 0, depthMs = 0, targetMs = 0 } = stats.hear;
    this.#past.push({ received, missing: lost + late });
    if (this.#past.length > WINDOW) this.#past.shift();
    const loss = this.#loss();
    const level = this.split ? 'poor' : rate(stats.rttMs, loss);
    const parts = [t(this.split ? 'quality.split' : `quality.${level}`)];
    if (stats.road) parts.push(t(stats.road === 'websocket' ? 'quality.road.websocket' : 'quality.road.webtransport'));
    if (stats.rttMs >= 0) parts.push(t('quality.rtt', { ms: Math.max(1, Math.round(stats.rttMs)) }));
    parts.push(t('quality.loss', { percent: (loss * 100).toFixed(loss > 0 && loss < 0.1 ? 1 : 0) }));
    if (targetMs > 0) parts.push(t('quality.buffer', { ms: Math.round(depthMs || targetMs) }));
    this.#element.hidden = false;
    this.#element.dataset.level = level;
    this.#text.replaceChildren(...parts.map((part) => make('span', {}, [part])));
  }

  hide() {
    this.#past = [];
    this.#element.hidden = true;
  }

  #loss() {
    const first = this.#past[0];
    const last = this.#past[this.#past.length - 1];
    const received = last.received - first.received;
    const missing = last.missing - first.missing;
    return received + missing > 0 ? missing / (received + missing) : 0;
  }
}

/**
 * Thresholds by ear: 1 % of concealed speech is unnoticed, 5 % is not; a second of round trip makes people collide.
 * @param {number} rttMs
 * @param {number} loss
 * @returns {'good' | 'fair' | 'poor' | 'none'}
 */
export function rate(rttMs, loss) {
  if (rttMs < 0) return 'none';
  if (rttMs < 150 && loss < 0.01) return 'good';
  return rttMs < 400 && loss < 0.05 ? 'fair' : 'poor';
}
