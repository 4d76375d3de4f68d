// One channel that is heard besides: its line. It stays the same element for as long as the channel is heard, so that a slider
// is not lost under the finger, nor the focus.

import { bdi, byId, make } from './dom.js';
import { t } from './i18n.js';

/**
 * @typedef {object} Wishes
 * @property {(volume: number) => void} onVolume from 0 to 1
 * @property {() => void} onTalk
 * @property {() => void} onStop
 * @property {() => void} onPatch this one is to be patched, or is the other one
 * @property {(other: string) => void} onUnpatch
 *
 * @typedef {object} Look
 * @property {string} current the channel that one talks in
 * @property {Monitor | null} from the first of two that are to be patched, which isn't this one
 * @property {boolean} patching whether this is the first of the two
 * @property {boolean} mayPatch whether there is another that it may be patched to
 */

export class Monitor {
  /** @type {readonly string[]} */
  rights = [];
  /** Names. @type {string[]} */
  patched = [];
  #muted = false;
  #who = make('small');
  #volume = /** @type {HTMLInputElement} */ (make('input', { type: 'range', min: '0', max: '100', step: '5', value: '100' }));
  #mute = button('monitor-mute', () => this.#setMuted(!this.#muted));
  #talk = button('monitor-talk', () => this.wishes.onTalk());
  #patch = button('monitor-patch', () => this.wishes.onPatch());
  #stop = button('monitor-stop', () => this.wishes.onStop());
  #patches = make('span', { class: 'monitor-patches' });
  row;

  /**
   * @param {string} name of the channel
   * @param {Wishes} wishes
   */
  constructor(name, wishes) {
    this.name = name;
    this.wishes = wishes;
    this.row = make('li', { class: 'monitor', 'data-channel': name }, [
      make('span', { class: 'monitor-name' }, [bdi(name), ' ', this.#who]),
      make('span', { class: 'monitor-sound' }, [this.#volume, this.#mute]),
      this.#patches,
      make('span', { class: 'monitor-acts' }, [this.#talk, this.#patch, this.#stop]),
    ]);
    this.#volume.addEventListener('input', () => this.#setMuted(false));
  }

  /** Whether a patch of the two is this user's to make. @param {Monitor} other */
  mayPatch(other) {
    return [this, other].every(({ rights }) => rights.includes('dispatch')) && !this.patched.includes(other.name);
  }

  /** Who talks. @param {string} who */
  says(who) {
    this.#who.textContent = who;
    this.row.classList.toggle('speaking', who !== '');
  }

  /** @param {Look} look */
  draw({ current, from, patching, mayPatch }) {
    const channel = this.name;
    const isCurrent = channel === current;
    if (isCurrent) this.row.setAttribute('aria-current', 'true');
    else this.row.removeAttribute('aria-current');
    this.#volume.setAttribute('aria-label', t('monitor.volume', { channel }));
    label(this.#mute, t(this.#muted ? 'sound.muted' : 'sound.mute'), t('monitor.mute', { channel }));
    this.#mute.setAttribute('aria-pressed', String(this.#muted));
    label(this.#talk, t(isCurrent ? 'monitor.talks' : 'monitor.talk'), t('monitor.talk.where', { channel }));
    this.#talk.setAttribute('aria-pressed', String(isCurrent));
    label(this.#stop, t('monitor.stop'), t('monitor.stop.what', { channel }));
    this.#stop.hidden = isCurrent;
    if (from) label(this.#patch, t('patch.here'), t('patch.to', { channel, other: from.name }));
    else label(this.#patch, t(patching ? 'patch.cancel' : 'patch.begin'), t('patch.from', { channel }));
    this.#patch.hidden = from ? !from.mayPatch(this) : !mayPatch;
    this.#patch.setAttribute('aria-pressed', String(patching));
    this.#drawPatches();
  }

  #drawPatches() {
    const mayEnd = this.rights.includes('dispatch');
    this.#patches.hidden = this.patched.length === 0;
    this.#patches.replaceChildren(...this.patched.map((other) => {
      const end = button('monitor-unpatch', () => this.wishes.onUnpatch(other));
      label(end, '×', t('patch.end', { channel: this.name, other }));
      return make('span', { class: 'tag' }, ['⇄ ', bdi(other), ...mayEnd ? [' ', end] : []]);
    }));
  }

  /** @param {boolean} muted */
  #setMuted(muted) {
    this.#muted = muted;
    this.wishes.onVolume(muted ? 0 : Number(this.#volume.value) / 100);
    this.#mute.setAttribute('aria-pressed', String(muted));
    this.#mute.textContent = t(muted ? 'sound.muted' : 'sound.mute');
  }
}

/**
 * @param {string} kind
 * @param {() => void} run
 */
function button(kind, run) {
  const made = make('button', { type: 'button', class: `quiet act ${kind}` });
  made.addEventListener('click', (event) => {
    run();
    // After a click of the mouse the space bar is to talk, not to press this again.
    if (event.detail > 0) byId('talk').focus({ preventScroll: true });
  });
  return made;
}

/**
 * What is seen, and what is read aloud: it says of which channel.
 * @param {HTMLElement} element
 * @param {string} text
 * @param {string} name
 */
function label(element, text, name) {
  element.textContent = text;
  element.setAttribute('aria-label', name);
}
