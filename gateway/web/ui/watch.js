// The emergency channel: what one may do there, and a quiet place in it for a dispatcher, who would hear of no emergency
// elsewhere. What is said there is heard while an emergency is in force, and otherwise only by who chose to.

import { byId } from './dom.js';
import { t, tCode } from './i18n.js';
import { notice } from './notices.js';

/**
 * @typedef {object} Page
 * @property {Pick<import('../lib/client.js').SuaraClient, 'may' | 'join' | 'leave' | 'volume'>} client
 * @property {() => string} current the channel that one talks in
 * @property {(name: string) => boolean} isChosen whether it is heard by one's own choice, wherever one talks
 * @property {(rights: readonly string[]) => void} onRights what one may do there
 * @property {(count: number) => void} onHeard how many others hear what is said there
 */

export class Watch {
  /** Of the channel; '' where the gateway doesn't tell it. */
  name = '';
  /** @type {readonly string[]} */
  #rights = [];
  /** Channels in which one is a dispatcher. @type {Set<string>} */
  #dispatched = new Set();
  /** Whether one is there to hear of emergencies. */
  #on = false;
  /** Users whose emergency is in force. @type {Set<string>} */
  #alerts = new Set();
  /** Whether one of them is one's own. */
  #mine = false;
  /** Who talks there talks of an emergency. */
  #urgent = false;
  #audible = true;

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
  }

  /** A session began. @param {string | null} name of the emergency channel */
  async online(name) {
    if (this.name !== (name ?? '')) this.clear();
    this.name = name ?? '';
    // An answer that doesn't come gives no right; the next session asks again.
    this.#rights = name === null ? [] : await this.page.client.may(name).catch(() => []);
    this.page.onRights(this.#rights);
    await this.#enter();
  }

  /** @param {string} channel @param {readonly string[]} rights */
  joined(channel, rights) {
    if (rights.includes('dispatch')) this.#dispatched.add(channel);
    else this.#dispatched.delete(channel);
    // What is in force is told next.
    if (channel === this.name) this.#alerts.clear();
    this.apply();
    void this.#enter();
  }

  /** @param {string} channel */
  left(channel) {
    this.#dispatched.delete(channel);
    if (channel !== this.name) return;
    this.#on = false;
    this.#alerts.clear();
    this.#mine = this.#urgent = false;
    // A channel that one comes back to is as loud as any.
    this.apply();
    this.draw();
  }

  clear() {
    this.left(this.name);
    this.#dispatched.clear();
    this.#rights = [];
    this.name = '';
  }

  /** Whether one stays there, wherever one talks. @param {string} name */
  holds(name) {
    return name === this.name && (this.#on || this.#mine);
  }

  /** Whether one is there without having chosen it, so that nothing is shown of it. @param {string} name */
  isQuiet(name) {
    return name !== '' && name === this.name && name !== this.page.current() && !this.page.isChosen(name);
  }

  /** @param {{channel: string, user: string, mine: boolean, over: boolean}} alert */
  alert({ channel, user, mine, over }) {
    if (channel !== this.name) return;
    if (over) this.#alerts.delete(user);
    else this.#alerts.add(user);
    if (mine) this.#mine = !over;
    this.apply();
    // One was brought there by one's own emergency, and it is over.
    if (mine && over && !this.#on && this.isQuiet(channel)) this.page.client.leave(channel);
  }

  /** @param {import('../lib/client.js').FloorDetail} floor */
  floor({ channel, talkers }) {
    if (channel !== this.name) return;
    this.#urgent = talkers.some(({ level }) => level === 'emergency');
    this.apply();
  }

  /** @param {import('../lib/client.js').RosterDetail} roster */
  roster({ channel, me, members }) {
    if (channel !== this.name) return;
    const self = members.find(({ talker }) => talker === me)?.user;
    const others = members.filter(({ user, unreachable }) => user !== self && !unreachable);
    this.page.onHeard(new Set(others.map(({ user }) => user)).size);
  }

  /** How loud it is, after a change of what it is heard for. */
  apply() {
    const audible = !this.#on || !this.isQuiet(this.name) || this.#alerts.size > 0 || this.#urgent;
    if (audible === this.#audible || !this.name) return;
    this.#audible = audible;
    void this.page.client.volume(this.name, audible ? 1 : 0);
  }

  draw() {
    byId('watching').hidden = !this.#on;
    byId('watching').textContent = t('watch.on', { channel: this.name });
  }

  /** To hear of emergencies takes the right to listen there; it is the business of those who dispatch, there or elsewhere. */
  async #enter() {
    const dispatches = this.#rights.includes('dispatch') || this.#dispatched.size > 0;
    if (this.#on || !this.name || !dispatches || !this.#rights.includes('listen')) return;
    this.#on = true;
    this.apply();
    this.draw();
    try {
      await this.page.client.join(this.name);
    } catch (error) {
      this.#on = false;
      const { code } = /** @type {{code: string}} */ (error);
      // The next session tries again.
      if (code !== 'lost' && code !== 'offline') notice('watch', tCode('channel.error', code, { channel: this.name }));
    }
    this.draw();
  }
}
