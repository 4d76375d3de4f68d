// The receiver report (PROTOCOL.md, section 6.3): what came of the voice that its sender was sent. Bytes to fields and back.

import { MAX_REDUNDANT, VERSION } from './voice.js';

export const KIND_REPORT = 3;
export const REPORT_LEN = 8;

/**
 * @typedef {object} Report
 * @property {number} expected frames that were sent, by their sequence numbers; 16 bits
 * @property {number} lost those among them that came in no datagram of their own
 * @property {number} gap the longest run of lost frames; 255 for all beyond
 * @property {number} earlier packets that the one who gets this shall put into each frame; 0 from a client
 */

/** Why bytes are no report; the names are those of `vectors/report.json`. */
export class ReportError extends Error {
  /** @param {'kind' | 'version' | 'length' | 'field'} fault */
  constructor(fault) {
    super(`not a report: ${fault}`);
    this.fault = fault;
  }
}

/**
 * @param {Uint8Array} bytes
 * @returns {Report}
 */
export function decodeReport(bytes) {
  if (bytes.length > 0 && bytes[0] !== KIND_REPORT) throw new ReportError('kind');
  if (bytes.length > 1 && bytes[1] !== VERSION) throw new ReportError('version');
  if (bytes.length !== REPORT_LEN) throw new ReportError('length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, REPORT_LEN);
  const [gap, earlier, expected, lost] = [bytes[2], bytes[3], view.getUint16(4), view.getUint16(6)];
  const isSound = lost <= expected && gap <= lost && (gap === 0) === (lost === 0) && earlier <= MAX_REDUNDANT;
  if (!isSound) throw new ReportError('field');
  return { expected, lost, gap, earlier };
}

/**
 * @param {Report} report
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeReport({ expected, lost, gap, earlier }) {
  const bytes = new Uint8Array(REPORT_LEN);
  const view = new DataView(bytes.buffer);
  bytes.set([KIND_REPORT, VERSION, gap, earlier]);
  view.setUint16(4, expected);
  view.setUint16(6, lost);
  return bytes;
}
