// Suara in a page: the whole public interface. See README.md beside this file.

import { deniedFloor } from './channel.js';
import { RoadMemory } from './memory.js';
import { Requests } from './requests.js';
import { Sound } from './sound.js';

export { RequestError } from './session.js';

/**
 * @typedef {import('./reconnect.js').ConnectionState} ConnectionState
 * @typedef {import('./wire/messages.js').Member} Member
 * @typedef {{channel: string, talker: number, rights: string[], mode: string, canTalk: boolean,
 *   call: import('./wire/messages.js').CallInfo | null}} JoinedDetail
 * @typedef {{channel: string, version: number, me: number, members: Member[]}} RosterDetail
 * @typedef {{talker: number, user: string, name: string, grant: number,
 *   level: import('./wire/messages.js').Level}} TalkerDetail
 * @typedef {{channel: string, phase: import('./floor.js').FloorView['phase'], cause: string | null,
 *   by: TalkerDetail | null, talkers: TalkerDetail[], position: number, warned: boolean, remainingMs: number}} FloorDetail
 * @typedef {{channel: string, talker: number, user: string, name: string, speaking: boolean}} SpeakingDetail
 * @typedef {{channel: string, own: boolean} & import('./wire/chat.js').ChatMessage} ChatDetail
 */

/**
 * A push-to-talk client. Events are `CustomEvent`s; what they tell is in `detail`:
 *
 * - `chat`: {@link ChatDetail}, each once, in a channel's order; `typing`: `{channel, talker, user, name}`
 * - `state`: {@link ConnectionState}
 * - `joined`: {@link JoinedDetail}, after each reconnect again, and with `call` when one is called; `left`: `{channel, reason}`
 * - `roster`: {@link RosterDetail}, at each change
 * - `floor`: {@link FloorDetail}, at each change
 * - `road`: `{road}`, `webtransport` or `websocket`, when a session began and when it moved
 * - `emergency`: `{channel, user, mine, over: false, talker, name, at, location, text}`, and when it is over
 *   `{channel, user, mine, over: true, by}`
 * - `patched`: `{channel, with}`, names of the channels that it hears and is heard in by now
 * - `split`: `{channel, split}`, whether those of the channel who are on other nodes of the gateway neither hear nor are heard
 * - `speaking`: {@link SpeakingDetail}, when somebody becomes audible and when no longer
 * - `closing`: `{code, reason, retryAfterMs}`, when a session ended
 * - `stats`: once a second
 * - `level`: `{level}`, the microphone's; `microphone`: `{state}`; `sound`: `{state}`
 * - `notification`: `{event, payload, at}`, what a back end wants told; `at`, in ms since 1970, if it was said while the
 *   user was away, and null otherwise
 * - `refused`: `{code, message}`, an error that answers no call; `fault`: `{code, message}`, the browser's
 */
export class SuaraClient extends Requests {
  #sound;
  #name;
  #memory = new RoadMemory();
  #url = '';
  /** @type {ConnectionState} */
  #state = { phase: 'ended', code: 'normal', reason: 'not connected' };

