// What has to be said in words: one line each, with at most one thing to do about it.

import { byId, make } from './dom.js';

/** What needs no answer goes by itself. */
const FLEETING_MS = 8000;

/** @type {Map<string, HTMLElement>} */
const shown = new Map();

/**
 * Shows a notice, in place of the one of the same id.
 * @param {string} id
 * @param {string} text
 * @param {{label: string, run: () => void}} [action] a notice with one stays until it is withdrawn
 */
export function notice(id, text, action) {
  withdraw(id);
  const line = make('p', { class: 'notice' }, [make('span', {}, [text])]);
  if (action) {
    const button = make('button', { type: 'button', class: 'quiet' }, [action.label]);
    button.addEventListener('click', () => {
      withdraw(id);
      action.run();
    });
    line.append(button);
  } else {
    setTimeout(() => shown.get(id) === line && withdraw(id), FLEETING_MS);
  }
  shown.set(id, line);
  byId('notices').append(line);
}

/** @param {string} id */
export function withdraw(id) {
  shown.get(id)?.remove();
  shown.delete(id);
}
