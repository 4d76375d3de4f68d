// Who hears whom beside the channels themselves: calls (PROTOCOL.md, section 4.3), and what a dispatcher decides (5.3, 5.7).

import { RequestError } from './session.js';

export class Calls {
  /** @param {{channels: import('./channels.js').Channels, session: () => import('./session.js').Session}} options */
  constructor(options) {
    this.options = options;
  }

  /**
   * One, or as a dispatcher several. All are put into a channel of their own.
   * @param {string[]} users
   */
  async call(users) {
    const { channels, session } = this.options;
    const called = await session().ask((request) => ({ type: 'call', request, users }));
    const channel = channels.numbered(called.channel);
    if (!channel) throw new RequestError('left');
    return { ...channel.info(), reached: called.users };
  }

  /**
   * As a dispatcher of both: two channels hear each other from now on, or no longer.
   * @param {string} one
   * @param {string} other
   * @param {boolean} on
   */
  async patch(one, other, on) {
    const { channels, session } = this.options;
    const [channel, peer] = [channels.named(one), channels.named(other)];
    if (!channel || !peer) throw new RequestError('not_joined');
    await session().ask((request) => (
      { type: on ? 'patch' : 'unpatch', request, channel: channel.number, with: peer.number }));
  }

  /**
   * What a dispatcher may do: `revoke`, `mute` or `unmute` a talker, or `clear` the floor.
   * @param {string} name
   * @param {import('./wire/messages.js').DispatchAction} action
   * @param {number} [talker]
   */
  async dispatch(name, action, talker) {
    const channel = this.options.channels.named(name);
    if (!channel) throw new RequestError('not_joined');
    await this.options.session().ask((request) => ({
      type: 'dispatch', request, channel: channel.number, action, ...(talker !== undefined && { talker }),
    }));
  }

  /**
   * What the token gives in a channel, which one need not be in.
   * @param {string} name
   * @returns {Promise<import('./wire/messages.js').Right[]>}
   */
  async may(name) {
    const { rights } = await this.options.session().ask((request) => ({ type: 'may', request, channel: name }));
    return rights;
  }

  /** For all who are in it. @param {string} name */
  end(name) {
    const { channels, session } = this.options;
    const channel = channels.named(name);
    if (channel) session().send({ type: 'call_end', channel: channel.number });
  }
}
