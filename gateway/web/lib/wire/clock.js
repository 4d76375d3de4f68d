// The clock datagram (PROTOCOL.md, section 6.4). Bytes to fields and back.

import { VERSION } from './voice.js';

export const KIND_CLOCK = 4;
export const CLOCK_LEN = 20;

const ASK = 0;
const TELL = 1;

/**
 * `echo` is the asker's own, 64 bits as 16 hexadecimal digits.
 * @typedef {{subtype: 'ask', echo: string} | {subtype: 'tell', echo: string, time_us: number}} ClockDatagram
 */

/** Why bytes are no clock datagram; the names are those of `vectors/clock.json`. */
export class ClockError extends Error {
  /** @param {'kind' | 'version' | 'length' | 'subtype' | 'field'} fault */
  constructor(fault) {
    super(`not a clock datagram: ${fault}`);
    this.fault = fault;
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {ClockDatagram}
 */
export function decodeClock(bytes) {
  if (bytes.length > 0 && bytes[0] !== KIND_CLOCK) throw new ClockError('kind');
  if (bytes.length > 1 && bytes[1] !== VERSION) throw new ClockError('version');
  if (bytes.length !== CLOCK_LEN) throw new ClockError('length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, CLOCK_LEN);
  const time = view.getBigUint64(12);
  const subtype = bytes[2];
  if (subtype !== ASK && subtype !== TELL) throw new ClockError('subtype');
  if (bytes[3] !== 0 || time > BigInt(Number.MAX_SAFE_INTEGER)) throw new ClockError('field');
  if (subtype === ASK && time !== 0n) throw new ClockError('field');
  const echo = view.getBigUint64(4).toString(16).padStart(16, '0');
  return subtype === ASK ? { subtype: 'ask', echo } : { subtype: 'tell', echo, time_us: Number(time) };
}

/**
 * @param {ClockDatagram} datagram
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeClock(datagram) {
  const bytes = new Uint8Array(CLOCK_LEN);
  const view = new DataView(bytes.buffer);
  bytes.set([KIND_CLOCK, VERSION, datagram.subtype === 'ask' ? ASK : TELL]);
  view.setBigUint64(4, BigInt(`0x${datagram.echo}`));
  if (datagram.subtype === 'tell') view.setBigUint64(12, BigInt(datagram.time_us));
  return bytes;
}
