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
/** Nobody reads a countdown of more than that. */
const ENDLESS_SECONDS = 1800;

/** The worst first. */
const LEVELS = /** @type {const} */ (['emergency', 'imminent_peril']);

export class Stage {
  /** @type {FloorDetail | null} */
  #floor = null;
  /** When the talk limit ends the grant, and how long it was in all. */
  #until = 0;
  #duration = 1;
  #frame = 0;
  /** One's own talker number. */
  me = -1;
  #state = byId('state');
  #text = byId('state-text');
  #hint = byId('state-hint');
  #avatar = byId('avatar');
  #talkText = byId('talk-text');
  #talkLeft = byId('talk-left');
  #ring = byId('ring');
  channel = '';
  online = false;
  mode = 'ptt';
  mayTalk = true;
  /** By a dispatcher. */
  muted = false;
  tapMode = false;
  /** The name of the key that is the button, where it isn't the space bar. */
  key = '';
  /** Whether nobody else is in the channel. */
  alone = false;
  /** Where the microphone is open by an emergency, or ''. */
  #alarm = '';

  get canTalk() {
    return this.mayTalk && !this.muted;
  }

  /** @param {FloorDetail | null} floor */
  set floor(floor) {
    const began = floor?.phase === 'granted' && this.#floor?.phase !== 'granted';
    this.#floor = floor;
    this.#until = performance.now() + (floor?.remainingMs ?? 0);
    if (began) this.#duration = Math.max(1, floor.remainingMs);
    this.draw();
  }

  /** @param {string} channel */
  set alarm(channel) {
    if (channel === this.#alarm) return;
    this.#alarm = channel;
    this.draw();
  }

  /** The emergency that is talked in, where it isn't the channel that is shown. */
  get #elsewhere() {
    return this.#alarm === this.channel ? '' : this.#alarm;
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
    document.body.dataset.alarm = this.#elsewhere ? 'open' : '';
    byId('channel-title').replaceChildren(this.channel ? bdi(this.channel) : t('channel.none'));
    byId('listen-only').hidden = this.mayTalk || !this.channel;
    byId('muted').hidden = !this.muted || !this.channel;
    byId('cancel').hidden = look !== 'queued';
    this.#urgency();
    this.#say(look);
    this.#button(look);
    if (look === 'granted') this.#tick();
    else this.#ring.setAttribute('stroke-dashoffset', '100');
  }

  /** How urgent it is what is said now, in colour and in words. */
  #urgency() {
    const levels = this.#floor?.talkers.map(({ level }) => level) ?? [];
    const level = LEVELS.find((urgent) => levels.includes(urgent)) ?? 'normal';
    document.body.dataset.level = level;
    byId('urgency').textContent = level === 'normal' ? '' : t(`level.${level}`);
  }

  /** Those who are heard. */
  get #others() {
    return this.#floor?.talkers.filter(({ talker }) => talker !== this.me) ?? [];
  }

  /** @param {Look} look */
  #say(look) {
    const names = this.#others.map(({ name }) => name);
    const name = names[0] ?? '';
    this.#avatar.textContent = look === 'taken' ? initials(name) : '';
    if (look === 'taken') this.#text.replaceChildren(...names.flatMap((one, i) => (i ? [', ', bdi(one)] : [bdi(one)])));
    else this.#text.textContent = t(this.#elsewhere ? 'state.alarm' : `state.${look}`);
    this.#hint.textContent = this.#hintFor(look);
    this.#talkLeft.textContent = '';
  }

  /** @param {Look} look */
  #hintFor(look) {
    const cause = this.#floor?.cause ?? null;
    const name = this.#floor?.by?.name ?? '';
    if (this.#elsewhere && look !== 'taken') return t('state.alarm.hint', { channel: this.#elsewhere });
    switch (look) {
      case 'denied':
        return name && cause === 'another_has_permission' ? t('deny.name', { name }) : tCode('deny', cause);
      case 'revoked': return tCode('revoke', cause);
      case 'taken': return t(this.#others.length > 1 ? 'state.taken.several' : 'state.taken.hint');
      case 'nochannel': return t('channel.none.hint');
      // What is left is shown in the button, second by second: read out here it would never end.
      case 'granted':
        if (this.#floor?.warned) return t('state.granted.warned');
        return t(this.alone ? 'state.alone' : 'state.granted.who');
      case 'idle': return t(this.alone ? 'state.alone' : 'state.idle.hint');
      default: return t(`state.${look}.hint`, { position: this.#floor?.position ?? 0 });
    }
  }

  /** @param {Look} look */
  #button(look) {
    /** @type {HTMLButtonElement} */
    const button = byId('talk');
    button.setAttribute('aria-disabled', String(!this.canTalk || look === 'offline' || look === 'nochannel'));
    button.setAttribute('aria-pressed', String(isDown(look)));
    const hint = t(`talk.${this.key ? 'key' : 'space'}${this.tapMode ? '.tap' : ''}`, { key: this.key });
    byId('talk-hint').textContent = this.canTalk ? hint : '';
    if (!this.canTalk) this.#talkText.textContent = t(this.muted ? 'talk.muted' : 'talk.listenonly');
    else if (isDown(look)) {
      this.#talkText.textContent = t(this.tapMode ? 'talk.tap.end' : 'talk.release');
    } else if (look === 'denied' || look === 'revoked') this.#talkText.textContent = t('talk.letgo');
    else if (look === 'taken' && this.mode === 'ptt') this.#talkText.textContent = t('talk.busy');
    else this.#talkText.textContent = t(this.tapMode ? 'talk.tap' : 'talk.hold');
  }

  #tick() {
    cancelAnimationFrame(this.#frame);
    if (this.look !== 'granted') return;
    const left = Math.max(0, this.#until - performance.now());
    this.#ring.setAttribute('stroke-dashoffset', String(100 - (100 * left) / this.#duration));
    const seconds = Math.ceil(left / 1000);
    // An emergency has no limit.
    this.#talkLeft.textContent = seconds > ENDLESS_SECONDS ? '' : t('state.granted.hint', { seconds });
    this.#state.dataset.last = String(seconds <= LAST_SECONDS);
    this.#frame = requestAnimationFrame(() => this.#tick());
  }
}

/** @param {Look} look whether the button is down, and for a reason */
function isDown(look) {
  return look === 'granted' || look === 'requesting' || look === 'queued';
}
