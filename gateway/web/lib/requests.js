// What one asks for besides talking and hearing: calls, emergencies, what dispatchers do, and chat. Part of the client, which
// is in client.js.

import { WorkerLink } from './link.js';

/** @typedef {import('./client.js').JoinedDetail} JoinedDetail */

export class Requests extends EventTarget {
  #link = new WorkerLink((event, detail) => this.tell(event, detail));

  /**
   * Calls users: one, or as a dispatcher several. They hear what is said there, and nobody else does.
   * @param {string[]} users their ids
   * @returns {Promise<JoinedDetail & {reached: string[]}>} the call's channel, to press and to leave; rejected with a
   *   `RequestError`: `unknown_user`, `forbidden`, `too_many_calls`…
   */
  call(users) {
    return this.ask('call', [users]);
  }

  /** Ends a call for all who are in it; for who made it, and for dispatchers. @param {string} name of its channel */
  endCall(name) {
    return this.ask('endCall', [name]);
  }

  /**
   * What the token gives in a channel, which one need not be in: `listen`, `talk`, `emergency`, `dispatch`, or nothing.
   * @param {string} name
   * @returns {Promise<import('./wire/messages.js').Right[]>} rejected with a `RequestError`: `bad_field`
   */
  may(name) {
    return this.ask('may', [name]);
  }

  /**
   * As a dispatcher of both: two channels hear each other from now on, or no longer.
   * @param {string} one
   * @param {string} other
   * @param {boolean} [on]
   * @returns {Promise<void>} rejected with a `RequestError`: `forbidden`, `unavailable`
   */
  patch(one, other, on = true) {
    return this.ask('patch', [one, other, on]);
  }

  /**
   * An emergency in one action (right `emergency` in the emergency channel): everybody there is told, and the microphone is open
   * for a while; what is said from now on is heard.
   * @param {{location?: import('./alarm.js').Place | null, text?: string}} [what]
   * @returns {Promise<{channel: string, microphoneMs: number}>} rejected with a `RequestError`: `forbidden`…
   */
  emergency(what) {
    return this.ask('emergency', [what]);
  }

  /**
   * The emergency is over: one's own, or as a dispatcher another user's.
   * @param {string} name of its channel
   * @param {string} [user]
   */
  cancelEmergency(name, user) {
    return this.ask('cancelEmergency', [name, user]);
  }

  /**
   * What a dispatcher may do in a channel (right `dispatch`).
   * @param {string} name
   * @param {import('./wire/messages.js').DispatchAction} action
   * @param {number} [talker] whom it concerns; nobody for `clear`
   * @returns {Promise<void>} rejected with a `RequestError`: `forbidden`, `unknown_talker`
   */
  dispatch(name, action, talker) {
    return this.ask('dispatch', [name, action, talker]);
  }

  /**
   * Writes to a channel. It is sent again until the gateway has stored it, over any number of reconnects.
   * @param {string} name
   * @param {string} text to be shown as text: it may be anything
   * @returns {Promise<{message: number, at: number}>} rejected with a `RequestError`: `forbidden`, `bad_field`, `not_joined`
   */
  sendChat(name, text) {
    return this.ask('sendChat', [name, text]);
  }

  /**
   * What was written before: the newest, or those before a message.
   * @param {string} name
   * @param {{before?: number, limit?: number}} [span]
   * @returns {Promise<{messages: import('./wire/chat.js').ChatMessage[], more: boolean}>}
   */
  chatHistory(name, span) {
    return this.ask('chatHistory', [name, span]);
  }

  /** One writes: the others are told, at most every 3 s. @param {string} name */
  typing(name) {
    this.ask('typing', [name]);
  }

  /**
   * Of the worker.
   * @protected
   * @param {string} call
   * @param {any[]} [args]
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  ask(call, args, transfer) {
    return this.#link.call(call, args, transfer);
  }

  /**
   * An event.
   * @protected
   * @param {string} type
   * @param {any} detail
   */
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @protected */
  endWorker() {
    this.#link.close();
  }
}
