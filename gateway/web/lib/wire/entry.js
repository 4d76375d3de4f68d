// The entry datagram (PROTOCOL.md, section 5.8): `join` and its answer, besides the control stream. Bytes to fields and back.

import { VERSION } from './voice.js';

export const KIND_ENTRY = 5;
const HEADER_LEN = 8;
const JOINED_LEN = 16;
const JOIN = 0;
const JOINED = 1;
const MAX_NAME = 128;
/** What no channel's name has: control characters, and what reorders the text around it. */
const UNPLAIN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]/u;

/**
 * @typedef {{subtype: 'join', request: number, channel: string}
 *   | {subtype: 'joined', request: number, channel: number, talker: number}} EntryDatagram
 */

/** Why bytes are no entry datagram; the names are those of `vectors/entry.json`. */
export class EntryError extends Error {
  /** @param {'kind' | 'version' | 'length' | 'subtype' | 'name' | 'field'} fault */
  constructor(fault) {
    super(`not an entry datagram: ${fault}`);
    this.fault = fault;
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {EntryDatagram}
 */
export function decodeEntry(bytes) {
  if (bytes.length > 0 && bytes[0] !== KIND_ENTRY) throw new EntryError('kind');
  if (bytes.length > 1 && bytes[1] !== VERSION) throw new EntryError('version');
  if (bytes.length < HEADER_LEN) throw new EntryError('length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const request = view.getUint32(4);
  if (bytes[2] === JOIN) {
    const channel = nameOf(bytes.subarray(HEADER_LEN));
    if (bytes[3] !== 0) throw new EntryError('field');
    return { subtype: 'join', request, channel };
  }
  if (bytes[2] !== JOINED) throw new EntryError('subtype');
  if (bytes.length !== JOINED_LEN) throw new EntryError('length');
  if (bytes[3] !== 0 || view.getUint16(14) !== 0) throw new EntryError('field');
  return { subtype: 'joined', request, channel: view.getUint32(8), talker: view.getUint16(12) };
}

/**
 * @param {EntryDatagram} datagram
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeEntry(datagram) {
  const name = datagram.subtype === 'join' ? new TextEncoder().encode(datagram.channel) : new Uint8Array(JOINED_LEN - HEADER_LEN);
  const bytes = new Uint8Array(HEADER_LEN + name.length);
  const view = new DataView(bytes.buffer);
  bytes.set([KIND_ENTRY, VERSION, datagram.subtype === 'join' ? JOIN : JOINED]);
  view.setUint32(4, datagram.request);
  bytes.set(name, HEADER_LEN);
  if (datagram.subtype === 'joined') {
    view.setUint32(8, datagram.channel);
    view.setUint16(12, datagram.talker);
  }
  return bytes;
}

/** @param {Uint8Array} bytes */
function nameOf(bytes) {
  let name = '';
  try {
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Said below.
  }
  if (name === '' || bytes.length > MAX_NAME || UNPLAIN.test(name)) throw new EntryError('name');
  return name;
}
