// Datagrams on their way to the speaker: decoded, and checked against what one knows of the channel and its floor.

import { decode, VoiceError } from './wire/voice.js';

/**
 * @typedef {import('./channel.js').Channel} Channel
 *
 * @typedef {object} Speaker plays what comes
 * @property {(frame: import('./wire/voice.js').VoiceFrame) => void} frame
 * @property {(channel: number, talker: number | null) => void} floorIdle a talker's burst is over, or whoever's it was
 * @property {(channel: number | null) => void} silence drops what is buffered, of one channel or of all
 * @property {() => object} stats
 *
 * @typedef {object} HearingOptions
 * @property {import('./channels.js').Channels} channels
 * @property {Speaker} speaker
 * @property {() => number} now
 * @property {(channel: Channel) => void} onFloor voice told of a talker before the floor's message did
 * @property {(type: 'speaking', detail: any) => void} emit
 */

export class Hearing {
  counts = { framesHeard: 0, framesRefused: 0 };

  /** @param {HearingOptions} options */
  constructor(options) {
    this.options = options;
  }

  /** @param {Uint8Array} bytes */
  datagram(bytes) {
    const { channels, speaker, now, onFloor } = this.options;
    let frame;
    try {
      frame = decode(bytes);
    } catch (error) {
      // Another kind is for a newer client; anything else is counted, and no reason to fall silent.
      if (error instanceof VoiceError && error.fault !== 'kind') this.counts.framesRefused++;
      return;
    }
    const channel = channels.numbered(frame.channel);
    if (!channel || frame.talker === channel.talker || frame.talkAhead) return;
    this.counts.framesHeard++;
    const known = channel.floor.voice(frame, channel.roster.get(frame.talker), now());
    if (known === 'changed') onFloor(channel);
    if (known !== 'old') speaker.frame(frame);
  }

  /**
   * Somebody is audible, or no longer.
   * @param {number} number of the channel
   * @param {number} talker
   * @param {boolean} speaking
   */
  speaking(number, talker, speaking) {
    const channel = this.options.channels.numbered(number);
    if (!channel) return;
    const { user = '', name = '' } = channel.roster.get(talker) ?? channel.floor.view().holder ?? {};
    this.options.emit('speaking', { channel: channel.name, talker, user, name, speaking });
  }
}
