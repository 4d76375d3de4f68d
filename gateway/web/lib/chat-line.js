// One session's chat stream: opened, cut into messages, written. Knows no channel.

import { decodeChat, encodeChat, STREAM_CHAT } from './wire/chat.js';
import { FrameSplitter, join } from './wire/frames.js';

export class ChatLine {
  #stream;
  #open = true;

  /**
   * @param {import('./road.js').Road} road
   * @param {(message: import('./wire/chat.js').ServerChat) => void} onMessage
   * @param {() => void} onEnd when nothing more comes, unless it was closed here
   */
  constructor(road, onMessage, onEnd) {
    this.#stream = road.openDuplex?.(Uint8Array.of(STREAM_CHAT));
    this.#read(onMessage).catch(() => {}).finally(() => {
      if (this.#open) onEnd();
      this.#open = false;
    });
  }

  /** @param {import('./wire/chat.js').ClientChat} message */
  say(message) {
    if (this.#open) this.#stream?.write(join(encodeChat(message)));
  }

  close() {
    this.#open = false;
    this.#stream?.close();
  }

  /** @param {(message: import('./wire/chat.js').ServerChat) => void} onMessage */
  async #read(onMessage) {
    const splitter = new FrameSplitter();
    for await (const chunk of this.#stream?.chunks ?? []) {
      for (const bytes of splitter.push(chunk)) {
        if (!this.#open) return;
        const message = decodeChat(bytes);
        if (message) onMessage(message);
      }
    }
  }
}
