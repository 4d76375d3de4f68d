// An emergency in one action: the alert, and the microphone open for a set time (PROTOCOL.md, section 4.4).

/**
 * @typedef {{latitude: number, longitude: number, accuracy?: number | null}} Place in degrees and metres
 *
 * @typedef {object} AlarmOptions
 * @property {import('./clock.js').Clock} clock
 * @property {import('./channels.js').Channels} channels
 * @property {import('./button.js').Button} button
 * @property {import('./early.js').EarlyMicrophone} microphone
 * @property {() => import('./session.js').Session} session
 */

export class Alarm {
  /** How many answers are waited for: a channel may come that was not asked for by its name. */
  #asked = 0;
  /** @type {unknown} */
  #timer = null;
  /** The press that the timer ends: one of the user's own that came later is not its business. */
  #press = -1;

  /** @param {AlarmOptions} options */
  constructor(options) {
    this.options = options;
  }

  get asks() {
    return this.#asked > 0;
  }

  /**
   * Raises it, and talks as soon as there is an answer; what is said from now on is heard.
   * @param {{location?: Place | null, text?: string}} [what]
   */
  async raise({ location, text } = {}) {
    const { clock, channels, button, microphone } = this.options;
    const session = this.options.session();
    this.close();
    microphone.begin();
    this.#asked++;
    try {
      const raised = await session.ask((request) => ({
        type: 'emergency', request, ...(location && { location: onWire(location) }), ...(text && { text }),
      }));
      const channel = channels.numbered(raised.channel);
      if (!channel) throw Object.assign(new Error('left'), { code: 'left' });
      button.press(session, channel, { level: 'emergency', queue: true });
      this.#press = button.counts.presses;
      this.#timer = clock.after(() => this.close(), raised.microphone_ms);
      return { channel: channel.name, microphoneMs: raised.microphone_ms };
    } catch (error) {
      microphone.giveUp();
      throw error;
    } finally {
      this.#asked--;
    }
  }

  /**
   * An alert is over: one's own, with its microphone, or as a dispatcher another's.
   * @param {string} name of the channel
   * @param {string} [user]
   */
  cancel(name, user) {
    const session = this.options.session();
    const channel = this.options.channels.named(name);
    if (user === undefined || user === session.welcome?.user) this.close();
    if (channel) session.send({ type: 'emergency_cancel', channel: channel.number, ...(user !== undefined && { user }) });
  }

  /** The microphone is closed, if it is this emergency's still. */
  close() {
    const { clock, button } = this.options;
    clock.cancel(this.#timer);
    if (this.#press === button.counts.presses) button.release();
    this.#press = -1;
  }
}

/** @param {Place} place */
function onWire({ latitude, longitude, accuracy }) {
  const place = { latitude_e7: Math.round(latitude * 1e7), longitude_e7: Math.round(longitude * 1e7) };
  return accuracy == null ? place : { ...place, accuracy_m: Math.round(accuracy) };
}
