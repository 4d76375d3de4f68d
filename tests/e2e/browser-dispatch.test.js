/** A dispatcher in the console: hears several channels, each as loud as it likes, and patches them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openConsole } from './kit/console.js';
import { legacyUser, word } from './kit/scene.js';
import { sharedServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

/** @typedef {import('./kit/console.js').Console} Console */

const server = await sharedServer();

/** Who may patch. */
const channels = ['*:listen,talk,dispatch'];
/** From the last chunk until it is played. */
const TAIL_MS = 1500;

/** @param {Console} console @param {string} channel */
const line = (console, channel) => console.page.locator(`.monitor[data-channel="${channel}"]`);
/** @param {string} what @param {import('playwright-core').Locator} locator @param {boolean} [is] */
const seen = (what, locator, is = true) => until(`${what} to be ${is ? 'seen' : 'gone'}`, async () => await locator.first().isVisible() === is);

/** Talks in one, and hears the other too. @param {Console} console @param {string} one @param {string} other */
async function hearsBoth(console, one, other) {
  const { page } = console;
  for (const name of [other, one]) {
    await page.locator('#join-name').fill(name);
    await page.keyboard.press('Enter');
    await until(`the console to talk in ${name}`, async () => (await console.state()).channel === name);
  }
  await page.locator(`.monitor-add[data-channel="${other}"]`).click();
  for (const name of [one, other]) await seen(`the line of ${name}`, line(console, name));
}

/** The loudest sample that the console plays while something is done. @param {Console} console @param {() => Promise<void>} what */
async function loudest(console, what) {
  await console.startRecording();
  await what();
  await sleep(TAIL_MS);
  const { samples } = await console.stopRecording();
  return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
}

describe('a dispatcher', () => {
  test('hears two channels, and a muted one isn’t heard', async (t) => {
    const [gate, yard] = ['mute/gate', 'mute/yard'];
    const sari = await legacyUser(t, server, 'sari');
    const eko = await legacyUser(t, server, 'eko');
    await sari.enter(gate);
    await eko.enter(yard);
    const desk = await openConsole(t, server, 'desk', gate, { name: 'Desk', channels });
    await hearsBoth(desk, gate, yard);
    const said = await word();

    for (const talker of [sari, eko]) assert.ok(await loudest(desk, () => talker.say(said)) > 1000);
    const speaking = eko.say(said);
    await until('Eko to be named', async () => /eko Wijaya/.test(await line(desk, yard).textContent() ?? ''));
    await speaking;
    await sleep(TAIL_MS);

    const mute = line(desk, yard).locator('.monitor-mute');
    await mute.click();
    assert.equal(await mute.getAttribute('aria-pressed'), 'true');
    const before = (await desk.stats()).framesHeard;
    assert.equal(await loudest(desk, () => eko.say(said)), 0);
    assert.ok((await desk.stats()).framesHeard > before, 'it came, and was not played');
    assert.ok(await loudest(desk, () => sari.say(said)) > 1000, 'the other is as loud as it was');
    await mute.click();
    assert.ok(await loudest(desk, () => eko.say(said)) > 1000);
  });

  test('patches two channels, which everybody there sees, and ends that', async (t) => {
    const [gate, yard] = ['patch/gate', 'patch/yard'];
    const sari = await legacyUser(t, server, 'sari');
    const eko = await legacyUser(t, server, 'eko');
    await sari.enter(gate);
    await eko.enter(yard);
    const guard = await openConsole(t, server, 'guard', yard, { name: 'Guard' });
    const desk = await openConsole(t, server, 'desk', gate, { name: 'Desk', channels });
    await hearsBoth(desk, gate, yard);
    const said = await word();

    await line(desk, gate).locator('.monitor-patch').click();
    await line(desk, yard).locator('.monitor-patch').click();
    const unpatch = line(desk, yard).locator('.monitor-unpatch');
    await seen('the patch', unpatch);
    await seen('the patch', guard.page.locator('#patched'));
    assert.match(await guard.page.locator('#patched').textContent() ?? '', /patch\/gate/);
    await sari.say(said);
    await eko.heard.voiceOf(8000);
    await until('the guard to hear', async () => (await guard.stats()).framesHeard > 10);
    await guard.shows('idle');

    await unpatch.click();
    await seen('the patch', unpatch, false);
    await seen('the patch', guard.page.locator('#patched'), false);
    eko.heard.clear();
    const [passed, heard] = [(await guard.stats()).framesHeard, (await desk.stats()).framesHeard];
    await sari.say(said);
    await until('the desk to hear', async () => (await desk.stats()).framesHeard > heard + 10);
    await sleep(TAIL_MS);
    assert.deepEqual([eko.heard.voice().length, (await guard.stats()).framesHeard], [0, passed]);
  });

  test('talks where it chose to, by the keyboard alone, and goes on hearing the other', async (t) => {
    const [gate, yard] = ['turn/gate', 'turn/yard'];
    const eko = await legacyUser(t, server, 'eko');
    await eko.enter(yard);
    const desk = await openConsole(t, server, 'desk', gate, { name: 'Desk', channels });
    await hearsBoth(desk, gate, yard);

    await line(desk, yard).getByRole('button', { name: `Talk in ${yard}` }).focus();
    await desk.page.keyboard.press('Enter');
    await until('the desk to talk there', async () => (await desk.state()).channel === yard);
    await seen('the line of the other', line(desk, gate));
    await desk.page.locator('#talk').focus();
    await desk.press();
    await eko.heard.voiceOf(8000);
    await desk.release();
  });

  test('and one who is none sees nothing of it', async (t) => {
    const guard = await openConsole(t, server, 'guard', 'plain/gate', { name: 'Guard' });
    for (const name of ['plain/yard', 'plain/gate']) {
      await guard.page.locator('#join-name').fill(name);
      await guard.page.keyboard.press('Enter');
      await until(`the console to be in ${name}`, async () => (await guard.state()).channel === name);
    }
    assert.deepEqual([await guard.page.locator('.monitor-add').count(), await guard.page.locator('#monitors').isVisible()], [0, false]);
  });
});
