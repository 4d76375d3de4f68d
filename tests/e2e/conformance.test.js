/**
 * The floor is one for all transports: each talker's with each listener's, in everything that the floor does. One server,
 * one page of a real browser for the modern clients, and Socket.IO's own client; each cell has a channel of its own.
 */
import { after, before, describe, test } from 'node:test';
import { scenes } from './kit/conformance/scenes.js';
import { Stage } from './kit/conformance/stage.js';

/** @typedef {import('./kit/conformance/party.js').Transport} Transport */

const transports = /** @type {Transport[]} */ (['webtransport', 'websocket', 'socketio']);
/** At a time: together they take half a minute on a machine of two cores, and many more would be late for each other. */
const CELLS = 6;

/** @type {Map<string, 'ok' | 'FAILED'>} by talker, listener and scene */
const results = new Map();

/** A row for each pair. */
function table() {
  const names = Object.keys(scenes);
  const rows = transports.flatMap((talker) => transports.map((listener) =>
    [`${talker} > ${listener}`, ...names.map((scene) => results.get(`${talker} ${listener} ${scene}`) ?? '-')]));
  const all = [['talker > listener', ...names], ...rows];
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()).join('\n');
}

describe('each transport talks to each', { concurrency: CELLS }, () => {
  /** @type {Stage} */
  let stage;
  /** @type {(() => unknown)[]} */
  const closing = [];
  before(async () => {
    const context = /** @type {any} */ ({ after: (/** @type {() => unknown} */ run) => closing.push(run), diagnostic: console.log });
    stage = await Stage.open(context, CELLS);
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
    console.log(table());
  });

  for (const [name, scene] of Object.entries(scenes)) for (const talking of transports) for (const listening of transports) {
    test(`${name}: ${talking} to ${listening}`, async () => {
      const key = `${talking} ${listening} ${name}`;
      const channel = `${name}/${talking}-${listening}`;
      results.set(key, 'FAILED');
      await stage.cell(async (cast) => {
        const [talker, listener, helper] = await Promise.all([
          cast('talker', talking), cast('listener', listening), cast('helper', 'websocket'),
        ]);
        const enter = () => listener.enter(channel);
        if (name !== 'late entry') await enter();
        await talker.enter(channel);
        await helper.enter(channel);
        await scene({ talker, listener, enter, helper: /** @type {any} */ (helper) });
      });
      results.set(key, 'ok');
    });
  }
});
