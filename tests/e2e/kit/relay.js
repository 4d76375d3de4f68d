/** Passes TCP connections on, as a program of its own: `node relay.js FROM TO [FROM TO]…`, each HOST:PORT. */
import { connect, createServer } from 'node:net';

/** @param {string} address @returns {[number, string]} */
function place(address) {
  const [host, port] = address.split(':');
  return [Number(port), host];
}

const addresses = process.argv.slice(2);
for (let n = 0; n + 1 < addresses.length; n += 2) {
  const [from, to] = [place(addresses[n]), place(addresses[n + 1])];
  createServer((near) => {
    const far = connect({ port: to[0], host: to[1], noDelay: true });
    near.setNoDelay();
    near.pipe(far).pipe(near);
    // The end of one is the end of the other.
    for (const [one, other] of [[near, far], [far, near]]) one.once('error', () => {}).once('close', () => void other.destroy());
  }).listen(...from);
}
