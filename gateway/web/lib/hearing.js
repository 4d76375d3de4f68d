// Datagrams on their way to the speaker: decoded, and checked against what one knows of the channel and its floor.

import { Entrances } from './entering.js';
import { REPLAYED, Replays } from './replay.js';
import { replay } from './replay-stream.js';
import { RequestError } from './session.js';
import { decode, VoiceError } from './wire/voice.js';

/**
 * @typedef {import('./channel.js').Channel} Channel
 *
 * @typedef {object} Speaker plays what comes
 * @property {(frame: import('./wire/voice.js').VoiceFrame, entered?: boolean) => void} frame `entered` when one came in the
 *   middle of its talkspurt
 * @property {(channel: number, talker: number | null) => void} floorIdle a talker's burst is over, or whoever's it was
 * @property {(channel: number | null) => void} silence drops what is buffered, of one channel or of all
 * @property {(channel: number, talker: number, speed: number) => void} speed how fast a talker is played
 * @property {(channel: number, gain: number) => void} gain how loud a channel is, from 0 to 1
 * @property {() => object} stats
 *
 * @typedef {object} HearingOptions
 * @property {import('./channels.js').Channels} channels
 * @property {Speaker} speaker
 * @property {import('./clock.js').Clock} clock
 * @property {(channel: Channel) => void} onFloor voice told of a talker before the floor's message did
 * @property {(frame: import('./wire/voice.js').VoiceFrame) => void} onFrame a datagram of voice came, whosever it is
 * @property {(type: 'speaking', detail: any) => void} emit
 * @property {() => import('./session.js').Session} session throws where there is none
 */

export class Hearing {
  /** Of each channel that was set, by name: numbers change with each session. @type {Map<string, number>} */
  #volumes = new Map();
  /** Who was audible last in a channel whose `joined` was still to come. @type {[number, number] | null} */
  #early = null;
  counts = { framesHeard: 0, framesRefused: 0 };

  /** @param {HearingOptions} options */
  constructor(options) {
    this.options = options;
    /** Channels that are entered. */
    this.entrances = new Entrances(options.clock);
    /** Bursts that are heard from their start. */
    this.replays = new Replays(options.clock, options.speaker);
  }

  /** @param {Uint8Array} bytes */
  datagram(bytes) {
    const { channels, speaker, clock, onFloor, onFrame } = this.options;
    let frame;
    try {
      frame = decode(bytes);
    } catch (error) {
      // Another kind is for a newer client; anything else is counted, and no reason to fall silent.
      if (error instanceof VoiceError && error.fault !== 'kind') this.counts.framesRefused++;
      return;
    }
    onFrame(frame);
    const channel = channels.numbered(frame.channel);
    const own = channel ? channel.talker : this.entrances.talker(frame.channel);
    if (own === undefined || frame.talker === own || frame.talkAhead) return;
    this.counts.framesHeard++;
    // `joined` is still to come and says who talks; what is said is heard.
    if (!channel) return speaker.frame(frame, true);
    const known = channel.floor.voice(frame, channel.roster.get(frame.talker), clock.now());
    if (known === 'changed') onFloor(channel);
    if (known !== 'old' && !this.replays.take(frame)) speaker.frame(frame, frame.grant === channel.enteredDuring);
  }

  /**
   * Somebody is audible, or no longer.
   * @param {number} number of the channel
   * @param {number} talker
   * @param {boolean} speaking
   */
  speaking(number, talker, speaking) {
    const channel = this.options.channels.numbered(number);
    if (!channel) {
      this.#early = speaking ? [number, talker] : null;
      return;
    }
    const real = talker % REPLAYED;
    const { user = '', name = '' } = channel.roster.get(real) ?? channel.floor.view().holder ?? {};
    this.options.emit('speaking', { channel: channel.name, talker: real, user, name, speaking, replay: talker !== real });
  }

  /**
   * How loud a channel is beside the others, from 0 to 1.
   * @param {string} name
   * @param {number} volume
   */
  volume(name, volume) {
    this.#volumes.set(name, Math.min(1, Math.max(0, volume)));
    const channel = this.options.channels.named(name);
    if (channel) this.tune(channel);
  }

  /** A channel has a number from now on. @param {Channel} channel */
  tune({ name, number }) {
    const volume = this.#volumes.get(name);
    if (volume !== undefined) this.options.speaker.gain(number, volume);
    const [early, talker] = this.#early ?? [];
    if (early !== number || talker === undefined) return;
    this.#early = null;
    this.speaking(number, talker, true);
  }

  /**
   * Plays the newest burst of a channel from its start.
   * @param {string} name
   * @param {boolean} [onlyLive] nothing, when it is over
   */
  async replay(name, onlyLive = false) {
    const { channels, session } = this.options;
    const { road } = session();
    const channel = channels.named(name);
    if (!channel) throw new RequestError('not_joined');
    const grant = channel.floor.view().talkers.find(({ talker }) => talker !== channel.talker)?.grant;
    return replay({ road, replays: this.replays, channel: channel.number, grant, onlyLive });
  }

  /** A channel that is entered isn't wanted any more. @param {string} name */
  leave(name) {
    const number = this.entrances.leave(name);
    if (number !== null) this.silence(number);
  }

  /** Drops what is buffered, of one channel or of all. @param {number | null} channel its number */
  silence(channel) {
    this.replays.stop(channel);
    this.options.speaker.silence(channel);
  }
}
