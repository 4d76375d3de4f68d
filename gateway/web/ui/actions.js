// What one may do in a channel besides talking: stop waiting, hear the last call again, call an emergency, and what a
// dispatcher does.

import { byId } from './dom.js';
import { EmergencyButton } from './emergency.js';
import { t, tCode } from './i18n.js';
import { notice } from './notices.js';
import { Raise } from './raise.js';

/**
 * @typedef {import('../lib/wire/messages.js').DispatchAction} DispatchAction
 *
 * @typedef {object} Page
 * @property {import('../lib/client.js').SuaraClient} client
 * @property {import('./stage.js').Stage} stage
 * @property {import('./people.js').People} people
 * @property {import('./hold.js').Hold} hold
 */

export class Actions {
  #clear = byId('clear');
  #emergency = byId('emergency');
  /** Whether the next call is one of imminent peril. @type {HTMLInputElement} */
  #peril = byId('peril');

  /** @param {Page} page */
  constructor({ client, stage, people, hold }) {
    this.client = client;
    this.stage = stage;
    this.people = people;
    this.raise = new Raise(client);
    this.button = new EmergencyButton(this.#emergency, {
      onDown: () => void this.raise.begin(),
      onUp: () => {},
      // Wherever one is, and whatever one may do there.
      enabled: () => stage.online,
    });
    byId('cancel').addEventListener('click', () => {
      hold.up();
      this.button.up();
      this.raise.over();
      client.release();
      byId('talk').focus({ preventScroll: true });
    });
    // So that the space bar talks, and doesn't take it back.
    this.#peril.addEventListener('change', () => byId('talk').focus({ preventScroll: true }));
    byId('repeat').addEventListener('click', () => this.#repeat());
    this.#clear.addEventListener('click', () => this.#dispatch('clear'));
  }

  /** @param {readonly string[]} rights in the channel that is shown */
  set rights(rights) {
    const mayDispatch = rights.includes('dispatch');
    const mayHurry = rights.includes('emergency') && rights.includes('talk');
    byId('peril-choice').hidden = !mayHurry;
    if (!mayHurry) this.#peril.checked = false;
    this.#clear.hidden = !mayDispatch;
    this.people.onAction = mayDispatch ? (action, talker) => this.#dispatch(action, talker) : null;
  }

  /** @param {readonly string[]} rights in the emergency channel, which alone decides */
  set alarmRights(rights) {
    this.#emergency.hidden = !rights.includes('emergency') || !rights.includes('listen');
  }

  /** How urgent the next call is. @returns {import('../lib/wire/messages.js').Level} */
  get level() {
    return this.#peril.checked ? 'imminent_peril' : 'normal';
  }

  /** The call is over; the next one is an ordinary one, or what is urgent would soon be everything. */
  calm() {
    this.#peril.checked = false;
  }

  async #repeat() {
    try {
      const burst = await this.client.replay(this.stage.channel);
      if (burst) notice('repeat', t('repeat.plays', { name: burst.name }));
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      notice('repeat', tCode('repeat.error', code));
    }
  }

  /**
   * @param {DispatchAction} action
   * @param {number} [talker]
   */
  async #dispatch(action, talker) {
    try {
      await this.client.dispatch(this.stage.channel, action, talker);
      if (action === 'clear') notice('dispatch', t('dispatch.cleared'));
    } catch (error) {
      const { code } = /** @type {{code: string}} */ (error);
      notice('dispatch', tCode('dispatch.error', code));
    }
  }
}
