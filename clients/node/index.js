'use strict';
// Notifications to Suara's clients. By Redis: `{redis}`, any client that has `publish(channel, text)` (redis 4 and newer,
// ioredis). By HTTP: `{url, token}`, with a token of the scope `service`. CommonJS, so that `require` and `import` both work.

const CHANNEL = 'socket:broadcast';
const TIMEOUT_MS = 10_000;

/**
 * @typedef {{publish: (channel: string, text: string) => unknown}} RedisClient
 * @typedef {{redis: RedisClient, channel?: string}
 *   | {url: string, token: string | (() => string | Promise<string>), timeoutMs?: number}} Options
 * @typedef {{keepMs?: number}} Keep `keepMs`: keep it so long for a user who is away
 * @typedef {{event: string, payload: unknown, room?: string, keep_ms?: number}} Message
 */

/** A broadcast that was not taken; `status` and `detail` are the answer's. */
class BroadcastError extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(`the broadcast was not taken: ${detail} (${status})`);
    this.name = 'BroadcastError';
    this.status = status;
    this.detail = detail;
  }
}

/** Every method resolves once the broadcast was handed over, and rejects otherwise. */
class SocketBroadcaster {
  /** @type {(message: Message) => Promise<unknown>} */
  #send;

  /** @param {Options} options */
  constructor(options) {
    if ('redis' in options) {
      const { redis, channel = CHANNEL } = options;
      this.#send = async (message) => redis.publish(channel, JSON.stringify(message));
    } else if (options.url && options.token) {
      this.#send = (message) => post(options, message);
    } else {
      throw new TypeError('give a Redis client, or the URL of the server and a token');
    }
  }

  /** To everybody. @param {string} event @param {unknown} payload */
  broadcast(event, payload) {
    return this.#send({ event, payload });
  }

  /** To those in `user_<id>`, `role_<role>`, or the channel of that name. @param {string} room @param {string} event @param {unknown} payload */
  broadcastToRoom(room, event, payload) {
    return this.#send({ event, payload, room });
  }

  /** `notification`, to all clients of a user. @param {string | number} userId @param {unknown} notification @param {Keep} [keep] */
  notifyUser(userId, notification, { keepMs } = {}) {
    const message = { event: 'notification', payload: notification, room: `user_${userId}` };
    return this.#send(keepMs === undefined ? message : { ...message, keep_ms: keepMs });
  }

  /** `notification`, to all who have a role. @param {string} role @param {unknown} notification */
  notifyRole(role, notification) {
    return this.broadcastToRoom(`role_${role}`, 'notification', notification);
  }
}

// ticketCreated(ticket, room?) and so on: to everybody, unless a room is given.
for (const what of ['ticket', 'registration', 'invoice']) {
  for (const done of ['Created', 'Updated', 'Assigned']) {
    const event = `${what}_${done.toLowerCase()}`;
    Object.defineProperty(SocketBroadcaster.prototype, `${what}${done}`, {
      configurable: true,
      writable: true,
      value(/** @type {unknown} */ payload, /** @type {string | undefined} */ room) {
        return room === undefined ? this.broadcast(event, payload) : this.broadcastToRoom(room, event, payload);
      },
    });
  }
}

/**
 * @param {Extract<Options, {url: string}>} options
 * @param {Message} message
 */
async function post({ url, token, timeoutMs = TIMEOUT_MS }, message) {
  const bearer = typeof token === 'function' ? await token() : token;
  const response = await fetch(new URL('/api/broadcast', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new BroadcastError(response.status, answer.detail ?? response.statusText);
  return answer;
}

module.exports = { SocketBroadcaster, BroadcastError };
