/** Debian's nginx before several servers, in plain round robin: each request goes to the next one. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { work } from './paths.js';
import { answers, freePort } from './redis.js';
import { until, within } from './wait.js';

/** Not in everybody's PATH. */
const NGINX = '/usr/sbin/nginx';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** @typedef {{url: string, requests: () => {method: string, uri: string, status: number, upstream: string}[]}} Nginx */

/**
 * One that ends with the test.
 * @param {{after: (end: () => Promise<void>) => void}} t @param {string[]} upstreams HOST:PORT
 * @returns {Promise<Nginx>}
 */
export async function startNginx(t, upstreams) {
  const port = await freePort();
  const directory = mkdtempSync(join(work, 'nginx-'));
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, configuration(directory, port, upstreams));
  const child = spawn(NGINX, ['-p', directory, '-e', join(directory, 'error.log'), '-c', file], { stdio: 'inherit' });
  running.add(child);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  t.after(async () => {
    child.kill('SIGTERM');
    await within('the end of nginx', gone, 5000);
    running.delete(child);
    rmSync(directory, { recursive: true, force: true });
  });
  await until('nginx to answer', () => child.exitCode === null && answers(port));
  return { url: `http://127.0.0.1:${port}`, requests: () => requests(join(directory, 'access.log')) };
}

/** @param {string} directory @param {number} port @param {string[]} upstreams */
function configuration(directory, port, upstreams) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
master_process off;
pid ${join(directory, 'nginx.pid')};
error_log ${join(directory, 'error.log')};
events { worker_connections 4096; }
http {
  ${temporary.map((name) => `${name}_temp_path ${join(directory, name)};`).join('\n  ')}
  log_format plain '$request_method $request_uri $status $upstream_addr';
  access_log ${join(directory, 'access.log')} plain;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream suara {
    ${upstreams.map((upstream) => `server ${upstream} max_fails=1 fail_timeout=2s;`).join('\n    ')}
    keepalive 16;
  }
  server {
    listen 127.0.0.1:${port};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_buffering off;
    proxy_read_timeout 60s;
    location / {
      proxy_pass http://suara;
    }
    # As in deploy/nginx: what begins goes to a node that takes it.
    location ~ ^/(api/connect|v1/ws|rtc/ws|livechat/ws)$ {
      proxy_pass http://suara;
      proxy_next_upstream error timeout http_503;
    }
    location /socket.io/ {
      error_page 418 = @opening;
      if ($arg_sid = '') { return 418; }
      proxy_pass http://suara;
    }
    location @opening {
      proxy_pass http://suara;
      proxy_next_upstream error timeout http_503;
    }
  }
}
`;
}

/** @param {string} file */
function requests(file) {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').filter(Boolean);
  return lines.map((line) => {
    const [method, uri, status, ...upstream] = line.split(' ');
    return { method, uri, status: Number(status), upstream: upstream.join(' ') };
  });
}
