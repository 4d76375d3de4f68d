/** The files of `deploy`: each by its own tool, and against the binary that they are for. Nothing of this machine is changed. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { binary } from './kit/daemon.js';
import { repository } from './kit/paths.js';
import { copy, deploy, environment, files, Nginx, read, run, temporary, yaml } from './kit/tool.js';

/** @param {string} flag as in `--flag` @returns {string} the variable of the same setting */
const variable = (flag) => `SUARA_${flag.toUpperCase().replaceAll('-', '_')}`;

/** @param {string} command @returns {Promise<Set<string>>} its flags, as the variables of the same settings */
async function settingsOf(command) {
  const help = await run(binary, [command, '--help']);
  const known = new Set([...help.matchAll(/^ {2,6}(?:-\w, )?--([a-z-]+)/gm)].map(([, flag]) => variable(flag)));
  assert.ok(known.size > 5, help);
  return known;
}

test('every setting and flag that a file uses is one that the binary has', async () => {
  const commands = new Map(await Promise.all(['serve', 'token'].map(async (name) => /** @type {const} */ ([name, await settingsOf(name)]))));
  let seen = 0;
  /** @param {string} file @param {string} command @param {string} setting */
  const assertKnown = (file, command, setting) => {
    assert.ok(commands.get(command)?.has(setting), `${file} has ${setting}, which suara ${command} --help doesn't know`);
    seen += 1;
  };
  for (const name of files()) {
    const text = read(name);
    for (const setting of text.match(/\bSUARA_[A-Z_]+/g) ?? []) assertKnown(name, 'serve', setting);
    for (const [call, command] of text.matchAll(/\bsuara (serve|token) [^\n`]*/g)) {
      for (const [, flag] of call.matchAll(/ --([a-z-]+)/g)) assertKnown(name, command, variable(flag));
    }
  }
  assert.ok(seen > 60, `${seen} settings were looked at`);
});

describe('nginx', () => {
  for (const nodes of ['nginx/suara-nodes-one.conf', 'nginx/suara-nodes-three.conf', 'compose/suara-nodes.conf']) {
    test(`takes ${nodes}`, async (t) => {
      const directory = temporary(t);
      const secrets = join(directory, 'secrets');
      await run(join(deploy, 'compose/secrets'), [secrets]);
      // Names of containers mean nothing here.
      const upstream = nodes.startsWith('compose') ? '127.0.0.1:8080' : undefined;
      const said = await new Nginx(directory, { nodes, secrets, upstream, http: 8080, https: 8443 }).check();
      assert.doesNotMatch(said, /\[(warn|error|emerg)\]/, said);
    });
  }

  test('goes from node to node and binds nobody to one', () => {
    const texts = files().filter((name) => name.endsWith('.conf') && name.includes('nodes')).map(read);
    assert.equal(texts.length, 3);
    for (const text of texts) assert.doesNotMatch(text, /^\s*(ip_hash|hash|sticky|least_conn|random)\b/m);
  });
});

describe('systemd', () => {
  const units = ['suara.service', 'suara@.service'];

  test('takes the units, and finds them closed', async (t) => {
    const directory = temporary(t);
    for (const unit of units) {
      copy(join(deploy, 'systemd', unit), join(directory, unit), (text) => text.replace('/usr/local/bin/suara', binary));
    }
    const [one, template] = units.map((unit) => join(directory, unit));
    assert.equal(await run('systemd-analyze', ['verify', one]), '');
    assert.equal(await run('systemd-analyze', ['verify', template]), '');
    // 2.0 of 10 points: what is left is the network, which it is for.
    await run('systemd-analyze', ['security', '--offline=true', '--threshold=20', one, template]);
    const users = await run('systemd-sysusers', ['--dry-run', `--root=${directory}`, join(deploy, 'systemd/suara.sysusers.conf')]);
    assert.match(users, /Creating user 'suara'/);
  });

  test('has one unit for one node and for several, and waits for the longest drain', () => {
    const [one, template] = units.map((unit) => read(`systemd/${unit}`));
    const general = template.replace('Suara, node %i on this machine', 'Suara, a push-to-talk voice gateway');
    assert.equal(general.replace('/etc/suara/%i.env', '/etc/suara/suara.env').replaceAll('suara/%i', 'suara'), one);
    const patience = Number(/^TimeoutStopSec=(\d+)$/m.exec(one)?.[1]);
    for (const name of ['suara.env.example', 'node.env.example']) {
      const { SUARA_DRAIN, SUARA_MAX_SESSIONS } = environment(read(name));
      assert.ok(Number(SUARA_DRAIN) > 0 && Number(SUARA_DRAIN) < patience, name);
      assert.ok(Number(SUARA_MAX_SESSIONS) < Number(/^LimitNOFILE=(\d+)$/m.exec(one)?.[1]), name);
    }
  });
});

test('sysctl knows every key, and what Suara asks for is allowed', async () => {
  await run('/usr/sbin/sysctl', ['--dry-run', '-p', join(deploy, 'sysctl/90-suara.conf')]);
  const wanted = /const BUFFER: usize = (\d+) << 20;/.exec(readFileSync(join(repository, 'gateway/engine/src/udp/bind.rs'), 'utf8'));
  const allowed = /^net\.core\.rmem_max = (\d+)$/m.exec(read('sysctl/90-suara.conf'));
  assert.ok(Number(allowed?.[1]) >= Number(wanted?.[1]) * 2 ** 20);
});

describe('Prometheus', () => {
  test('takes the configuration, and every alert fires when it should and at no other time', async () => {
    await run('promtool', ['check', 'config', join(deploy, 'prometheus/prometheus.yml')]);
    await run('promtool', ['test', 'rules', join(deploy, 'prometheus/suara.rules.test.yml')]);
    const { groups } = await yaml(join(deploy, 'prometheus/suara.rules.yml'));
    const { tests } = await yaml(join(deploy, 'prometheus/suara.rules.test.yml'));
    const tried = tests.flatMap((/** @type {any} */ one) => one.alert_rule_test);
    for (const { alert } of groups.flatMap((/** @type {any} */ group) => group.rules)) {
      const mine = tried.filter((/** @type {any} */ one) => one.alertname === alert);
      assert.ok(mine.some((/** @type {any} */ one) => one.exp_alerts.length), `${alert} is never seen to fire`);
      assert.ok(mine.some((/** @type {any} */ one) => !one.exp_alerts.length), `${alert} is never seen to keep still`);
    }
  });

  test('understands what the dashboard asks', async (t) => {
    const rules = queries().map((expr, at) => ({ record: `panel:${at}`, expr: plain(expr) }));
    const file = join(temporary(t), 'panels.yml');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
    assert.match(await run('promtool', ['check', 'rules', file]), new RegExp(`${rules.length} rules found`));
  });
});

/** What Grafana puts in for its variables. @param {string} expr */
const plain = (expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$node', '.*');

/** @returns {string[]} of the dashboard's panels */
function queries() {
  const { panels } = JSON.parse(read('grafana/suara.json'));
  return panels.flatMap((/** @type {any} */ panel) => (panel.targets ?? []).map((/** @type {any} */ target) => target.expr));
}

describe('the compose file', () => {
  const file = join(deploy, 'compose/compose.yaml');

  test('is whole: files that it names, ports that are announced, the proxy that is trusted', async (t) => {
    const { services, networks } = await yaml(file);
    const secrets = join(temporary(t), 'secrets');
    await run(join(deploy, 'compose/secrets'), [secrets]);
    for (const service of /** @type {any[]} */ (Object.values(services))) {
      for (const path of [...(service.env_file ?? []), ...(service.volumes ?? []).filter((/** @type {string} */ at) => at.startsWith('.'))]) {
        const [from] = path.split(':');
        const made = from.replace(/^\.\/secrets\.d/, secrets);
        assert.ok(existsSync(made === from ? resolve(deploy, 'compose', from) : made), `${path} isn't there`);
      }
    }
    assert.match(readFileSync(join(secrets, '../.env'), 'utf8'), /^NODE_USER=\d+:\d+$/m);
    const open = (await run('find', [secrets, '-perm', '/077', '-printf', '%P '])).trim();
    assert.equal(open, '', 'others can read these');
    const nodes = /** @type {[string, any][]} */ (Object.entries(services)).filter(([name]) => name.startsWith('node'));
    assert.equal(nodes.length, 3);
    const published = new Set();
    for (const [name, { environment: mine, ports, env_file }] of nodes) {
      const all = { ...environment(readFileSync(resolve(deploy, 'compose', env_file[0]), 'utf8')), ...mine };
      const [webtransport, rtc] = ports.map((/** @type {string} */ port) => port.split(':').slice(-2));
      assert.equal(new URL(all.SUARA_WEBTRANSPORT_ANNOUNCE).port, webtransport[0], name);
      assert.equal(all.SUARA_WEBTRANSPORT.split(':').at(-1), webtransport[1].replace('/udp', ''), name);
      assert.equal(all.SUARA_RTC_ANNOUNCE.split(':').at(-1), rtc[0], name);
      assert.equal(all.SUARA_RTC.split(':').at(-1), rtc[1].replace('/udp', ''), name);
      assert.equal(all.SUARA_TRUSTED_PROXY, `${services.nginx.networks.default.ipv4_address}/32`, name);
      for (const [port] of [webtransport, rtc]) published.add(port);
      assert.equal(all.SUARA_PEER_ANNOUNCE, `${name}:${all.SUARA_PEER.split(':').at(-1)}`);
      for (const path of [all.SUARA_TLS_CERT, all.SUARA_TLS_KEY, all.SUARA_JWT_SECRET_FILE, all.SUARA_PEER_SECRET_FILE, all.SUARA_CONFIG]) {
        assert.ok(existsSync(path.replace('/etc/suara', secrets)), `${name} looks for ${path}`);
      }
      assert.match(read('compose/suara-nodes.conf'), new RegExp(`server ${name}:${all.SUARA_HTTP.split(':').at(-1)} `));
      const scraped = (await yaml(join(deploy, 'prometheus/prometheus.yml'))).scrape_configs[0].static_configs[0].targets;
      assert.ok(scraped.includes(`${name}:${all.SUARA_METRICS.split(':').at(-1)}`), name);
    }
    assert.equal(published.size, 6, 'a port is published twice');
    assert.ok(networks.default.ipam.config[0].subnet);
  });

  test('has a Dockerfile whose build gets every crate, and whose process is nobody of importance', () => {
    const ignored = read('compose/Dockerfile.dockerignore').split('\n');
    const kept = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    for (const path of kept) assert.ok(existsSync(join(repository, path)), `${path} is kept and isn't there`);
    const members = /members = \[([^\]]*)\]/.exec(readFileSync(join(repository, 'Cargo.toml'), 'utf8'))?.[1];
    const crates = [...(members ?? '').matchAll(/"([^"]+)"/g)].map(([, crate]) => crate);
    assert.ok(crates.length > 5);
    for (const crate of crates) {
      const hidden = crate.startsWith('loadtest/peers/') && !kept.includes(crate);
      assert.ok(!hidden && kept.includes(crate.split('/')[0]), `the build doesn't get ${crate}`);
    }
    const stage = read('compose/Dockerfile').split(/^FROM /m).at(-1) ?? '';
    assert.match(stage, /^USER [1-9]\d*:[1-9]\d*$/m);
    assert.match(stage, /^ENTRYPOINT \["\/usr\/local\/bin\/suara"\]$/m);
  });

  test('is understood by docker compose, where that is there', async (t) => {
    const there = await run('docker', ['compose', 'version']).then(() => true, () => false);
    if (!there) return t.diagnostic('docker compose is not installed: YAML and its meaning are what was checked');
    await run('docker', ['compose', '-f', file, 'config', '--quiet']);
  });
});

test('the examples of settings of channels are taken by the binary', async (t) => {
  const data = join(temporary(t), 'data');
  mkdirSync(data);
  // It ends at the bad address, after the file has been read, or at the file.
  const args = ['--config', join(deploy, 'suara.toml'), '--data', data, '--tls-cert', 'alone.pem'];
  await assert.rejects(run(binary, args), /--tls-cert and --tls-key go together/);
  writeFileSync(join(data, 'other.toml'), read('suara.toml').replace('mode', 'mod'));
  await assert.rejects(run(binary, ['--config', join(data, 'other.toml'), '--data', data]), /can't be understood/);
});
