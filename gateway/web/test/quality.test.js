import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Quality } from '../ui/quality.js';

/** An element of a page that is none. */
function element() {
  const dataset = /** @type {Record<string, string>} */ ({});
  const words = /** @type {string[]} */ ([]);
  return {
    dataset, words, hidden: true, setAttribute() {}, append(/** @type {string[]} */ ...said) { words.push(...said); },
    replaceChildren(/** @type {{words: string[]}[]} */ ...children) { words.splice(0, words.length, ...children.flatMap((child) => child.words)); },
  };
}

test('who is cut off from other nodes has no good connection, however good the way is', () => {
  const elements = new Map();
  Object.assign(globalThis, {
    document: {
      getElementById: (/** @type {string} */ id) => elements.get(id) ?? elements.set(id, element()).get(id),
      createElement: element,
    },
  });
  const quality = new Quality();
  const stats = { rttMs: 5, hear: { received: 100, lost: 0, late: 0 } };
  quality.show(stats);
  assert.deepEqual([elements.get('quality').dataset.level, elements.get('quality-text').words[0]], ['good', 'Good connection']);
  quality.split = true;
  quality.show(stats);
  assert.deepEqual([elements.get('quality').dataset.level, elements.get('quality-text').words[0]], ['poor', 'Cut off from other servers']);
  quality.split = false;
  quality.show(stats);
  assert.equal(elements.get('quality').dataset.level, 'good');
});
