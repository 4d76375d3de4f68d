// Control messages (PROTOCOL.md, section 4) as types, and their JSON. The shapes are trusted once `type` is known:
// the gateway is the one peer, and it writes them from typed values.

/**
 * @typedef {{talker: number, user: string, name: string, role: string, listen_only?: boolean,
 *   muted?: boolean, unreachable?: boolean}} Member
 * @typedef {'normal' | 'imminent_peril' | 'emergency'} Level
 * @typedef {{talker: number, user: string, name: string, grant: number, remaining_ms: number, level?: Level | null}} TalkerInfo
 * @typedef {{kind: string, by: string, name: string, users: string[]}} CallInfo
 * @typedef {'listen' | 'talk' | 'emergency' | 'dispatch'} Right
 *
 * @typedef {{type: 'welcome', version: number, session: string, user: string, name: string, role: string,
 *   expires: number, heartbeat_ms: number, idle_timeout_ms: number, floor_renewal_ms: number,
 *   emergency_channel?: string | null, resume?: string | null, resumed?: boolean | null}} Welcome
 * @typedef {{type: 'renewed', request: number, expires: number}} Renewed
 * @typedef {{type: 'rights', request: number, rights: Right[]}} RightsMessage
 * @typedef {{type: 'joined', request?: number | null, channel: number, name: string, talker: number, rights: Right[],
 *   mode: string, version: number, members: Member[], talking?: TalkerInfo | null, also_talking?: TalkerInfo[] | null,
 *   last_message?: number | null, call?: CallInfo | null}} Joined
 * @typedef {{latitude_e7: number, longitude_e7: number, accuracy_m?: number | null}} Location
 * @typedef {{type: 'emergency_raised', request: number, channel: number, microphone_ms: number}} EmergencyRaised
 * @typedef {{type: 'emergency_alert', channel: number, talker: number, user: string, name: string, at: number,
 *   location?: Location | null, text?: string | null}} EmergencyAlert
 * @typedef {{type: 'emergency_over', channel: number, user: string, by: string}} EmergencyOver
 * @typedef {{type: 'patched', request?: number | null, channel: number, with: {channel: number, name: string}[]}} Patched
 * @typedef {{type: 'channel_state', channel: number, split: boolean}} ChannelState
 * @typedef {{type: 'called', request: number, channel: number, users: string[]}} Called
 * @typedef {{type: 'left', channel: number, reason: string}} Left
 * @typedef {{type: 'roster', channel: number, since?: number | null, version: number, members?: Member[] | null,
 *   joined?: Member[] | null, changed?: Member[] | null, left?: {talker: number, reason: string}[] | null}} RosterMessage
 * @typedef {{type: 'floor_granted', channel: number, request: number, grant: number, duration_ms: number}} FloorGranted
 * @typedef {{type: 'floor_deny', channel: number, request: number, cause: string}} FloorDeny
 * @typedef {{type: 'floor_queued', channel: number, request: number, position: number, size?: number}} FloorQueued
 * @typedef {{type: 'floor_cancelled', channel: number, request: number}} FloorCancelled
 * @typedef {{type: 'floor_warning', channel: number, grant: number, remaining_ms: number}} FloorWarning
 * @typedef {{type: 'floor_taken', channel: number} & TalkerInfo} FloorTaken
 * @typedef {{type: 'floor_idle', channel: number, grant: number}} FloorIdle
 * @typedef {{type: 'floor_revoke', channel: number, grant: number, cause: string, grace_ms: number}} FloorRevoke
 * @typedef {'revoke' | 'mute' | 'unmute' | 'clear'} DispatchAction
 * @typedef {{type: 'dispatched', request: number, channel: number, action: DispatchAction}} Dispatched
 * @typedef {{type: 'notification', event: string, payload?: unknown, at?: number | null}} Notification
 * @typedef {{type: 'error', request?: number | null, code: string, message: string}} ErrorMessage
 * @typedef {{type: 'draining', deadline_ms: number, node?: string, avoid?: string[]}} Draining
 * @typedef {{type: 'closing', code: string, reason: string, retry_after_ms?: number | null}} Closing
 * @typedef {{type: 'pong', nonce: number}} Pong
 *
 * @typedef {FloorGranted | FloorDeny | FloorQueued | FloorCancelled | FloorWarning | FloorTaken | FloorIdle | FloorRevoke
 *   } FloorMessage
 * @typedef {Welcome | Renewed | Joined | Left | RosterMessage | FloorMessage | RightsMessage | Dispatched | Called | EmergencyRaised
 *   | EmergencyAlert | EmergencyOver | Patched | ChannelState | Notification | ErrorMessage | Draining
 *   | Closing | Pong} ServerMessage
 *
 * @typedef {{type: 'hello', version: number, token: string, client?: string, resume?: string, calls?: boolean}
 *   | {type: 'renew', request: number, token: string}
 *   | {type: 'join', request: number, channel: string}
 *   | {type: 'may', request: number, channel: string}
 *   | {type: 'leave', channel: number}
 *   | {type: 'call', request: number, users: string[]}
 *   | {type: 'call_end', channel: number}
 *   | {type: 'patch' | 'unpatch', request: number, channel: number, with: number}
 *   | {type: 'emergency', request: number, location?: Location, text?: string}
 *   | {type: 'emergency_cancel', channel: number, user?: string}
 *   | {type: 'floor_request', request: number, channel: number, level?: Level, priority?: number, queue?: boolean}
 *   | {type: 'floor_cancel', request: number, channel: number}
 *   | {type: 'dispatch', request: number, channel: number, action: DispatchAction, talker?: number}
 *   | {type: 'floor_release', channel: number, grant: number}
 *   | {type: 'burst_report', channel: number, grant: number,
 *     said?: {pressed_us: number, granted_us?: number, at_us: number, timestamp: number},
 *     heard?: {at_us: number, timestamp: number, entered_us?: number}}
 *   | {type: 'roster_request', channel: number}
 *   | {type: 'ping', nonce: number}} ClientMessage
 */

/** The newest version of the protocol that this library speaks. */
export const PROTOCOL_VERSION = 1;

const TYPES = new Set([
  'welcome', 'renewed', 'rights', 'joined', 'left', 'roster', 'floor_granted', 'floor_deny', 'floor_queued', 'floor_cancelled',
  'floor_warning', 'floor_taken', 'floor_idle', 'floor_revoke', 'dispatched', 'called', 'emergency_raised',
  'emergency_alert', 'emergency_over', 'patched', 'channel_state', 'notification', 'error', 'draining', 'closing', 'pong',
]);

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { fatal: true });

/**
 * @param {ClientMessage} message
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeMessage(message) {
  return utf8.encode(JSON.stringify(message));
}

/**
 * Reads a message; `undefined` for a type that this version doesn't know, which is to be ignored.
 * @param {Uint8Array} bytes
 * @returns {ServerMessage | undefined}
 */
export function decodeMessage(bytes) {
  const message = JSON.parse(text.decode(bytes));
  if (typeof message?.type !== 'string') throw new TypeError('not an object with a string "type"');
  return TYPES.has(message.type) ? message : undefined;
}
