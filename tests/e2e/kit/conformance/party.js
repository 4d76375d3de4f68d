/**
 * One who takes part, on whatever transport: what it does, and what it is told in words that are the same for all.
 *
 * @typedef {'webtransport' | 'websocket' | 'socketio'} Transport
 * @typedef {object} Word
 * @property {'granted' | 'denied' | 'queued' | 'warned' | 'revoked' | 'taken' | 'idle'} type
 * @property {string} [cause]
 * @property {number} [position]
 * @property {string} [user] who talks
 * @property {string} [level]
 *
 * @typedef {object} Press
 * @property {'normal' | 'imminent_peril' | 'emergency'} [level]
 * @property {boolean} [queue] rather waits than is denied; by voice alone one does so anyway
 * @property {boolean} [explicit] asks in so many words where it could do without
 */
import assert from 'node:assert/strict';
import { sleep, until } from '../wait.js';

/** On a machine that does other things too. */
const WORD_MS = 15_000;
/** Frames that are somebody's voice rather than a stray. */
const VOICE_FRAMES = 10;
/** What was under way at an end has arrived by then: the tail of a release, and a slow machine. */
const UNDER_WAY_MS = 400;
const SILENT_MS = 400;

/** What all parties have in common; the two kinds below do the rest. */
export class Party {
  /** @type {Word[]} */
  words = [];
  /** Frames or chunks with sound in them, by who said them. @type {Map<string, number>} */
  heard = new Map();
  /** Whose bursts were heard from their first frame. @type {Set<string>} */
  fromStart = new Set();
  /** Frames that came by a replay. */
  replayed = 0;
  channel = '';
  /** Whether its press is told by its voice alone. */
  knowsNoFloor = false;

  /** @param {string} user */
  constructor(user) {
    this.user = user;
  }

  /** @param {Word} word */
  tell(word) {
    this.words.push(word);
  }

  /** @param {string} user */
  heardOf(user) {
    return this.heard.get(user) ?? 0;
  }

  /**
   * Waits until it was told so, after what it was told already.
   * @param {Word['type']} type @param {Partial<Word>} [fields] that the word has @param {number} [after] from `mark`
   */
  async told(type, fields = {}, after = 0) {
    const fits = (/** @type {Word} */ word) =>
      word.type === type && Object.entries(fields).every(([key, value]) => word[/** @type {keyof Word} */ (key)] === value);
    const said = () => this.words.slice(after).find(fits);
    return until(`${this.user} to be told ${type} ${JSON.stringify(fields)}`, said, { ms: WORD_MS }).catch((late) => {
      throw new Error(`${late.message}; it was told ${JSON.stringify(this.words)}`);
    });
  }

  /** Where its words end by now. */
  get mark() {
    return this.words.length;
  }

  /** @param {Party} talker */
  async hears(talker) {
    const before = this.heardOf(talker.user);
    await until(`${this.user} to hear ${talker.user}`, () => this.heardOf(talker.user) >= before + VOICE_FRAMES, { ms: WORD_MS });
  }

  /** Nothing more of it comes, once what was under way is here. @param {Party} talker @param {number} [underWayMs] */
  async hearsNoMoreOf(talker, underWayMs = UNDER_WAY_MS) {
    await sleep(underWayMs);
    const before = this.heardOf(talker.user);
    await sleep(SILENT_MS);
    assert.equal(this.heardOf(talker.user), before, `${talker.user} is heard after its end`);
  }
}

/** One of the JavaScript client in the page. */
export class ModernParty extends Party {
  /** @type {any} */
  #floor = { phase: 'idle', talkers: [], position: 0, warned: false };
  /** @type {any[]} */
  #members = [];

  /** @param {import('./stage.js').Stage} stage @param {string} id @param {string} user */
  constructor(stage, id, user) {
    super(user);
    this.stage = stage;
    this.id = id;
    this.phase = '';
    this.road = '';
  }

  /** @param {{type: string, detail: any}} event of the page's */
  take({ type, detail }) {
    if (type === 'voice') {
      this.heard.set(detail.user, this.heardOf(detail.user) + detail.frames);
      if (detail.start) this.fromStart.add(detail.user);
      this.replayed += detail.replayed;
    }
    if (type === 'state') this.phase = detail.phase;
    if (type === 'road') this.road = detail.road;
    if (type === 'roster') this.#members = detail.members;
    if (type === 'floor') this.#look(detail);
  }

  /** The words that lead from one look of the floor to the next. @param {any} floor */
  #look(floor) {
    const before = this.#floor;
    this.#floor = floor;
    const grown = floor.phase !== before.phase || floor.position !== before.position;
    if (grown && ['granted', 'denied', 'queued', 'revoked'].includes(floor.phase)) {
      this.tell({ type: floor.phase, ...(floor.cause && { cause: floor.cause }), ...(floor.position && { position: floor.position }) });
    }
    if (floor.warned && !before.warned) this.tell({ type: 'warned' });
    for (const { user, grant, level } of floor.talkers) {
      // Voice that overtakes the word of who talks tells of one without a name.
      const same = before.talkers.some((/** @type {any} */ known) =>
        known.grant === grant && known.level === level && known.user === user);
      if (!same) this.tell({ type: 'taken', user, level });
    }
    if (floor.talkers.length === 0 && before.talkers.length > 0) this.tell({ type: 'idle' });
  }

  /** @param {string} token @param {'webtransport' | 'websocket'} road */
  async connect(token, road) {
    await this.stage.page.evaluate(([id, way, secret]) => /** @type {any} */ (globalThis).parties.open(id, way, secret), [this.id, road, token]);
    await until(`${this.user} to be online by ${road}`, () => this.phase === 'online' && this.road === road, { ms: WORD_MS });
  }

  /** @param {string} channel */
  async enter(channel) {
    this.channel = channel;
    await this.#call('join', channel);
  }

  /** @param {Press} [how] */
  async press({ level, queue } = {}) {
    await this.#call('press', this.channel, { level, queue });
  }

  /** Says nothing more, though it holds its button. */
  hush() {
    return this.#call('hush');
  }

  release() {
    return this.#call('release');
  }

  /** @param {string} action @param {Party} whom */
  async dispatch(action, whom) {
    const { talker } = this.#members.find(({ user }) => user === whom.user) ?? {};
    await this.#call('dispatch', this.channel, action, talker);
  }

  close() {
    return this.#call('close');
  }

  /** @param {string} what @param {any[]} args @returns {Promise<any>} */
  async #call(what, ...args) {
    return this.stage.page.evaluate(
      async ([id, name, list]) => { await /** @type {any} */ (globalThis).parties.call(id, name, ...list); },
      /** @type {[string, string, any[]]} */ ([this.id, what, args]),
    );
  }
}
