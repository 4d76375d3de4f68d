/** The Prometheus text format, as far as tests need it. */

/** @typedef {Map<string, number>} Metrics `name{label="value",…}`, labels sorted, to value */

/** A series that occurs twice, as two processes' pages have it, is added up. @param {string} text @returns {Metrics} */
export function parseMetrics(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line);
    if (!match) continue;
    const series = seriesName(match[1], match[2]);
    metrics.set(series, (metrics.get(series) ?? 0) + toNumber(match[3]));
  }
  return metrics;
}

/** @param {string} name @param {string} [labels] */
function seriesName(name, labels) {
  const sorted = [...(labels ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([pair]) => pair).sort();
  return sorted.length ? `${name}{${sorted.join(',')}}` : name;
}

/** @param {string} text */
function toNumber(text) {
  return { '+Inf': Infinity, '-Inf': -Infinity }[text] ?? Number(text);
}

/**
 * The sum of the series whose whole name matches.
 * @param {Metrics} metrics @param {RegExp} pattern against `name{label="value",…}`
 */
export function sumOf(metrics, pattern) {
  return [...metrics].filter(([series]) => pattern.test(series)).reduce((sum, [, value]) => sum + value, 0);
}
