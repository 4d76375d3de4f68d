/** The server, the page and the tokens that all cells of the matrix share. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openPage } from '../browser.js';
import { work } from '../paths.js';
import { startServer } from '../server.js';
import { LegacyParty } from './legacy.js';
import { install } from './page.js';
import { ModernParty } from './party.js';

/** @typedef {import('./party.js').Transport} Transport */

/** Times that a test can wait for. What a channel is called says which it has. */
const CHANNELS = `
[[channel]]
name = "T1/*"
t1-ms = 1000

[[channel]]
name = "T2/*"
t2-ms = 2500
t3-ms = 500
warning-ms = 1500

[[channel]]
name = "pre-empt/*"
pre-emption = true
t3-ms = 500

[[channel]]
name = "*"
pre-emption = false
t3-ms = 500
`;

/** Who may do what; a helper is the third in a cell, who holds the floor or is a dispatcher. */
const ROLES = /** @type {const} */ ({
  talker: { rights: 'talk,listen,emergency', priority: 5 },
  listener: { rights: 'talk,listen', priority: 1 },
  helper: { rights: 'talk,listen,emergency,dispatch', priority: 1 },
});

/** @typedef {keyof typeof ROLES} Role */

export class Stage {
  /** @type {Map<string, ModernParty>} */
  #modern = new Map();
  #parties = 0;
  /** @type {Map<string, string>} */
  #tokens = new Map();
  /** Cells that may be on stage at a time have a number each, so that no user is in two of them. @type {number[]} */
  #free = [];

  /** @param {import('../server.js').Server} server @param {import('playwright-core').Page} page */
  constructor(server, page) {
    this.server = server;
    this.page = page;
  }

  /** @param {import('node:test').TestContext} t @param {number} cells at a time */
  static async open(t, cells) {
    const config = join(work, `conformance-${process.pid}.toml`);
    writeFileSync(config, CHANNELS);
    const server = await startServer({ args: ['--config', config] });
    t.after(() => server.stop('SIGINT'));
    const page = await openPage(t);
    await page.goto(server.url);
    const stage = new Stage(server, page);
    await install(page, (events) => {
      for (const event of events) stage.#modern.get(event.id)?.take(event);
    });
    for (let cell = 0; cell < cells; cell++) await stage.#prepare(cell);
    return stage;
  }

  /** @param {number} cell */
  async #prepare(cell) {
    const roles = /** @type {Role[]} */ (Object.keys(ROLES));
    await Promise.all(roles.map(async (role) => {
      const { rights, priority } = ROLES[role];
      const user = `${role}-${cell}`;
      const args = ['--priority', String(priority)];
      this.#tokens.set(user, await this.server.token({ user, role, channels: [`*:${rights}`], args }));
    }));
    this.#free.push(cell);
  }

  /**
   * Runs with a number of its own, and with everybody gone at its end.
   * @param {(cast: (role: Role, transport: Transport) => Promise<ModernParty | LegacyParty>) => Promise<void>} run
   */
  async cell(run) {
    const cell = this.#free.shift();
    if (cell === undefined) throw new Error('too many cells at a time');
    /** @type {(ModernParty | LegacyParty)[]} */
    const present = [];
    try {
      await run(async (role, transport) => {
        const party = await this.#cast(`${role}-${cell}`, transport);
        present.push(party);
        return party;
      });
    } finally {
      await Promise.allSettled(present.map((party) => party.close()));
      this.#free.push(cell);
    }
  }

  /** @param {string} user @param {Transport} transport */
  async #cast(user, transport) {
    const token = this.#tokens.get(user) ?? '';
    if (transport === 'socketio') {
      const party = new LegacyParty(user);
      await party.connect(this.server.legacyUrl, token);
      return party;
    }
    const id = `party-${++this.#parties}`;
    const party = new ModernParty(this, id, user);
    this.#modern.set(id, party);
    await party.connect(token, transport);
    return party;
  }
}
