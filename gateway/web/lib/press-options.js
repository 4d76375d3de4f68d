// What a press is made of.

/**
 * @typedef {object} Microphone
 * @property {(onPacket: (packet: Uint8Array) => void, bitrate?: number) => void} start bits a second, unless they are the usual ones
 * @property {() => Promise<void>} stop resolves when the last packet has been handed out
 *
 * @typedef {object} PressOptions
 * @property {import('./session.js').Session} session
 * @property {import('./channel.js').Channel} channel
 * @property {Microphone} microphone
 * @property {import('./clock.js').Clock} clock
 * @property {() => number} random from [0, 1)
 * @property {(frame: import('./wire/voice.js').VoiceFrame, session: import('./session.js').Session) => void} send
 * @property {() => void} onHeldTooLong a captured frame grew too old before the grant
 * @property {(channel: import('./channel.js').Channel) => void} onChange the floor's view changed
 * @property {(burst: import('./reports.js').SaidBurst, session: import('./session.js').Session,
 *   channel: import('./channel.js').Channel) => void} onSaid what was said is out
 * @property {import('./press.js').Press | null} previous its end may still be under way
 * @property {import('./asking.js').Urgency} [urgency]
 */

export {};
