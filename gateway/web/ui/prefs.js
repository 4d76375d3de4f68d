// What this browser remembers. Storage may be refused or full: then nothing is remembered, and nothing breaks.

/** @typedef {{volume: number, muted: boolean, tones: boolean, processing: boolean, tap: boolean, queue: boolean, lateEntry: boolean, language: string,
 *   channels: string[], monitored: string[], microphone: string, speaker: string, key: {code: string, name: string} | null}} Prefs */

const KEY = 'suara';
const TOKEN = 'suara.token';
/** Channels remembered: as many as fit beside the stage. */
const RECENT = 12;

/** @type {Prefs} */
const DEFAULTS = {
  volume: 1, muted: false, tones: true, processing: true, tap: false, queue: true, lateEntry: false, language: '', channels: [],
  monitored: [], microphone: '', speaker: '', key: null,
};

/** @returns {Prefs} */
export function load() {
  const stored = attempt(() => JSON.parse(localStorage.getItem(KEY) ?? '{}')) ?? {};
  return { ...DEFAULTS, monitored: [], ...stored };
}

/** @param {Prefs} prefs */
export function save(prefs) {
  attempt(() => localStorage.setItem(KEY, JSON.stringify(prefs)));
}

/**
 * Puts a channel in front of the recent ones.
 * @param {Prefs} prefs
 * @param {string} name
 */
export function remember(prefs, name) {
  if (!prefs.channels.includes(name)) prefs.channels = [name, ...prefs.channels].slice(0, RECENT);
  save(prefs);
}

/**
 * @param {Prefs} prefs
 * @param {string} name
 */
export function forget(prefs, name) {
  prefs.channels = prefs.channels.filter((other) => other !== name);
  save(prefs);
}

/** The token of this tab; never in localStorage, where it would outlive the shift. */
export const token = {
  get: () => attempt(() => sessionStorage.getItem(TOKEN)) ?? '',
  /** @param {string} value */
  set: (value) => attempt(() => sessionStorage.setItem(TOKEN, value)),
  clear: () => attempt(() => sessionStorage.removeItem(TOKEN)),
};

/**
 * @template T
 * @param {() => T} what
 */
function attempt(what) {
  try {
    return what();
  } catch {
    return undefined;
  }
}
