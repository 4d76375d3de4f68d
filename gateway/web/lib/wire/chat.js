// What is said on a chat stream (PROTOCOL.md, section 10).

/**
 * @typedef {{message: number, user: string, name: string, role: string, text: string, at: number}} ChatMessage
 *
 * @typedef {{type: 'chat_ack', channel: number, id: string, message: number, at: number}} ChatAck
 * @typedef {{type: 'chat', channel: number, id?: string | null} & ChatMessage} ChatSaid
 * @typedef {{type: 'chat_typing', channel: number, talker: number, user: string, name: string}} ChatTyping
 * @typedef {{type: 'chat_page', request: number, channel: number, messages: ChatMessage[], more: boolean}} ChatPage
 * @typedef {{type: 'chat_error', request?: number | null, channel?: number | null, id?: string | null, code: string,
 *   message: string}} ChatError
 * @typedef {ChatAck | ChatSaid | ChatTyping | ChatPage | ChatError} ServerChat
 *
 * @typedef {{type: 'chat_send', channel: number, id: string, text: string}
 *   | {type: 'chat_typing', channel: number}
 *   | {type: 'chat_history', request: number, channel: number, before?: number, after?: number, limit?: number}} ClientChat
 */

/** First byte of a stream that carries chat. */
export const STREAM_CHAT = 2;

const TYPES = new Set([
  'chat_ack', 'chat', 'chat_typing', 'chat_page', 'chat_error',
  // Section 10.6, for staff.
  'livechat', 'livechat_inbox', 'livechat_presence', 'livechat_typing', 'livechat_ack', 'livechat_page', 'livechat_error',
]);

const utf8 = new TextEncoder();
const text = new TextDecoder('utf-8', { fatal: true });

/**
 * @param {ClientChat} message
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeChat(message) {
  return utf8.encode(JSON.stringify(message));
}

/**
 * Reads a message; `undefined` for a type that this version doesn't know, which is to be ignored.
 * @param {Uint8Array} bytes
 * @returns {ServerChat | undefined}
 */
export function decodeChat(bytes) {
  const message = JSON.parse(text.decode(bytes));
  if (typeof message?.type !== 'string') throw new TypeError('not an object with a string "type"');
  return TYPES.has(message.type) ? message : undefined;
}
