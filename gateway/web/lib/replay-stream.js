// From a replay stream to the speaker: the answer is read, and its frames are handed on as they come.

import { RequestError } from './session.js';
import { ReplayReader, replayRequest } from './wire/replay.js';

/**
 * @typedef {{talker: number, user: string, name: string, live: boolean, ageMs: number}} Replayed
 *
 * @param {object} options
 * @param {import('./road.js').Road} options.road
 * @param {import('./replay.js').Replays} options.replays
 * @param {number} options.channel
 * @param {number | undefined} options.grant that is in force; a burst of another one has nothing that comes by datagram
 * @param {boolean} options.onlyLive whether a burst that is over is of no interest
 * @returns {Promise<Replayed | null>} as soon as it begins
 */
export async function replay({ road, replays, channel, grant, onlyLive }) {
  if (!road.openStream) throw new RequestError('unavailable');
  if (grant !== undefined) replays.expect(channel, grant);
  try {
    return await begin(road.openStream(replayRequest(channel)), { replays, channel, grant, onlyLive });
  } catch (error) {
    replays.abandon(channel);
    throw error;
  }
}

/**
 * @param {AsyncIterable<Uint8Array>} stream
 * @param {{replays: import('./replay.js').Replays, channel: number, grant: number | undefined, onlyLive: boolean}} how
 */
async function begin(stream, { replays, channel, grant, onlyLive }) {
  const reader = new ReplayReader();
  const chunks = stream[Symbol.asyncIterator]();
  /** @type {import('./wire/voice.js').VoiceFrame[]} */
  const frames = [];
  while (!reader.head) {
    const { value, done } = await chunks.next();
    if (done) throw new RequestError('unavailable');
    frames.push(...reader.push(value));
  }
  const { head } = reader;
  if (head.type !== 'replaying') throw new RequestError(head.code ?? 'other', head.message);
  // Another burst than was meant, or too late: what one heard meanwhile would be heard twice.
  const isLate = grant !== undefined && !replays.expects(channel);
  if ((onlyLive && !head.live) || isLate) {
    replays.abandon(channel);
    chunks.return?.();
    return null;
  }
  const replay = replays.start(head);
  for (const frame of frames) replay.recorded(frame);
  goOn(chunks, reader, replay);
  const { talker, user, name, live, age_ms: ageMs } = head;
  return { talker, user, name, live, ageMs };
}

/**
 * @param {AsyncIterator<Uint8Array>} chunks
 * @param {ReplayReader} reader
 * @param {import('./replay.js').Replay} replay
 */
async function goOn(chunks, reader, replay) {
  try {
    for (;;) {
      const { value, done } = await chunks.next();
      if (done) break;
      for (const frame of reader.push(value)) replay.recorded(frame);
    }
  } catch {
    // The session is gone, or what came made no sense: what is there is played.
  }
  replay.whole();
}
