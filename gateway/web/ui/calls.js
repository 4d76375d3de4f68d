// Private calls and groups that one is in: each with a button to talk and one to hang up, beside the channel that is shown.

import { bdi, byId, make } from './dom.js';
import { t, tCode } from './i18n.js';
import { notice } from './notices.js';

/** @typedef {import('../lib/wire/messages.js').CallInfo} CallInfo */

export class Calls {
  /** @type {Map<string, CallInfo>} by the name of the call's channel */
  #calls = new Map();
  /** Who talks in which. @type {Map<string, string>} */
  #talking = new Map();
  /** Names of users, as rosters showed them. @type {Map<string, string>} */
  #names = new Map();
  /** In percent. @type {Map<string, number>} */
  #volumes = new Map();
  #panel = byId('calls');

  /** @param {{client: import('../lib/client.js').SuaraClient, onRing: () => void}} page */
  constructor({ client, onRing }) {
    this.client = client;
    this.onRing = onRing;
  }

  /** @param {string} channel */
  has(channel) {
    return this.#calls.has(channel);
  }

  /**
   * One is in a call.
   * @param {string} channel
   * @param {CallInfo} call
   */
  add(channel, call) {
    const isNew = !this.#calls.has(channel);
    this.#calls.set(channel, call);
    this.#names.set(call.by, call.name);
    this.draw();
    if (isNew && call.by !== this.#me()) this.onRing();
  }

  /** @param {string} channel @param {string} reason */
  remove(channel, reason) {
    this.#talking.delete(channel);
    this.#volumes.delete(channel);
    if (this.#calls.delete(channel) && reason === 'ended') notice('call', t('call.ended'));
    this.draw();
  }

  clear() {
    this.#calls.clear();
    this.#talking.clear();
    this.draw();
  }

  /** @param {import('../lib/client.js').RosterDetail} roster */
  roster({ members }) {
    for (const { user, name } of members) this.#names.set(user, name);
    this.draw();
  }

  /** @param {import('../lib/client.js').FloorDetail} floor */
  floor({ channel, phase, by }) {
    this.#talking.set(channel, phase === 'granted' ? t('call.talking') : by?.name ?? '');
    const line = this.#panel.querySelector(`[data-channel="${CSS.escape(channel)}"] small`);
    if (line) line.textContent = this.#talking.get(channel) ?? '';
  }

  /** Calls users. @param {string[]} users */
  async call(users) {
    try {
      await this.client.call(users);
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      // It was over before it was heard of: whom it was to can't be called, and left.
      notice('call', code === 'left' ? t('call.ended') : tCode('call.error', code));
    }
  }

  draw() {
    this.#panel.hidden = this.#calls.size === 0;
    this.#panel.replaceChildren(...[...this.#calls].map(([channel, call]) => this.#row(channel, call)));
  }

  /** @param {string} channel @param {CallInfo} call */
  #row(channel, call) {
    const others = call.users.filter((user) => user !== this.#me()).map((user) => this.#names.get(user) ?? user);
    const talk = make('button', { type: 'button', class: 'primary call-talk' }, [t('call.talk')]);
    talk.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      talk.setPointerCapture(event.pointerId);
      this.client.press(channel, { queue: true });
    });
    for (const type of ['pointerup', 'pointercancel']) talk.addEventListener(type, () => this.client.release());
    const volume = /** @type {HTMLInputElement} */ (make('input', {
      type: 'range', min: '0', max: '100', step: '5', value: String(this.#volumes.get(channel) ?? 100), 'aria-label': t('call.volume'),
    }));
    volume.addEventListener('input', () => {
      this.#volumes.set(channel, Number(volume.value));
      this.client.volume(channel, Number(volume.value) / 100);
    });
    const end = make('button', { type: 'button', class: 'quiet call-end' }, [t('call.end')]);
    end.addEventListener('click', () => this.#end(channel, call));
    return make('div', { class: 'call', 'data-channel': channel }, [
      make('span', {}, [`${t('call.with')} `, bdi(others.join(', ')), ' ', make('small', {}, [this.#talking.get(channel) ?? ''])]),
      volume, talk, end,
    ]);
  }

  /** @param {string} channel @param {CallInfo} call */
  #end(channel, call) {
    if (call.by === this.#me()) this.client.endCall(channel);
    else this.client.leave(channel);
  }

  #me() {
    return this.client.state.phase === 'online' ? this.client.state.user : '';
  }
}
