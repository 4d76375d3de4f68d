// The console's language: the browser's, or what was chosen.

import en from '../i18n/en.js';
import id from '../i18n/id.js';

/** @typedef {keyof typeof en} Key */

/** @type {Record<string, Record<Key, string>>} */
const LANGUAGES = { en, id };

let strings = LANGUAGES.en;

/**
 * The first of the wanted languages that we have. Malay's speakers read Indonesian better than English.
 * @param {readonly string[]} wanted
 */
export function choose(wanted) {
  for (const tag of wanted) {
    const language = tag.toLowerCase().split('-')[0];
    if (language in LANGUAGES) return language;
    if (language === 'ms' || language === 'in') return 'id';
  }
  return 'en';
}

/**
 * How times and numbers are written: as the browser's user has it, where that is in the console's language.
 * @param {readonly string[]} [wanted]
 */
export function locale(wanted = navigator.languages) {
  const language = document.documentElement.lang;
  return wanted.find((tag) => choose([tag]) === language && tag.toLowerCase().startsWith(language)) ?? language;
}

/** @param {string} language */
export function use(language) {
  strings = LANGUAGES[language] ?? LANGUAGES.en;
  document.documentElement.lang = language;
  document.title = t('page.title');
  for (const element of document.querySelectorAll('[data-t]')) {
    element.textContent = t(/** @type {Key} */ (element.getAttribute('data-t')));
  }
  for (const name of ['label', 'placeholder']) {
    for (const element of document.querySelectorAll(`[data-t-${name}]`)) {
      const text = t(/** @type {Key} */ (element.getAttribute(`data-t-${name}`)));
      element.setAttribute(name === 'label' ? 'aria-label' : name, text);
    }
  }
}

/**
 * @param {Key} key
 * @param {Record<string, string | number>} [values] for the `{names}` in the string
 */
export function t(key, values = {}) {
  return strings[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''));
}

/**
 * The string of a code, or the family's `other` for one that we don't know.
 * @param {string} family
 * @param {string | null} code
 * @param {Record<string, string | number>} [values]
 */
export function tCode(family, code, values = {}) {
  const key = `${family}.${code}`;
  const known = key in strings ? key : `${family}.other`;
  return t(/** @type {Key} */ (known), { code: code ?? '', ...values });
}
