/** Several nodes whose Socket.IO sessions are anywhere. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
