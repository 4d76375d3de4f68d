/** Networks that let no UDP through, a port where nobody listens and one that swallows what it gets for a while, or let it through late. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** @typedef {import('node:dgram').Socket} Socket */

/** @returns {Promise<Socket>} on a free port of this machine */
async function bound() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** A UDP port where nobody listens. */
export async function closedPort() {
  const socket = await bound();
  const { port } = socket.address();
  socket.close();
  return port;
}

/** A UDP port that swallows what comes, until it is told where to pass it on. */
export class Tunnel {
  /** @type {number | null} */
  #to = null;
  /** By the client's port. @type {Map<number, Socket>} */
  #behind = new Map();
  #closed = false;
  swallowed = 0;
  /** How long a packet takes, each way. */
  delayMs = 0;

  /** @param {Socket} front */
  constructor(front) {
    this.front = front;
    front.on('message', (packet, { port }) => this.#pass(packet, port));
  }

  /** @param {import('node:test').TestContext} t it ends with it */
  static async dig(t) {
    const tunnel = new Tunnel(await bound());
    t.after(() => tunnel.close());
    return tunnel;
  }

  get port() {
    return this.front.address().port;
  }

  /** From now on packets go to this port of this machine, and answers come back. @param {number} port */
  openTo(port) {
    this.#to = port;
  }

  close() {
    this.#closed = true;
    for (const socket of [this.front, ...this.#behind.values()]) socket.close();
  }

  /** @param {Buffer} packet @param {number} from */
  #pass(packet, from) {
    if (this.#to === null) {
      this.swallowed++;
      return;
    }
    let socket = this.#behind.get(from);
    if (!socket) {
      socket = createSocket('udp4');
      socket.on('message', (answer) => this.#later(() => this.front.send(answer, from, '127.0.0.1')));
      this.#behind.set(from, socket);
    }
    const [behind, to] = [socket, this.#to];
    this.#later(() => behind.send(packet, to, '127.0.0.1'));
  }

  /** @param {() => void} send */
  #later(send) {
    if (this.delayMs === 0) return send();
    setTimeout(() => this.#closed || send(), this.delayMs);
  }
}
