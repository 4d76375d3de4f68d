// What the gateway says about channels, on the control stream and by datagram, and whom it concerns.

import { decodeEntry, EntryError, KIND_ENTRY } from './wire/entry.js';
import { decodeFloor, FloorError, KIND_FLOOR } from './wire/floor.js';
import { decodeReport, KIND_REPORT, ReportError } from './wire/report.js';

/**
 * @typedef {import('./channel.js').Channel} Channel
 * @typedef {import('./session.js').Session} Session
 * @typedef {import('./wire/messages.js').ServerMessage} ServerMessage
 * @typedef {import('./wire/messages.js').FloorMessage} FloorMessage
 *
 * @typedef {object} InboxOptions
 * @property {import('./channels.js').Channels} channels
 * @property {import('./button.js').Button} button
 * @property {import('./hearing.js').Hearing} hearing
 * @property {import('./hearing.js').Speaker} speaker
 * @property {() => number} now
 * @property {(type: string, detail: any) => void} emit
 * @property {() => Session | null} session the one that all of this comes on
 * @property {(channel: Channel) => void} onFloor the channel's floor looks different now
 * @property {(channel: Channel) => void} onLate somebody talked already when one came
 * @property {() => boolean} raises whether one raises an emergency at this moment
 * @property {(message: import('./wire/messages.js').Draining) => void} onDraining
 */

export class Inbox {
  /** @param {InboxOptions} options */
  constructor(options) {
    this.options = options;
  }

  /** @param {ServerMessage} message */
  message(message) {
    const { channels, button, emit, onDraining } = this.options;
    if (message.type === 'draining') return onDraining(message);
    if (message.type === 'notification') return this.#notified(message);
    if (message.type === 'joined') return this.#joined(message);
    if (message.type === 'error') {
      const { request, code } = message;
      if (request == null || !button.refuse(request, code)) emit('refused', message);
    } else if (message.type === 'dispatched' || message.type === 'called' || message.type === 'emergency_raised') {
      // What asked for it goes on.
    } else if ('channel' in message) {
      const channel = channels.numbered(message.channel);
      if (channel) this.#takeFor(channel, message);
    }
  }

