// The channels that one is in, by name for the page and by number for the wire, and those that one wants to be in: after
// a reconnect every number is another, and the names are joined again.

import { Channel } from './channel.js';

export class Channels {
  /** @type {Set<string>} */
  wanted = new Set();
  /** @type {Map<string, Channel>} */
  #byName = new Map();
  /** @type {Map<number, Channel>} */
  #byNumber = new Map();

  /** Those of a session that was resumed by another, which hasn't said yet that one is still there. @type {Set<Channel>} */
  #doubted = new Set();

  /** @param {string} name */
  named(name) {
    return this.#byName.get(name);
  }

  /** @param {number} number */
  numbered(number) {
    return this.#byNumber.get(number);
  }

  all() {
    return [...this.#byName.values()];
  }

  /** Whether one is wherever one wants to be, and nobody talks there. */
  get areQuiet() {
    const joined = [...this.wanted].every((name) => this.#byName.has(name));
    return joined && this.all().every(({ floor }) => floor.view().holder === null && floor.grant < 0);
  }

  /**
   * @param {import('./wire/messages.js').Joined} joined
   * @param {number} renewalMs
   * @param {number} now
   */
  add(joined, renewalMs, now) {
    const before = this.#byName.get(joined.name);
    if (before) this.remove(before);
    const channel = new Channel(joined, renewalMs, now);
    this.#byName.set(channel.name, channel);
    this.#byNumber.set(channel.number, channel);
    return channel;
  }

  /** @param {Channel} channel */
  remove(channel) {
    this.#byName.delete(channel.name);
    this.#byNumber.delete(channel.number);
    this.#doubted.delete(channel);
  }

  /** The session is another's from now on: each is told anew. */
  doubt() {
    this.#doubted = new Set(this.#byName.values());
  }

  /** @param {Channel} channel */
  isDoubted(channel) {
    return this.#doubted.has(channel);
  }

  /** The session is gone, and with it every number. */
  forget() {
    this.#byName.clear();
    this.#byNumber.clear();
    this.#doubted.clear();
  }
}
