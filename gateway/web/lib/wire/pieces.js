// What a WebSocket's messages carry (PROTOCOL.md, section 3.5): a byte that says which stream, or that it is a datagram,
// and the rest.

export const SUBPROTOCOL = 'suara.1';
const DATAGRAM = 0;
/** The number of the control stream. */
export const CONTROL = 1;

/** @typedef {{datagram: Uint8Array} | {stream: number, piece: Uint8Array}} Carried an empty piece ends its stream */

/**
 * @param {Uint8Array} message
 * @returns {Carried | null} null when it is empty, which no message may be
 */
export function readPiece(message) {
  if (message.length === 0) return null;
  const rest = message.subarray(1);
  return message[0] === DATAGRAM ? { datagram: rest } : { stream: message[0], piece: rest };
}

/** @param {Carried} carried */
export function writePiece(carried) {
  const [first, rest] = 'datagram' in carried ? [DATAGRAM, carried.datagram] : [carried.stream, carried.piece];
  const message = new Uint8Array(1 + rest.length);
  message[0] = first;
  message.set(rest, 1);
  return message;
}
