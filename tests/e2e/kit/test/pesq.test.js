import assert from 'node:assert/strict';
import { test } from 'node:test';
import { speech } from '../audio.js';
import { pesq } from '../pesq.js';
import { mulberry32 } from '../wav.js';

test('speech that arrives late at another rate is rated like the original', async () => {
  const source = await speech('patrol');
  const { samples, rate } = await speech('patrol', 48000);
  const late = Int16Array.from([...new Int16Array(rate / 4), ...samples]);
  const result = await pesq(source, { samples: late, rate });
  assert.ok(result.pesq > 4.5, JSON.stringify(result));
  assert.ok(Math.abs(result.delay_ms - 250) < 1, JSON.stringify(result));
});

test('speech in noise is rated low', async () => {
  const source = await speech('patrol');
  const random = mulberry32(3);
  const noisy = source.samples.map((sample) => Math.max(-32768, Math.min(32767, sample + (random() - 0.5) * 4000)));
  const result = await pesq(source, { samples: noisy, rate: source.rate });
  assert.ok(result.pesq < 2.5, JSON.stringify(result));
});
