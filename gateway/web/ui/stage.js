// The heart of the page: whose turn it is, unmistakably, and the button.

import { bdi, byId } from './dom.js';
import { t, tCode } from './i18n.js';
import { initials } from './people.js';

/**
 * @typedef {import('../lib/client.js').FloorDetail} FloorDetail
 * @typedef {FloorDetail['phase'] | 'offline' | 'nochannel'} Look
 */

/** From here on the time that is left is said in red. */
const LAST_SECONDS = 5;

export class Stage {
  /** @type {FloorDetail | null} */
  #floor = null;
  /** When the talk limit ends the grant, and how long it was in all. */
  #until = 0;
  #duration = 1;
  #frame = 0;
  #state = byId('state');
  #text = byId('state-text');
  #hint = byId('state-hint');
  #avatar = byId('avatar');
  #talkText = byId('talk-text');
  #talkLeft = byId('talk-left');
  #ring = byId('ring');
  channel = '';
  online = false;
  canTalk = true;
  tapMode = false;

  /** @param {FloorDetail | null} floor */
  set floor(floor) {
    const began = floor?.phase === 'granted' && this.#floor?.phase !== 'granted';
    this.#floor = floor;
    this.#until = performance.now() + (floor?.remainingMs ?? 0);
    if (began) this.#duration = Math.max(1, floor.remainingMs);
    this.draw();
  }

  /** @returns {Look} */
  get look() {
    if (!this.online) return 'offline';
    if (!this.channel) return 'nochannel';
    return this.#floor?.phase ?? 'idle';
  }

  draw() {
    const { look } = this;
    document.body.dataset.floor = look;
    byId('channel-title').replaceChildren(this.channel ? bdi(this.channel) : t('channel.none'));
    byId('listen-only').hidden = this.canTalk || !this.channel;
    this.#say(look);
    this.#button(look);
    if (look === 'granted') this.#tick();
    else this.#ring.setAttribute('stroke-dashoffset', '100');
  }

  /** @param {Look} look */
  #say(look) {
    const name = this.#floor?.by?.name ?? '';
    this.#avatar.textContent = look === 'taken' ? initials(name) : '';
    if (look === 'taken') this.#text.replaceChildren(bdi(name));
    else this.#text.textContent = t(`state.${look}`);
    this.#hint.textContent = this.#hintFor(look);
    this.#talkLeft.textContent = '';
  }

  /** @param {Look} look */
  #hintFor(look) {
    const cause = this.#floor?.cause ?? null;
    const name = this.#floor?.by?.name ?? '';
    switch (look) {
      case 'denied':
        return name && cause === 'another_has_permission' ? t('deny.name', { name }) : tCode('deny', cause);
      case 'revoked': return tCode('revoke', cause);
      case 'nochannel': return t('channel.none.hint');
      // What is left is shown in the button, second by second: read out here it would never end.
      case 'granted': return t('state.granted.who');
      default: return t(`state.${look}.hint`, { position: this.#floor?.position ?? 0 });
    }
  }

  /** @param {Look} look */
  #button(look) {
    /** @type {HTMLButtonElement} */
    const button = byId('talk');
    button.setAttribute('aria-disabled', String(!this.canTalk || look === 'offline' || look === 'nochannel'));
    button.setAttribute('aria-pressed', String(look === 'granted' || look === 'requesting'));
    byId('talk-hint').textContent = this.canTalk ? t(this.tapMode ? 'talk.space.tap' : 'talk.space') : '';
    if (!this.canTalk) this.#talkText.textContent = t('talk.listenonly');
    else if (look === 'granted' || look === 'requesting') {
      this.#talkText.textContent = t(this.tapMode ? 'talk.tap.end' : 'talk.release');
    } else if (look === 'denied' || look === 'revoked') this.#talkText.textContent = t('talk.letgo');
    else if (look === 'taken') this.#talkText.textContent = t('talk.busy');
    else this.#talkText.textContent = t(this.tapMode ? 'talk.tap' : 'talk.hold');
  }

  #tick() {
    cancelAnimationFrame(this.#frame);
    if (this.look !== 'granted') return;
    const left = Math.max(0, this.#until - performance.now());
    this.#ring.setAttribute('stroke-dashoffset', String(100 - (100 * left) / this.#duration));
    const seconds = Math.ceil(left / 1000);
    this.#talkLeft.textContent = t('state.granted.hint', { seconds });
    this.#state.dataset.last = String(seconds <= LAST_SECONDS);
    this.#frame = requestAnimationFrame(() => this.#tick());
  }
}