  /** @param {{client?: string}} [options] name and version of your software, for the operator's eyes */
  constructor({ client = 'suara-web/0.1' } = {}) {
    super();
    this.#name = client;
    this.#sound = new Sound({
      onPort: (name, port) => this.ask(name, [port], [port]),
      onLevel: (level) => this.tell('level', { level }),
      onMicrophone: (state) => this.tell('microphone', { state }),
      onState: (state) => {
        this.tell('sound', { state });
        this.ask('outputLatency', [this.#sound.outputLatencyMs]);
      },
    });
    globalThis.addEventListener?.('online', this.#online);
  }

  get state() {
    return this.#state;
  }

  /** Playing, recording and the microphone. */
  get sound() {
    return this.#sound;
  }

  /**
   * Connects and stays connected, until `close` or an end that another attempt would not change. Call it from a
   * gesture of the user's: it begins to play.
   * @param {{url?: string, token: string}} where `url`: the gateway's HTTP address; the page's own when missing
   * @returns {Promise<ConnectionState>} when online, rejected when it ended; while the gateway is away it waits
   */
  async connect({ url = location.origin, token }) {
    this.#sound.start().catch((error) => this.tell('fault', { code: 'sound', message: String(error) }));
    // Its end, if there was one, is not this attempt's.
    await this.disconnect();
    const settled = this.#settled();
    this.#url = url;
    await this.ask('connect', [{ url, token, client: this.#name, road: this.#memory.recall(url) }]);
    return settled;
  }

  /**
   * @param {string} name
   * @returns {Promise<JoinedDetail>} rejected with a `RequestError`: `forbidden`, `channel_full`…
   */
  join(name) {
    return this.ask('join', [name]);
  }

  /** @param {string} name */
  leave(name) {
    return this.ask('leave', [name]);
  }

  /**
   * The button is down: what is said from now on is sent, once the floor is granted. `floor` tells what comes of it.
   * @param {string} name of a channel that is joined
   * @param {import('./asking.js').Urgency} [urgency]
   */
  press(name, urgency) {
    if (!this.#sound.microphoneOpen) return this.tell('floor', deniedFloor(name, 'no_microphone'));
    this.ask('press', [name, urgency]);
  }

  /** The button is up. A request that waits in the queue is taken back. */
  release() {
    this.ask('release');
  }

  /**
   * Plays the newest burst of a channel from its start; one that goes on is caught up with.
   * @param {string} name
   * @returns {Promise<{talker: number, user: string, name: string, live: boolean, ageMs: number} | null>} when it begins, null
   *   when it came too late; rejected
   *   with a `RequestError`: `no_burst`, `rate_limited`, `unavailable`
   */
  replay(name) {
    return this.ask('replay', [name]);
  }

  /**
   * For staff: `watch`, `reply`, `typing` and `history` of visitors' conversations ({@link import('./visitors.js').Visitors}).
   * @param {'watch' | 'reply' | 'typing' | 'history'} call
   * @param {...any} args
   * @returns {Promise<any>} of `watch`, the conversations; what happens in them comes by `visitor`
   */
  visitors(call, ...args) {
    return this.ask('visitors', [call, args]);
  }

  /** Whether who enters in mid-burst hears it from its start, faster until it is live. @param {boolean} on */
  set lateEntry(on) {
    this.ask('lateEntry', [on]);
  }

  /** How loud a channel is beside the others, 0 to 1. @param {string} name @param {number} volume */
  volume(name, volume) {
    return this.ask('volume', [name, volume]);
  }

  /**
   * A fresh token of the same user, before the old one ends.
   * @param {string} token
   * @returns {Promise<{expires: number}>}
   */
  renew(token) {
    return this.ask('renew', [token]);
  }

  async stats() {
    const [voice, playback] = await Promise.all([this.ask('stats'), this.#sound.stats()]);
    return { ...voice, playback };
  }

  /** Leaves; `connect` may be called again. */
  disconnect() {
    return this.ask('close');
  }

  /** Ends everything. */
  async close() {
    globalThis.removeEventListener?.('online', this.#online);
    await this.disconnect();
    this.endWorker();
    await this.#sound.close();
  }

  /** Tries again at once, when it waits for its next attempt. */
  retry() {
    this.ask('hurry', [this.#url ? this.#memory.recall(this.#url) : null]);
  }

  // A worker isn't told in every browser.
  #online = () => this.retry();

  /** @returns {Promise<ConnectionState>} */
  #settled() {
    return new Promise((resolve, reject) => {
      const look = (/** @type {any} */ { detail }) => {
        if (detail.phase !== 'online' && detail.phase !== 'ended') return;
        this.removeEventListener('state', look);
        if (detail.phase === 'online') resolve(detail);
        else reject(Object.assign(new Error(detail.reason || detail.code), { code: detail.code }));
      };
      this.addEventListener('state', look);
    });
  }

  /**
   * @protected
   * @override
   * @param {string} type
   * @param {any} detail
   */
  tell(type, detail) {
    if (type === 'state') this.#state = detail;
    if (type === 'road') this.#memory.note(this.#url, detail.road);
    super.tell(type, detail);
  }
}
