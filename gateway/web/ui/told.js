// What a back end wants told, as a line of text: its own words where it has some.

import { notice } from './notices.js';

/** Longer ones are cut: a notice is one line. */
const MAX_LENGTH = 200;

/** So far: each is a notice of its own. */
let count = 0;

/** @param {{event: string, payload: unknown}} notification */
export function showTold(notification) {
  notice(`told-${(count += 1)}`, toldText(notification));
}

/** @param {{event: string, payload: unknown}} notification */
export function toldText({ event, payload }) {
  const words = wordsOf(payload) ?? (payload === null ? '' : JSON.stringify(payload));
  const text = words ? `${event.replaceAll('_', ' ')}: ${words}` : event.replaceAll('_', ' ');
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}

/** @param {unknown} payload @returns {string | undefined} */
function wordsOf(payload) {
  if (typeof payload === 'string') return payload;
  if (typeof payload !== 'object' || payload === null) return undefined;
  const { title, message, text } = /** @type {Record<string, unknown>} */ (payload);
  const words = [title, message ?? text].filter((word) => typeof word === 'string' && word);
  return words.length ? words.join(' – ') : undefined;
}
