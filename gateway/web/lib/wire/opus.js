// As much of Opus (RFC 6716) as a transport needs: how long a packet sounds.

/** Ticks of the voice clock in a millisecond: 48 kHz whatever the audio's bandwidth (RFC 7587). */
export const TICKS_PER_MS = 48;

/** One packet's sound at most; 120 ms, as RFC 6716 allows, would alone be most of a mouth-to-ear budget. */
export const MAX_FRAME_MS = 60;

// By the configuration number, the upper five bits of the first byte (RFC 6716, section 3.1).
const SILK = [480, 960, 1920, 2880];
const HYBRID = [480, 960];
const CELT = [120, 240, 480, 960];

/**
 * How long `packet` sounds in ticks of 48 kHz, or 0 when it is no Opus packet that `suara/1` carries.
 * @param {Uint8Array} packet
 * @returns {number}
 */
export function ticks(packet) {
  if (packet.length === 0) return 0;
  const config = packet[0] >> 3;
  const frame = config < 12 ? SILK[config & 3] : config < 16 ? HYBRID[config & 1] : CELT[config & 3];
  const total = frame * frames(packet);
  return total > MAX_FRAME_MS * TICKS_PER_MS ? 0 : total;
}

/** @param {Uint8Array} packet */
function frames(packet) {
  const code = packet[0] & 3;
  if (code === 0) return 1;
  if (code < 3) return 2;
  return packet.length > 1 ? packet[1] & 0x3f : 0;
}
