// The channels that this browser remembers, and the field for another.

import { bdi, byId, make } from './dom.js';
import { t } from './i18n.js';
import { forget, remember } from './prefs.js';

export class Channels {
  #list = byId('channel-list');
  #options = byId('recent');
  /** @type {HTMLInputElement} */
  #name = byId('join-name');
  #current = '';
  /** Whether one may hear several at once. */
  mayMonitor = false;
  /** One is to be heard besides, or no longer. @type {(name: string) => void} */
  onMonitor = () => {};
  /** @type {(name: string) => boolean} */
  isHeard = () => false;

  /**
   * @param {import('./prefs.js').Prefs} prefs
   * @param {(name: string) => void} onChoose
   */
  constructor(prefs, onChoose) {
    this.prefs = prefs;
    this.onChoose = onChoose;
    byId('join-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const name = this.#name.value.trim();
      if (name) onChoose(name);
      this.#name.value = '';
    });
    this.draw();
  }

  /** @param {string} name the channel that one is in, or '' */
  set current(name) {
    this.#current = name;
    if (name) remember(this.prefs, name);
    this.draw();
    // On a narrow screen they are a row that scrolls.
    this.#list.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }

  draw() {
    const { channels } = this.prefs;
    this.#list.replaceChildren(...channels.map((name) => this.#row(name)));
    this.#options.replaceChildren(...channels.map((name) => make('option', { value: name })));
  }

  /** @param {string} name */
  #row(name) {
    const isCurrent = name === this.#current;
    const choose = make('button', { type: 'button', class: 'channel' }, [bdi(name)]);
    if (isCurrent) choose.setAttribute('aria-current', 'true');
    choose.addEventListener('click', () => this.onChoose(name));
    const row = make('li', {}, [choose]);
    if (isCurrent) return row;
    if (this.mayMonitor) row.append(this.#monitor(name));
    const label = t('channel.forget', { channel: name });
    const drop = make('button', { type: 'button', class: 'forget', 'aria-label': label }, ['×']);
    drop.addEventListener('click', () => {
      forget(this.prefs, name);
      this.draw();
    });
    row.append(drop);
    return row;
  }

  /** @param {string} name */
  #monitor(name) {
    const monitor = make('button', { type: 'button', class: 'quiet act monitor-add', 'data-channel': name,
      'aria-label': t('monitor.add.what', { channel: name }), 'aria-pressed': String(this.isHeard(name)) }, [t('monitor.add')]);
    monitor.addEventListener('click', () => {
      this.onMonitor(name);
      // The list was drawn anew.
      /** @type {HTMLElement | null} */ (this.#list.querySelector(`.monitor-add[data-channel="${CSS.escape(name)}"]`))?.focus();
    });
    return monitor;
  }
}
