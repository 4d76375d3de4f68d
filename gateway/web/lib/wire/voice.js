// The voice datagram (PROTOCOL.md, section 6): bytes to a frame and back. Knows nothing of channels or sound.

import { ticks } from './opus.js';

export const KIND_VOICE = 1;
export const VERSION = 1;
export const HEADER_LEN = 20;
export const MAX_DATAGRAM = 1000;
export const MAX_REDUNDANT = 2;

const START = 1;
const END = 2;
const TALK_AHEAD = 4;
const KNOWN_FLAGS = START | END | TALK_AHEAD;

/**
 * @typedef {object} VoiceFrame
 * @property {boolean} start first frame of a talkspurt
 * @property {boolean} end last frame of a talkspurt
 * @property {boolean} talkAhead sent before its grant
 * @property {number} sequence 16 bits, wraps
 * @property {number} talker
 * @property {number} timestamp 32 bits, ticks of 48 kHz, wraps
 * @property {number} channel
 * @property {number} grant
 * @property {Uint8Array[]} redundant earlier packets, oldest first
 * @property {Uint8Array} packet empty only in a frame with `end`
 */

/**
 * The same names as `VoiceError::name()` in Rust, `vectors/voice.json` and the gateway's metrics.
 * @typedef {'truncated' | 'too_long' | 'kind' | 'version' | 'reserved_flags' | 'too_many_redundant' | 'packet'
 *   } VoiceFault
 */

/** Why bytes are no voice datagram. */
export class VoiceError extends Error {
  /** @param {VoiceFault} fault */
  constructor(fault) {
    super(`not a voice datagram: ${fault}`);
    this.fault = fault;
  }
}

/**
 * Reads a datagram; the packets are views of it. Names the first fault, in the order of the bytes.
 * @param {Uint8Array} bytes
 * @returns {VoiceFrame}
 */
export function decode(bytes) {
  if (bytes.length > MAX_DATAGRAM) throw new VoiceError('too_long');
  if (bytes.length > 0 && bytes[0] !== KIND_VOICE) throw new VoiceError('kind');
  if (bytes.length > 1 && bytes[1] !== VERSION) throw new VoiceError('version');
  if (bytes.length < HEADER_LEN) throw new VoiceError('truncated');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = bytes[2];
  const count = bytes[3];
  if (flags & ~KNOWN_FLAGS) throw new VoiceError('reserved_flags');
  if (count > MAX_REDUNDANT) throw new VoiceError('too_many_redundant');
  const end = (flags & END) !== 0;
  const redundant = [];
  let at = HEADER_LEN;
  for (let i = 0; i < count; i++) {
    if (at + 2 > bytes.length) throw new VoiceError('truncated');
    const next = at + 2 + view.getUint16(at);
    if (next > bytes.length) throw new VoiceError('truncated');
    redundant.push(opus(bytes.subarray(at + 2, next)));
    at = next;
  }
  const rest = bytes.subarray(at);
  return {
    start: (flags & START) !== 0,
    end,
    talkAhead: (flags & TALK_AHEAD) !== 0,
    sequence: view.getUint16(4),
    talker: view.getUint16(6),
    timestamp: view.getUint32(8),
    channel: view.getUint32(12),
    grant: view.getUint32(16),
    redundant,
    packet: end && rest.length === 0 ? rest : opus(rest),
  };
}

/**
 * Writes a datagram. Packets are taken as they are.
 * @param {VoiceFrame} frame
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encode(frame) {
  if (frame.redundant.length > MAX_REDUNDANT) throw new VoiceError('too_many_redundant');
  const earlier = frame.redundant.reduce((sum, packet) => sum + 2 + packet.length, 0);
  const length = HEADER_LEN + earlier + frame.packet.length;
  if (length > MAX_DATAGRAM) throw new VoiceError('too_long');
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const flags = (frame.start ? START : 0) | (frame.end ? END : 0) | (frame.talkAhead ? TALK_AHEAD : 0);
  bytes.set([KIND_VOICE, VERSION, flags, frame.redundant.length]);
  view.setUint16(4, frame.sequence);
  view.setUint16(6, frame.talker);
  view.setUint32(8, frame.timestamp);
  view.setUint32(12, frame.channel);
  view.setUint32(16, frame.grant);
  let at = HEADER_LEN;
  for (const packet of frame.redundant) {
    view.setUint16(at, packet.length);
    bytes.set(packet, at + 2);
    at += 2 + packet.length;
  }
  bytes.set(frame.packet, at);
  return bytes;
}

/** @param {Uint8Array} packet */
function opus(packet) {
  if (ticks(packet) === 0) throw new VoiceError('packet');
  return packet;
}
