// A gateway that does what a test tells it, and a client that is online there.

import { Core } from '../lib/core.js';
import { decodeClock, encodeClock, KIND_CLOCK } from '../lib/wire/clock.js';
import { decodeEntry, encodeEntry, KIND_ENTRY } from '../lib/wire/entry.js';
import { encodeMessage } from '../lib/wire/messages.js';
import { decodeFloor, encodeFloor, KIND_FLOOR } from '../lib/wire/floor.js';
import { decodeReport, encodeReport, KIND_REPORT } from '../lib/wire/report.js';
import { decode, encode } from '../lib/wire/voice.js';
import { FakeMicrophone, FakeStream } from './parts.js';
import { FakeClock, settle } from './support.js';

/** One road to a gateway that answers what it must, and notes the rest. */
export class FakeRoad {
  /** @type {import('../lib/road.js').RoadKind} */
  kind = 'webtransport';
  /** @type {any[]} */
  said = [];
  /** @type {(ReturnType<typeof decode> & {at: number})[]} */
  frames = [];
  /** @type {(import('../lib/wire/floor.js').FloorDatagram & {at: number})[]} */
  words = [];
  /** @type {any[]} */
  reports = [];
  /** @type {any[]} */
  entries = [];
  /** Whether `join` is answered on the stream. */
  answersJoin = true;
  closed = false;
  grant = 100;
  answersFloor = true;
  /** The channel's on this gateway. */
  number = 17;
  /** Whether it tells the time. */
  tells = true;
  /** Whether it takes an older session's place. */
  resumes = false;
  /** What it says of the channel, and of what one has of its floor, when it is resumed. */
  joined = {};
  /** @type {any[]} */
  restates = [];
  comesBack = false;
  /** Streams besides control. @type {FakeStream[]} */
  streams = [];
  /** What `joined` says of chat. @type {number | undefined} */
  lastMessage;

  /** @param {FakeClock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  /** @param {import('../lib/road.js').RoadHandlers} handlers */
  run(handlers) {
    this.handlers = handlers;
  }

  /** @param {Uint8Array} bytes */
  sendControl(bytes) {
    const message = JSON.parse(new TextDecoder().decode(bytes));
    this.said.push({ at: this.clock.time, ...message });
    if (message.type === 'hello') {
      this.say({ type: 'welcome', version: 1, session: 's', user: 'alice', name: 'Alice', role: '', expires: 2e9,
        heartbeat_ms: 5000, idle_timeout_ms: 15_000, floor_renewal_ms: 2000, emergency_channel: 'sos',
        resume: this.resumes ? 'next' : 'first', resumed: this.resumes });
      if (this.resumes) {
        this.say({ type: 'joined', channel: this.number, name: 'ops', talker: 4, rights: ['listen', 'talk'], mode: 'ptt', version: 7,
          members: [], ...this.joined });
        for (const word of this.restates) this.say({ channel: this.number, ...word });
      }
    }
    if (message.type === 'join' && this.resumes && message.channel === 'ops') {
      this.say({ type: 'error', request: message.request, code: 'already_joined', message: 'in that channel already' });
    } else if (message.type === 'join' && this.answersJoin) {
      this.say({ type: 'joined', request: message.request, channel: this.number, name: message.channel, talker: 4,
        rights: ['listen', 'talk'], mode: 'ptt', version: 1, members: [], last_message: this.lastMessage });
    }
    if (message.type === 'ping') this.say({ type: 'pong', nonce: message.nonce });
    if (message.type === 'floor_request' && this.answersFloor) this.give(message.request);
    if (message.type === 'floor_cancel') this.say({ type: 'floor_cancelled', channel: this.number, request: message.request });
    if (message.type === 'floor_release') this.say({ type: 'floor_idle', channel: this.number, grant: message.grant });
  }

  /** @param {number} request */
  give(request) {
    this.say({ type: 'floor_granted', channel: this.number, request, grant: ++this.grant, duration_ms: 30_000 });
  }

  /** @param {Uint8Array} bytes */
  sendDatagram(bytes) {
    if (bytes[0] === KIND_REPORT) return this.reports.push({ at: this.clock.time, ...decodeReport(bytes) });
    if (bytes[0] === KIND_CLOCK) return this.#tell(bytes);
    if (bytes[0] === KIND_ENTRY) return this.entries.push({ at: this.clock.time, ...decodeEntry(bytes) });
    if (bytes[0] === KIND_FLOOR) return this.words.push({ at: this.clock.time, ...decodeFloor(bytes) });
    this.frames.push({ at: this.clock.time, ...decode(bytes) });
  }

