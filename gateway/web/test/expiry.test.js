import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stageOf } from '../ui/expiry.js';
import { locale } from '../ui/i18n.js';

test('the token’s end is told ten minutes before, and a minute before', () => {
  assert.deepEqual([3_600_000, 600_001, 600_000, 60_001, 60_000, 1].map(stageOf), [0, 0, 1, 1, 2, 2]);
  assert.deepEqual([0, -5000].map(stageOf), [0, 0], 'a clock that is ahead of the gateway’s');
});

test('times are written as the browser’s user writes them, in the console’s language', () => {
  const page = { documentElement: { lang: 'en' } };
  Object.assign(globalThis, { document: page });
  assert.equal(locale(['en-GB', 'en']), 'en-GB');
  assert.equal(locale(['de-DE', 'en-AU']), 'en-AU');
  assert.equal(locale(['de-DE']), 'en');
  page.documentElement.lang = 'id';
  assert.equal(locale(['en-GB', 'id-ID']), 'id-ID');
  assert.equal(locale(['ms-MY']), 'id');
});
