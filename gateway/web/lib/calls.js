// Calls to users (PROTOCOL.md, section 4.3): a channel for those alone whom it is between.

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

  /** For all who are in it. @param {string} name */
  end(name) {
    const { channels, session } = this.options;
    const channel = channels.named(name);
    if (channel) session().send({ type: 'call_end', channel: channel.number });
  }
}