  /** Its clock is an hour ahead of the client's, whose answer takes 1 ms. @param {Uint8Array} bytes */
  #tell(bytes) {
    const { echo } = decodeClock(bytes);
    const time_us = (this.clock.time + 3_600_000) * 1000;
    this.clock.after(() => {
      if (this.tells && !this.closed) this.handlers?.onDatagram(encodeClock({ subtype: 'tell', echo, time_us }));
    }, 1);
  }

  /** What the gateway says reaches the client a moment later. @param {any} message */
  say(message) {
    this.clock.after(() => {
      if (!this.closed) this.handlers?.onControl(encodeMessage(message));
    }, 1);
  }

  /** The same by datagram. @param {any} word @param {number} [talker] */
  whisper(word, talker = 4) {
    this.handlers?.onDatagram(encodeFloor({ channel: this.number, talker, ...word }));
  }

  /** A `join` is answered by datagram. @param {number} request @param {number} channel @param {number} talker */
  joinedByDatagram(request, channel, talker) {
    this.handlers?.onDatagram(encodeEntry({ subtype: 'joined', request, channel, talker }));
  }

  /** @param {Uint8Array} first */
  openDuplex(first) {
    const stream = new FakeStream(first[0], this);
    this.streams.push(stream);
    return stream;
  }

  /** @param {import('../lib/wire/voice.js').VoiceFrame} frame */
  hear(frame) {
    this.handlers?.onDatagram(encode(frame));
  }

  /** The gateway's report of what was said. @param {import('../lib/wire/report.js').Report} report */
  reported(report) {
    this.handlers?.onDatagram(encodeReport(report));
  }

  /** @param {string} _reason @param {boolean} comesBack */
  close(_reason, comesBack = false) {
    this.closed = true;
    this.comesBack = comesBack;
  }

  /** @param {string} reason */
  lose(reason) {
    this.closed = true;
    this.handlers?.onClose(reason);
  }

  /** @param {string} type */
  all(type) {
    return this.said.filter((message) => message.type === type);
  }
}

/**
 * A core that is in the channel «ops», or wherever it got to.
 * @param {import('../lib/road.js').RoadKind} [kind] of the first road
 */
export async function online(kind = 'webtransport') {
  const clock = new FakeClock();
  /** @type {FakeRoad[]} */
  const roads = [];
  /** @type {{type: string, detail: any}[]} */
  const events = [];
  const microphone = new FakeMicrophone(clock);
  /** @type {{refuse: string | null, prepare: (road: FakeRoad) => void, kind: import('../lib/road.js').RoadKind,
   *   blocked: boolean, looks: number[], left: (import('../lib/wire/connect.js').Leaving | undefined)[]}} */
  const gateway = { refuse: null, prepare: () => {}, kind, blocked: false, looks: [], left: [] };
  const build = (/** @type {import('../lib/road.js').RoadKind} */ its) => {
    const road = new FakeRoad(clock);
    road.kind = its;
    roads.push(road);
    gateway.prepare(road);
    return road;
  };
  /** @type {any[]} */
  const heard = [];
  /** @type {number[][]} */
  const speeds = [];
  /** @type {number[][]} */
  const gains = [];
  const core = new Core({
    clock, microphone, random: () => 0.5,
    roads: {
      open: async (_base, leaving) => {
        gateway.left.push(leaving);
        if (gateway.refuse) throw new Error(gateway.refuse);
        return build(gateway.kind);
      },
      openBest: async () => {
        gateway.looks.push(clock.time);
        if (gateway.blocked) throw new Error('UDP is blocked');
        return build('webtransport');
      },
    },
    speaker: { frame: (frame) => heard.push(frame), floorIdle() {}, silence() {}, speed: (...how) => speeds.push(how), gain: (...how) => gains.push(how), stats: () => ({}) },
    emit: (type, detail) => events.push({ type, detail }),
  });
  core.connect({ url: 'http://gateway', token: 'token', client: 'test' });
  await clock.advance(10);
  const joining = core.join('ops');
  await clock.advance(10);
  await joining;
  await settle();
  /** @param {string} type */
  const last = (type) => events.filter((event) => event.type === type).at(-1)?.detail;
  return { clock, core, roads, road: roads[0], events, last, microphone, gateway, heard, speeds, gains };
}
