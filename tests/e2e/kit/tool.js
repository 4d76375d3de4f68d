/** Programs of the system that check a file, or serve by it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { python, repository, work } from './paths.js';
import { until } from './wait.js';

export const deploy = join(repository, 'deploy');

/** @param {string} name of a file in `deploy` */
export const read = (name) => readFileSync(join(deploy, name), 'utf8');

/** @param {string} [folder] @returns {string[]} every file in `deploy`, but for secrets that somebody made there */
export function files(folder = '') {
  return readdirSync(join(deploy, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'secrets.d' ? [] : files(name);
    return [name];
  });
}

/**
 * Runs a program to its end.
 * @param {string} program @param {string[]} args
 * @returns {Promise<string>} all that it said; an error with the same if it fails
 */
export async function run(program, args) {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args);
    return stdout + stderr;
  } catch (failure) {
    const { message, stdout = '', stderr = '' } = /** @type {any} */ (failure);
    throw new Error(`${message}\n${stdout}${stderr}`);
  }
}

/** @param {string} file YAML @returns {Promise<any>} with its anchors and merges resolved */
export async function yaml(file) {
  return JSON.parse(await run(python, ['-c', 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)', file]));
}

/** @param {string} text of an environment file @returns {Record<string, string>} */
export function environment(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
}

/** A directory that goes with the test. @param {{after: (end: () => void) => void}} t @returns {string} */
export function temporary(t) {
  const directory = mkdtempSync(join(work, 'deploy-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** @returns {Promise<number>} a TCP port that nobody has */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** Where it is on Debian, in nobody's path but root's. */
const NGINX = '/usr/sbin/nginx';

/** nginx with the files of `deploy/nginx`, its paths and ports led into a directory. */
export class Nginx {
  /**
   * @param {string} directory for all that it writes
   * @param {{nodes: string, secrets: string, upstream?: string, http: number, https: number}} how `nodes`: the file
   *   that names them; `secrets`: what is otherwise in /etc/suara; `upstream`: instead of each node's address
   */
  constructor(directory, { nodes, secrets, upstream, http, https }) {
    this.directory = directory;
    const moved = (/** @type {string} */ text) => {
      const written = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
      return text
        .replaceAll('/etc/nginx/conf.d', `${directory}/conf.d`)
        .replaceAll('/var/log/nginx', directory)
        .replaceAll('/run/nginx.pid', `${directory}/nginx.pid`)
        .replaceAll('/etc/ssl/certs/ca-certificates.crt', `${secrets}/tls/authority.pem`)
        .replaceAll('/etc/suara', secrets)
        .replace(/^http \{$/m, `http {\n${written.map((what) => `${what}_temp_path ${directory}/${what};`).join('\n')}`)
        .replace(/^ *listen \[::\].*$/gm, '')
        .replace('listen 80;', `listen 127.0.0.1:${http};`)
        .replace('listen 443 ', `listen 127.0.0.1:${https} `)
        .replace(/server (\S+:\d+)/g, (whole) => (upstream ? `server ${upstream}` : whole));
    };
    mkdirSync(join(directory, 'conf.d'));
    const put = (/** @type {string} */ from, /** @type {string} */ to) => writeFileSync(join(directory, to), moved(read(from)));
    put('nginx/nginx.conf', 'nginx.conf');
    put('nginx/suara.conf', 'conf.d/suara.conf');
    put(nodes, `conf.d/${basename(nodes)}`);
    this.arguments = ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', join(directory, 'first.log')];
  }

  /** @returns {Promise<string>} what it thinks of its files */
  check() {
    return run(NGINX, [...this.arguments, '-t']);
  }

  /** @param {{after: (end: () => Promise<void>) => void}} t it ends with this @param {() => Promise<boolean>} serves */
  async start(t, serves) {
    const child = spawn(NGINX, [...this.arguments, '-g', 'daemon off;'], { stdio: 'ignore' });
    const gone = once(child, 'exit');
    t.after(async () => {
      child.kill('SIGTERM');
      await gone;
    });
    await until('nginx to serve', () => child.exitCode === null && serves());
  }

  /** All that it has written down so far. */
  logs() {
    const logs = readdirSync(this.directory).filter((name) => name.endsWith('.log'));
    return logs.map((name) => readFileSync(join(this.directory, name), 'utf8')).join('');
  }
}

/** A copy of a file under another root, its lines changed. @param {string} from @param {string} to @param {(text: string) => string} change */
export function copy(from, to, change = (text) => text) {
  writeFileSync(to, change(readFileSync(from, 'utf8')));
}
