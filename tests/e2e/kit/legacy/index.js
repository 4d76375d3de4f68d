/** The legacy clients that are in the field, by name. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { e2e, python } from '../paths.js';
import { LegacyClient } from './client.js';
import { javascriptDriver } from './javascript.js';
import { Recorder } from './recorder.js';
import { subprocessDriver } from './subprocess.js';

const here = dirname(fileURLToPath(import.meta.url));

/** @typedef {import('./client.js').ConnectOptions} ConnectOptions */
/** @typedef {'js4' | 'js3' | 'js2' | 'python' | 'java' | 'java1'} Kind */

/** What a kind needs by its nature: Engine.IO 3 works on `/` over WebSocket, with the token in the query. */
/** @type {ConnectOptions} */
const engine3 = { transports: ['websocket'], authMode: 'query', namespace: '/' };

/** @type {Record<Kind, {defaults: ConnectOptions, driver: (heard: Recorder) => import('./client.js').Driver}>} */
const kinds = {
  js4: { defaults: {}, driver: (heard) => javascriptDriver('js4', heard) },
  js3: { defaults: {}, driver: (heard) => javascriptDriver('js3', heard) },
  js2: { defaults: engine3, driver: (heard) => javascriptDriver('js2', heard) },
  python: { defaults: {}, driver: (heard) => subprocessDriver(python, [join(here, 'python_client.py')], heard) },
  java: { defaults: {}, driver: (heard) => javaDriver('client-2', heard) },
  java1: { defaults: engine3, driver: (heard) => javaDriver('client-1', heard) },
};

/** @param {string} generation @param {Recorder} heard */
function javaDriver(generation, heard) {
  const target = join(e2e, 'java', 'target', generation);
  const list = join(target, 'classpath.txt');
  if (!existsSync(list)) throw new Error(`${list} is not there: tests/run makes it`);
  const classpath = [join(target, 'classes'), readFileSync(list, 'utf8').trim()].join(':');
  return subprocessDriver('java', ['-cp', classpath, 'suara.test.Main'], heard);
}

/** @param {Kind} kind */
export function legacyClient(kind) {
  const heard = new Recorder();
  return new LegacyClient(kinds[kind].driver(heard), heard, kinds[kind].defaults);
}
