// The order of one channel's chat: each message once, by its number. What is missing between two is asked for, and what
// comes meanwhile waits for it.

/** @typedef {import('./wire/chat.js').ChatMessage} ChatMessage */

/** A page of what was missed; the gateway gives no more at once. */
const PAGE = 100;
/** What waits behind a gap: beyond it the gap's page brings it as well. */
const MAX_WAITING = 500;

export class Conversation {
  /** The number of the newest that was shown; -1 while nothing is known. */
  newest = -1;
  /** Behind a gap, by number. @type {Map<number, ChatMessage & {id?: string | null}>} */
  #waiting = new Map();
  #filling = false;

  /**
   * @param {(message: ChatMessage & {id?: string | null}) => void} show in order, each once
   * @param {(span: {after: number, limit: number}) => Promise<{messages: ChatMessage[], more: boolean}>} ask
   */
  constructor(show, ask) {
    this.show = show;
    this.ask = ask;
  }

  /** The channel was joined, where there are so many by now. @param {number | null | undefined} last */
  joined(last) {
    if (last == null) return;
    if (this.newest < 0) this.newest = last;
    else if (last > this.newest) this.#fill();
  }

  /** @param {ChatMessage & {id?: string | null}} message */
  take(message) {
    if (this.newest < 0) this.newest = message.message - 1;
    if (message.message <= this.newest) return;
    if (this.#waiting.size < MAX_WAITING) this.#waiting.set(message.message, message);
    this.#flush();
    if (this.#waiting.size > 0) this.#fill();
  }

  #flush() {
    for (;;) {
      const next = this.#waiting.get(this.newest + 1);
      if (!next) break;
      this.#waiting.delete(next.message);
      this.newest = next.message;
      this.show(next);
    }
    for (const number of this.#waiting.keys()) if (number <= this.newest) this.#waiting.delete(number);
  }

  async #fill() {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (let more = true; more;) {
        const page = await this.ask({ after: this.newest, limit: PAGE });
        for (const message of page.messages) {
          if (message.message <= this.newest) continue;
          // With what is known of it besides: that it is one's own.
          const known = this.#waiting.get(message.message) ?? message;
          this.#waiting.delete(message.message);
          this.newest = message.message;
          this.show(known);
        }
        more = page.more && page.messages.length > 0;
      }
      this.#flush();
    } catch {
      // The session is gone, or the store: the next message, or the next join, asks again.
    } finally {
      this.#filling = false;
    }
  }
}
