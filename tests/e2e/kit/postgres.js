/** A PostgreSQL server of a test's own: Debian's, in a directory of its own, on a socket in it and no port. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const versions = '/usr/lib/postgresql';

/** Not below this tree: its user may not enter there. */
const BASE = '/tmp/suara-pg-';

export class Postgres {
  /** @param {import('node:test').TestContext} t */
  constructor(t) {
    this.directory = mkdtempSync(BASE);
    this.data = join(this.directory, 'data');
    this.bin = join(versions, readdirSync(versions).sort().at(-1) ?? '', 'bin');
    if (process.getuid?.() === 0) execFileSync('chown', ['postgres:', this.directory]);
    this.run('initdb', '-D', this.data, '-U', 'suara', '-A', 'trust', '--no-sync', '-E', 'UTF8');
    t.after(() => {
      this.stop();
      rmSync(this.directory, { recursive: true });
    });
    this.start();
  }

  get url() {
    return `postgres://suara@localhost/postgres?host=${this.directory}`;
  }

  start() {
    const options = `-c listen_addresses= -c unix_socket_directories=${this.directory}`;
    this.run('pg_ctl', '-D', this.data, '-w', 'start', '-o', options, '-l', join(this.directory, 'log'));
  }

  stop() {
    this.run('pg_ctl', '-D', this.data, '-w', 'stop', '-m', 'immediate');
  }

  /** Refuses to run as root. @param {string} program @param {string[]} args */
  run(program, ...args) {
    const command = [join(this.bin, program), ...args];
    const [first, ...rest] = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--', ...command] : command;
    const nowhere = openSync('/dev/null', 'w');
    // No pipes: the server that it starts would hold them open.
    execFileSync(first, rest, { cwd: this.directory, stdio: ['ignore', nowhere, nowhere] });
  }
}
