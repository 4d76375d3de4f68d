/** Hosts of a test's own: network namespaces, each on a network with this one (for clients) and on one with Redis and each other. */
import { execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until, within } from './wait.js';

/** Private, and hardly anybody's. */
const [CLIENTS, INNER] = ['10.213.77', '10.213.78'];
const [HERE, REDIS] = [254, 100];

/** @param {string} command words between blanks */
const run = (command) => {
  const [program, ...args] = command.split(' ');
  return execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
};

/** @param {string} command @returns {string | undefined} what is wrong with it */
function complaint(command) {
  try {
    run(command);
  } catch (error) {
    return /** @type {any} */ (error).stderr?.trim() || String(error);
  }
}

/** Why there can't be any, if so. */
export function noHosts() {
  if (process.getuid?.() !== 0) return 'network namespaces take root';
  const name = `suara-${process.pid}-try`;
  const wrong = complaint(`ip netns add ${name}`) ?? complaint(`ip -n ${name} link add name here type veth peer name there`);
  complaint(`ip netns del ${name}`);
  return wrong && `there are no network namespaces here: ${wrong}`;
}

export class Host {
  /** @param {number} number from 1; 100 is Redis' */
  constructor(number) {
    this.number = number;
    this.name = `suara-${process.pid}-${number}`;
    /** Ends of its two links that are here. */
    this.links = { clients: `sc${process.pid}-${number}`.slice(-15), inner: `si${process.pid}-${number}`.slice(-15) };
  }

  /** As clients know it. */
  get address() {
    return `${CLIENTS}.${this.number}`;
  }

  /** As other hosts know it. */
  get inner() {
    return `${INNER}.${this.number}`;
  }

  /** What runs a program there. */
  get before() {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** @param {'clients' | 'inner'} link */
  cut(link) {
    run(`ip link set ${this.links[link]} down`);
  }

  /** @param {'clients' | 'inner'} link */
  heal(link) {
    run(`ip link set ${this.links[link]} up`);
  }

  /**
   * Makes its way to the other hosts worse, in both directions.
   * @param {string} how in the words of netem @returns {string | undefined} why that can't be done
   */
  impair(how) {
    return complaint(`tc qdisc add dev ${this.links.inner} root netem ${how}`) ??
      complaint(`ip netns exec ${this.name} tc qdisc add dev inner root netem ${how}`);
  }
}

/** @param {import('node:test').TestContext} t @param {number} count @returns {Host[]} which end with the test, behind what runs there */
export function makeHosts(t, count) {
  const bridges = { clients: `sbc${process.pid}`, inner: `sbi${process.pid}` };
  const hosts = Array.from({ length: count }, (_, n) => new Host(n + 1));
  const all = [...hosts, new Host(REDIS)];
  t.after(() => {
    for (const { name, links } of all) {
      complaint(`ip netns del ${name}`);
      // They would stay as long as a program there.
      Object.values(links).forEach((link) => complaint(`ip link del ${link}`));
    }
    for (const bridge of Object.values(bridges)) complaint(`ip link del ${bridge}`);
  });
  for (const bridge of Object.values(bridges)) {
    run(`ip link add name ${bridge} type bridge`);
    run(`ip link set ${bridge} up`);
  }
  run(`ip address add ${CLIENTS}.${HERE}/24 dev ${bridges.clients}`);
  for (const host of all) {
    run(`ip netns add ${host.name}`);
    run(`ip -n ${host.name} link set lo up`);
    for (const [name, net] of /** @type {['clients' | 'inner', string][]} */ ([['clients', CLIENTS], ['inner', INNER]])) {
      run(`ip link add name ${host.links[name]} type veth peer name ${name} netns ${host.name}`);
      run(`ip link set ${host.links[name]} master ${bridges[name]} up`);
      run(`ip -n ${host.name} address add ${net}.${host.number}/24 dev ${name}`);
      run(`ip -n ${host.name} link set ${name} up`);
    }
  }
  return hosts;
}

/**
 * Starts a program that ends with the test.
 * @param {import('node:test').TestContext} t @param {string[]} command
 */
function start(t, [program, ...args]) {
  const child = spawn(program, args, { stdio: 'ignore' });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  t.after(async () => {
    process.off('exit', end);
    end();
    await within(`the end of ${program}`, gone, 5000);
  });
  return child;
}

/**
 * Lets clients reach what listens on the host's loopback, where HTTP needs no certificate.
 * @param {import('node:test').TestContext} t @param {Host} host @param {number[]} ports
 */
export function publish(t, host, ports) {
  const pairs = ports.flatMap((port) => [`${host.address}:${port}`, `127.0.0.1:${port}`]);
  start(t, [...host.before, process.execPath, fileURLToPath(new URL('relay.js', import.meta.url)), ...pairs]);
}

/** Redis on a host of its own. @param {import('node:test').TestContext} t @returns {Promise<string>} its URL */
export async function redisThere(t) {
  const host = new Host(REDIS);
  const where = ['--bind', host.inner, '--port', '6379', '--protected-mode', 'no', '--save', '', '--appendonly', 'no'];
  const child = start(t, [...host.before, 'redis-server', ...where, '--dir', '/tmp']);
  const ping = `ip netns exec ${host.name} redis-cli -h ${host.inner} ping`;
  await until('Redis to answer', () => child.exitCode === null && complaint(ping) === undefined);
  return `redis://${host.inner}:6379`;
}
