/** A way by TCP that can be cut: what a client loses when its network changes. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export class Line {
  /** @type {Set<import('node:net').Socket>} */
  #sockets = new Set();
  #server;
  /** Whether nobody gets through for now. */
  refuse = false;

  /** @param {string} to host and port */
  constructor(to) {
    const [host, port] = to.split(':');
    this.#server = createServer((front) => {
      if (this.refuse) return front.resetAndDestroy();
      const behind = connect(Number(port), host);
      for (const [socket, other] of [[front, behind], [behind, front]]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.once('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
      front.pipe(behind).pipe(front);
    });
  }

  /** @param {import('node:test').TestContext} t it ends with it @param {string} to */
  static async lay(t, to) {
    const line = new Line(to);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    t.after(() => {
      line.#server.close();
      line.cut();
    });
    return line;
  }

  /** Where clients connect. */
  get at() {
    return `127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (this.#server.address()).port}`;
  }

  /** Ends every connection without a word; new ones are let through. */
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