  /** @param {import('./wire/messages.js').Notification} notification */
  #notified({ event, payload = null, at }) {
    this.options.emit('notification', { event, payload, at: at ?? null });
  }

  /** @param {Uint8Array} bytes */
  datagram(bytes) {
    const { channels, hearing } = this.options;
    if (bytes[0] === KIND_REPORT) return this.#report(bytes);
    if (bytes[0] === KIND_ENTRY) return this.#entry(bytes);
    if (bytes[0] !== KIND_FLOOR) return hearing.datagram(bytes);
    let word;
    try {
      word = decodeFloor(bytes);
    } catch (error) {
      if (error instanceof FloorError) hearing.counts.framesRefused++;
      return;
    }
    const channel = channels.numbered(word.channel);
    const message = messageOf(word);
    // Another's number is one of an earlier stay of ours in this channel.
    if (channel?.talker === word.talker && message) this.#takeFor(channel, message);
  }

  /** The answer to a `join`, ahead of its message. @param {Uint8Array} bytes */
  #entry(bytes) {
    const { hearing } = this.options;
    try {
      const entry = decodeEntry(bytes);
      if (entry.subtype === 'joined') hearing.entrances.joined(entry);
    } catch (error) {
      if (error instanceof EntryError) hearing.counts.framesRefused++;
    }
  }

  /** How what was said here came through. @param {Uint8Array} bytes */
  #report(bytes) {
    const { session: current, hearing } = this.options;
    const session = current();
    try {
      const { earlier } = decodeReport(bytes);
      if (session) session.earlier = earlier;
    } catch (error) {
      if (error instanceof ReportError) hearing.counts.framesRefused++;
    }
  }

  /**
   * @param {Channel} channel
   * @param {string} reason
   */
  gone(channel, reason) {
    const { channels, button, hearing, emit } = this.options;
    channels.remove(channel);
    if (reason !== 'left') channels.wanted.delete(channel.name);
    if (button.isOn(channel)) button.abort();
    hearing.silence(channel.number);
    emit('left', { channel: channel.name, reason });
  }

  /** @param {import('./wire/messages.js').Joined} joined */
  #joined(joined) {
    const { channels, button, hearing, now, emit, session: current, onLate, onFloor } = this.options;
    const session = current();
    // Nobody asks for a call's channel, or for that of an emergency: one is put into it, and wants to be there from then on.
    if ((joined.call || this.options.raises()) && joined.request == null) channels.wanted.add(joined.name);
    // Left again before the answer came.
    if (!channels.wanted.has(joined.name)) return session?.send({ type: 'leave', channel: joined.channel });
    const channel = channels.add(joined, session?.welcome?.floor_renewal_ms ?? 2000, now());
    hearing.tune(channel);
    emit('joined', channel.info());
    emit('roster', channel.rosterEvent());
    // Without a request it is a session that was resumed: what one has of the floor follows, and what is said was heard so far.
    const isResumed = joined.request == null;
    if (!button.entered(isResumed ? session : null, channel)) onFloor(channel);
    if (joined.talking && !isResumed) onLate(channel);
  }

  /**
   * @param {Channel} channel
   * @param {import('./wire/messages.js').Left | import('./wire/messages.js').RosterMessage | FloorMessage
   *   | import('./wire/messages.js').EmergencyAlert | import('./wire/messages.js').EmergencyOver
   *   | import('./wire/messages.js').Patched | import('./wire/messages.js').ChannelState} message
   */
  #takeFor(channel, message) {
    const { channels, button, hearing, speaker, emit, session: current } = this.options;
    if (message.type === 'left' && channels.isDoubted(channel)) {
      // It wasn't kept for us: it is joined again.
      channels.remove(channel);
      return hearing.silence(channel.number);
    }
    if (message.type === 'left') return this.gone(channel, message.reason);
    if (message.type === 'roster') return this.#roster(channel, message);
    if (message.type === 'patched') {
      return emit('patched', { channel: channel.name, with: message.with.map(({ name }) => name) });
    }
    if (message.type === 'channel_state') return emit('split', { channel: channel.name, split: message.split });
    if (message.type === 'emergency_alert' || message.type === 'emergency_over') return this.#emergency(channel, message);
    if (message.type === 'floor_idle') speaker.floorIdle(channel.number, channel.floor.talkerOf(message.grant));
    const session = current();
    if (session) button.take(session, channel, message);
  }

  /**
   * @param {Channel} channel
   * @param {import('./wire/messages.js').EmergencyAlert | import('./wire/messages.js').EmergencyOver} message
   */
  #emergency(channel, message) {
    const { emit, session } = this.options;
    const { user } = message;
    const mine = user === session()?.welcome?.user;
    if (message.type === 'emergency_over') {
      return emit('emergency', { channel: channel.name, user, mine, over: true, by: message.by });
    }
    const { talker, name, at, location, text } = message;
    const place = location ? {
      latitude: location.latitude_e7 / 1e7, longitude: location.longitude_e7 / 1e7, accuracy: location.accuracy_m ?? null,
    } : null;
    emit('emergency', { channel: channel.name, user, mine, over: false, talker, name, at, location: place, text: text ?? null });
  }

  /**
   * @param {Channel} channel
   * @param {import('./wire/messages.js').RosterMessage} message
   */
  #roster(channel, message) {
    const { emit, session } = this.options;
    const result = channel.roster.apply(message);
    if (result === 'ask') session()?.send({ type: 'roster_request', channel: channel.number });
    if (result === 'changed') emit('roster', channel.rosterEvent());
  }
}

/**
 * The message that says the same, where it is one of the gateway's.
 * @param {import('./wire/floor.js').FloorDatagram} word
 * @returns {FloorMessage | null}
 */
function messageOf(word) {
  const { channel } = word;
  switch (word.subtype) {
    case 'granted': {
      const { request, grant, duration_ms } = word;
      return { type: 'floor_granted', channel, request, grant, duration_ms };
    }
    case 'deny': return { type: 'floor_deny', channel, request: word.request, cause: word.cause };
    case 'queued': return { type: 'floor_queued', channel, request: word.request, position: word.position };
    case 'revoke': {
      const { grant, cause, grace_ms } = word;
      return { type: 'floor_revoke', channel, grant, cause, grace_ms };
    }
    default: return null;
  }
}
