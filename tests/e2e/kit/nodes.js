/** Several nodes whose Socket.IO sessions are anywhere. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { io } from 'socket.io-client';
import { sumOf } from './metrics.js';
import { work } from './paths.js';
import { Server } from './server.js';
import { until } from './wait.js';

/** Nodes that know each other, with one secret for tokens and for each other. @param {import('node:test').TestContext} t @param {number} count @param {string[]} args where Redis is */
export async function startNodes(t, count, args) {
  const directory = mkdtempSync(join(work, 'suara-secret-'));
  const secret = join(directory, 'secret');
  writeFileSync(secret, '0123456789abcdef0123456789abcdef', { mode: 0o600 });
  const options = { args: [...args, '--peer-secret-file', secret], variables: { SUARA_JWT_SECRET_FILE: secret } };
  const nodes = Array.from({ length: count }, () => new Server(options));
  t.after(async () => {
    await Promise.all(nodes.map((node) => node.stop('SIGINT')));
    rmSync(directory, { recursive: true });
  });
  await Promise.all(nodes.map((node) => node.start()));
  const seen = async () => (await Promise.all(nodes.map((node) => metric(node, 'nodes')))).every((n) => n === count);
  await until('the nodes to see each other', seen, { ms: 20_000 });
  return nodes;
}

/** @param {Server} node @param {string} name after `suara_bridge_` @param {string} [label] */
export async function metric(node, name, label) {
  const labelled = label ? `\\{(.*,)?${label}(,.*)?\\}` : '(\\{.*\\})?';
  return sumOf(await node.metrics(), new RegExp(`^suara_bridge_${name}${labelled}$`));
}

/**
 * A listener whose session is at one node, and whose WebSocket is to lead through another.
 * @param {import('node:test').TestContext} t @param {Server} at @param {Server} through @param {string} user
 */
async function ledThrough(t, at, through, user) {
  const socket = io(at.legacyUrl, { forceNew: true, reconnection: false, auth: { token: await at.token({ user }) } });
  t.after(() => void socket.disconnect());
  /** @type {any} the library's own, where it keeps what it connects to next */
  const engine = socket.io.engine;
  engine.port = new URL(through.legacyUrl).port;
  return { socket, engine };
}

/** One who is there. @param {Parameters<typeof ledThrough>} who */
export async function tunnelled(...who) {
  const { socket, engine } = await ledThrough(...who);
  let chunks = 0;
  socket.on('voice_packet', () => void (chunks += 1));
  await until('the upgrade', () => socket.connected && engine.transport.name === 'websocket');
  return { socket, connection: engine.transport.ws._socket, chunks: () => chunks };
}

/** One who isn't let through. @param {Parameters<typeof ledThrough>} who */
export async function untunnelled(...who) {
  const { socket, engine } = await ledThrough(...who);
  let refused = false;
  engine.once('upgradeError', () => void (refused = true));
  await until('the refusal', () => socket.connected && refused);
  return { socket, engine };
}
