/** What a client says of its producer, as `mediasoup-client` does. */

export const OPUS = { mimeType: 'audio/opus', payloadType: 111, clockRate: 48000, channels: 2, parameters: {}, rtcpFeedback: [] };

/** @param {any} [change] */
export const producing = (change) => ({
  kind: 'audio',
  rtpParameters: { mid: '0', codecs: [OPUS], headerExtensions: [], encodings: [{ ssrc: 1234 }], rtcp: {} },
  ...change,
});
