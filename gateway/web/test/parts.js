// A stream and a microphone that do what a test tells them.

import { join } from '../lib/wire/frames.js';
import { encodeMessage } from '../lib/wire/messages.js';
import { packet, settle } from './support.js';

/**
 * @typedef {import('./fakes.js').FakeRoad} FakeRoad
 * @typedef {import('./support.js').FakeClock} FakeClock
 */

/** A stream that goes on in both directions, of messages in JSON. */
export class FakeStream {
  /** @type {any[]} */
  said = [];
  open = true;
  /** @type {Uint8Array[]} */
  #come = [];
  #wake = () => {};

  /**
   * @param {number} type its first byte
   * @param {FakeRoad} road
   */
  constructor(type, road) {
    this.type = type;
    this.road = road;
    this.chunks = this.#chunks();
  }

  /** @param {Uint8Array} bytes one message, framed */
  write(bytes) {
    if (!this.road.closed) this.said.push(JSON.parse(new TextDecoder().decode(bytes.subarray(4))));
  }

  close() {
    this.open = false;
    this.#wake();
  }

  /** What the gateway says. @param {any} message */
  say(message) {
    this.#come.push(join(encodeMessage(message)));
    this.#wake();
    return settle();
  }

  async *#chunks() {
    for (;;) {
      const next = this.#come.shift();
      if (next) yield next;
      else if (!this.open) return;
      else await new Promise((resolve) => { this.#wake = () => resolve(undefined); });
    }
  }
}

/** A microphone that makes a packet each 20 ms while it is on, and two more when it is stopped. */
export class FakeMicrophone {
  made = 0;
  open = 0;
  #on = false;

  /** @param {FakeClock} clock */
  constructor(clock) {
    this.clock = clock;
  }

  /** @param {(packet: Uint8Array) => void} onPacket @param {number} [bitrate] */
  start(onPacket, bitrate) {
    this.bitrate = bitrate;
    this.#on = true;
    this.open++;
    this.onPacket = onPacket;
    this.#next();
  }

  async stop() {
    this.#on = false;
    await new Promise((resolve) => { this.clock.after(() => resolve(undefined), 3); });
    for (let i = 0; i < 2; i++) this.onPacket?.(packet(this.made++));
    this.open--;
  }

  #next() {
    this.clock.after(() => {
      if (!this.#on) return;
      this.onPacket?.(packet(this.made++));
      this.#next();
    }, 20);
  }
}
