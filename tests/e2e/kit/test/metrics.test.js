import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMetrics, sumOf } from '../metrics.js';

const page = `# HELP suara_sessions Sessions that are here
# TYPE suara_sessions gauge
suara_sessions 2
suara_voice_frames_dropped_total{reason="stale",worker="0"} 3
suara_voice_frames_dropped_total{worker="1",reason="stale"} 4.5 1700000000
suara_queue_age_seconds_bucket{le="+Inf"} 9
odd{label="a \\"b\\" {c}"} 1e3
`;

test('a page is read into series and values', () => {
  const metrics = parseMetrics(page);
  assert.equal(metrics.get('suara_sessions'), 2);
  assert.equal(metrics.get('suara_voice_frames_dropped_total{reason="stale",worker="1"}'), 4.5);
  assert.equal(metrics.get('suara_queue_age_seconds_bucket{le="+Inf"}'), 9);
  assert.equal(metrics.get('odd{label="a \\"b\\" {c}"}'), 1000);
  assert.equal(metrics.size, 5);
});

test('series are summed by a pattern', () => {
  assert.equal(sumOf(parseMetrics(page), /dropped.*reason="stale"/), 7.5);
  assert.equal(sumOf(parseMetrics(page), /nothing/), 0);
});

test('two pages add up', () => {
  assert.equal(parseMetrics(page + page).get('suara_sessions'), 4);
});
