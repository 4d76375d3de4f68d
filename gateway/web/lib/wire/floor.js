// The floor datagram (PROTOCOL.md, section 5.6): Floor Request and its answers beside the control stream, where a lost
// packet costs a probe timeout. Bytes to a word and back; knows nothing of what it means.

import { VERSION } from './voice.js';

export const KIND_FLOOR = 2;
export const FLOOR_LEN = 24;

/** All of the priority that the token gives. */
export const ALL_PRIORITY = 255;

/** Subtypes of TS 24.380, table 8.2.2-1. */
const REQUEST = 0;
const GRANTED = 1;
const DENY = 3;
const RELEASE = 4;
const REVOKE = 6;
const QUEUED = 9;
const SUBTYPES = new Set([REQUEST, GRANTED, DENY, RELEASE, REVOKE, QUEUED]);

const LEVEL = 3;
const QUEUE = 4;

/** @typedef {import('./messages.js').Level} Level */

/** @type {Level[]} */
const LEVELS = ['normal', 'imminent_peril', 'emergency'];

/** @type {Record<number, string>} */
const DENY_CAUSES = {
  1: 'another_has_permission', 2: 'internal', 4: 'retry_after', 5: 'receive_only', 6: 'no_resources', 7: 'queue_full',
};
/** @type {Record<number, string>} */
const REVOKE_CAUSES = { 2: 'media_burst_too_long', 3: 'no_permission', 4: 'pre_empted', 6: 'no_resources' };
const OTHER = 255;

/**
 * What is said: fields and names are those of the control messages.
 * @typedef {{channel: number, talker: number} & (
 *   {subtype: 'request', request: number, level: Level, priority: number, queue: boolean}
 *   | {subtype: 'granted', request: number, grant: number, duration_ms: number}
 *   | {subtype: 'deny', request: number, cause: string}
 *   | {subtype: 'release', grant: number}
 *   | {subtype: 'revoke', grant: number, cause: string, grace_ms: number}
 *   | {subtype: 'queued', request: number, position: number})} FloorDatagram
 */

/** Why bytes are no floor datagram; the names are those of `vectors/floor.json`. */
export class FloorError extends Error {
  /** @param {'kind' | 'version' | 'length' | 'subtype' | 'field'} fault */
  constructor(fault) {
    super(`not a floor datagram: ${fault}`);
    this.fault = fault;
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {FloorDatagram}
 */
export function decodeFloor(bytes) {
  if (bytes.length > 0 && bytes[0] !== KIND_FLOOR) throw new FloorError('kind');
  if (bytes.length > 1 && bytes[1] !== VERSION) throw new FloorError('version');
  if (bytes.length !== FLOOR_LEN) throw new FloorError('length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, FLOOR_LEN);
  const [subtype, detail, priority] = [bytes[2], bytes[3], bytes[10]];
  const [request, grant, duration] = [view.getUint32(12), view.getUint32(16), view.getUint32(20)];
  if (!SUBTYPES.has(subtype)) throw new FloorError('subtype');
  const unused = {
    [REQUEST]: [detail & ~(LEVEL | QUEUE), grant, duration],
    [GRANTED]: [detail, priority],
    [DENY]: [priority, grant, duration],
    [RELEASE]: [detail, priority, request, duration],
    [REVOKE]: [priority, request],
    [QUEUED]: [priority, grant, duration],
  }[subtype] ?? [];
  const level = LEVELS[detail & LEVEL];
  if (bytes[11] !== 0 || unused.some((value) => value !== 0) || (subtype === REQUEST && !level)) {
    throw new FloorError('field');
  }
  const where = { channel: view.getUint32(4), talker: view.getUint16(8) };
  switch (subtype) {
    case REQUEST: return { ...where, subtype: 'request', request, level, priority, queue: (detail & QUEUE) !== 0 };
    case GRANTED: return { ...where, subtype: 'granted', request, grant, duration_ms: duration };
    case DENY: return { ...where, subtype: 'deny', request, cause: DENY_CAUSES[detail] ?? 'other' };
    case RELEASE: return { ...where, subtype: 'release', grant };
    case REVOKE: return { ...where, subtype: 'revoke', grant, cause: REVOKE_CAUSES[detail] ?? 'other', grace_ms: duration };
    default: return { ...where, subtype: 'queued', request, position: detail };
  }
}

/**
 * @param {FloorDatagram} word
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeFloor(word) {
  switch (word.subtype) {
    case 'request': {
      const { request, level, priority, queue } = word;
      return write(word, REQUEST, { detail: LEVELS.indexOf(level) | (queue ? QUEUE : 0), priority, request });
    }
    case 'granted': return write(word, GRANTED, { request: word.request, grant: word.grant, duration: word.duration_ms });
    case 'deny': return write(word, DENY, { detail: number(DENY_CAUSES, word.cause), request: word.request });
    case 'release': return write(word, RELEASE, { grant: word.grant });
    case 'revoke': {
      return write(word, REVOKE, { detail: number(REVOKE_CAUSES, word.cause), grant: word.grant, duration: word.grace_ms });
    }
    case 'queued': return write(word, QUEUED, { detail: word.position, request: word.request });
  }
}

/**
 * @param {{channel: number, talker: number}} where
 * @param {number} subtype
 * @param {{detail?: number, priority?: number, request?: number, grant?: number, duration?: number}} fields
 */
function write({ channel, talker }, subtype, { detail = 0, priority = 0, request = 0, grant = 0, duration = 0 }) {
  const bytes = new Uint8Array(FLOOR_LEN);
  const view = new DataView(bytes.buffer);
  bytes.set([KIND_FLOOR, VERSION, subtype, detail]);
  view.setUint32(4, channel);
  view.setUint16(8, talker);
  view.setUint8(10, priority);
  view.setUint32(12, request);
  view.setUint32(16, grant);
  view.setUint32(20, duration);
  return bytes;
}

/**
 * @param {Record<number, string>} causes
 * @param {string} cause
 */
function number(causes, cause) {
  const known = Object.entries(causes).find(([, name]) => name === cause);
  return known ? Number(known[0]) : OTHER;
}
