// A session's way to the gateway: how many earlier packets each frame carries there (PROTOCOL.md, section 6.3), and how long
// packets may be for it. Pure.

import { HEADER_LEN, MAX_DATAGRAM, MAX_REDUNDANT } from './wire/voice.js';

/** A talkspurt's first frames carry as many earlier packets as there may be: the gateway can't have told yet what is lost,
 * and a first syllable is what is missed most. So does END, behind which nothing comes that could repair a last word. */
export const OPENING = 10;
/** And one at least in each frame of the first second: by then a path that loses has told. */
export const FIRST_SECOND = 50;
/** A session's first frames carry as many, too, 3 s of voice: of a path nothing is known yet, and with one packet alone every
 * hundredth frame of one that loses 10 % is lost for good. */
export const TRIAL = 150;
/** Bytes under way that a stock congestion control, which no page can choose, leaves where it sees loss: two packets (RFC 9002,
 * section 7.2). What is beyond that waits. */
const LEAST_WINDOW = 2400;
/** Bytes of a packet beside the frame: QUIC's header and its tag. */
const AROUND = 40;
/** An ACK comes so much behind the round trip: it tells of two frames, and one in ten is lost. */
const ACKS_MS = 60;
const FRAME_MS = 20;
/** Bits a second of a talker's Opus: as many as are of use to a voice, and as few as leave it well to understand. */
export const BITRATE = 24_000;
export const LEAST_BITRATE = 12_000;
/** Packets differ in length: those of average length leave the rest of the window free. */
const FULL = 0.85;

export class Uplink {
  /** Earlier packets that the gateway wants in each frame. */
  wanted = 0;
  /** Of the last ping; -1 before. */
  rttMs = -1;
  #said = 0;

  /**
   * What a frame carries of those before it.
   * @param {object} frame
   * @param {number} frame.number in its talkspurt, from 0
   * @param {boolean} frame.end
   * @param {Uint8Array} frame.packet
   * @param {Uint8Array[]} before the newest packets that were sent, oldest first
   * @returns {Uint8Array[]} the newest of them
   */
  earlier({ number, end, packet }, before) {
    const isEdge = end || number < OPENING;
    const least = isEdge || this.#said++ < TRIAL ? MAX_REDUNDANT : Number(number < FIRST_SECOND);
    const wanted = Math.max(least, this.wanted);
    const redundant = wanted > 0 ? before.slice(-wanted) : [];
    let length = redundant.reduce((sum, earlier) => sum + 2 + earlier.length, HEADER_LEN + packet.length);
    // Of one that is wanted there is one: to wait costs less than a loss that nothing repairs.
    const isTooLong = () => length > MAX_DATAGRAM || (redundant.length > 1 && !isEdge && this.#waits(length));
    while (isTooLong()) length -= 2 + (redundant.shift()?.length ?? length);
    return redundant;
  }

  /** Bits a second for a press that begins now: fewer where the earlier packets that the gateway wants would have to wait. */
  get bitrate() {
    if (this.wanted === 0) return BITRATE;
    const packets = (FULL * LEAST_WINDOW) / this.#underWay - AROUND - HEADER_LEN - 2 * this.wanted;
    const bits = (packets / (1 + this.wanted)) * 8 * (1000 / FRAME_MS);
    return Math.min(BITRATE, Math.max(LEAST_BITRATE, Math.floor(bits / 1000) * 1000));
  }

  /** Frames that are under way at a time. */
  get #underWay() {
    return Math.ceil((Math.max(0, this.rttMs) + ACKS_MS) / FRAME_MS);
  }

  /** Whether frames of that length have to wait when the window is at its least. @param {number} length */
  #waits(length) {
    return (length + AROUND) * this.#underWay > LEAST_WINDOW;
  }
}
