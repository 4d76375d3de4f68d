/** A UDP relay on an address of this machine's network: for browsers that won't do ICE on loopback. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';

/** An IPv4 address of this machine that isn't loopback, if it has one. */
export function ownAddress() {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

export class Relay {
  constructor() {
    this.front = createSocket('udp4');
    /** @type {Map<string, import('node:dgram').Socket>} by client */
    this.backs = new Map();
    /** @type {[string, number] | undefined} */
    this.target = undefined;
    this.front.on('message', (packet, { address, port }) => this.forward(packet, address, port));
  }

  /** @param {string} address @returns {Promise<string>} where clients reach it */
  async listen(address) {
    this.front.bind(0, address);
    await once(this.front, 'listening');
    return `${address}:${this.front.address().port}`;
  }

  /** @param {string} address of the server */
  serve(address) {
    const at = address.lastIndexOf(':');
    this.target = [address.slice(0, at), Number(address.slice(at + 1))];
  }

  /** @param {Buffer} packet @param {string} address @param {number} port */
  forward(packet, address, port) {
    if (!this.target) return;
    const client = `${address}:${port}`;
    const known = this.backs.get(client);
    const back = known ?? createSocket('udp4', (answer) => this.front.send(answer, port, address));
    this.backs.set(client, back);
    back.send(packet, this.target[1], this.target[0]);
  }

  close() {
    for (const socket of [this.front, ...this.backs.values()]) socket.close();
  }
}
