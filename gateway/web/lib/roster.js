// Who is in a channel: a snapshot and numbered deltas (PROTOCOL.md, section 4.2). Pure.

/** @typedef {import('./wire/messages.js').Member} Member */

export class Roster {
  /** @type {Map<number, Member>} */
  #members = new Map();
  #asked = false;
  version = 0;

  /**
   * @param {number} version
   * @param {Member[]} members
   */
  constructor(version, members) {
    this.#replace(version, members);
  }

  /** Everybody, in the order of their coming. */
  get members() {
    return [...this.#members.values()];
  }

  /** @param {number} talker */
  get(talker) {
    return this.#members.get(talker);
  }

  /**
   * Takes a `roster` message. `ask` means that something was missed and the whole roster is to be asked for: said once
   * per gap, however many deltas come until the answer does.
   * @param {import('./wire/messages.js').RosterMessage} message
   * @returns {'changed' | 'ignored' | 'ask'}
   */
  apply(message) {
    if (message.version <= this.version && !(message.members && this.#asked)) return 'ignored';
    if (message.members) {
      this.#replace(message.version, message.members);
      return 'changed';
    }
    if ((message.since ?? Infinity) > this.version) return this.#ask();
    for (const member of message.joined ?? []) this.#members.set(member.talker, member);
    for (const member of message.changed ?? []) this.#members.set(member.talker, member);
    // After the joins: who came and went between two messages is in both lists.
    for (const { talker } of message.left ?? []) this.#members.delete(talker);
    this.version = message.version;
    return 'changed';
  }

  #ask() {
    if (this.#asked) return 'ignored';
    this.#asked = true;
    return 'ask';
  }

  /**
   * @param {number} version
   * @param {Member[]} members
   */
  #replace(version, members) {
    this.#members = new Map(members.map((member) => [member.talker, member]));
    this.version = version;
    this.#asked = false;
  }
}
