/** What can be pressed in the console is on the screen, apart from the rest and legible: on small and wide screens, light and dark. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openConsole } from './kit/console.js';
import { assertApart, assertInSight, assertLegible, SIZES } from './kit/sight.js';
import { startServer } from './kit/server.js';
import { until } from './kit/wait.js';

/** @typedef {import('./kit/console.js').Console} Console */

const channels = ['*:listen,talk,emergency,dispatch'];
/** What one presses while one works; the page of a phone may be scrolled to the rest. */
const CONTROLS = ['#talk', '#emergency', '#peril', '#volume', '#mute', '#tap-mode'];
const ON_A_PHONE = ['#emergency', '#mute'];

/** @param {Console} console */
async function raise({ page }) {
  await page.locator('#emergency').focus();
  await page.keyboard.down('Enter');
  await page.locator('#emergency[data-open]').waitFor();
  await page.keyboard.up('Enter');
}

/** @param {Console} console @param {string[]} [more] */
async function assertFits({ page }, more = []) {
  for (const [name, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await assertInSight(page, [...name === 'phone' ? ON_A_PHONE : CONTROLS, ...more]);
    if (name !== 'phone') await assertApart(page, [...CONTROLS, '#chat-form', '#join-form', '#people-list', '.call', '.alerts', '.monitors']);
  }
}

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`${colorScheme}: the controls stay in sight, apart and legible, whatever else is shown`, async (t) => {
    const server = await startServer({ args: ['--emergency-microphone-ms', '60000'] });
    t.after(() => server.stop('SIGINT'));
    const desk = await openConsole(t, server, 'desk', 'gate', { name: 'Desk', channels, colorScheme });
    const guard = await openConsole(t, server, 'budi', 'gate', { name: 'Budi', channels, colorScheme });
    await until('both to be there', async () => await desk.page.locator('#people-list li').count() === 2);
    await assertFits(desk);
    await assertLegible(desk.page);

    await desk.press();
    await guard.shows('taken');
    for (const { page } of [desk, guard]) await assertLegible(page);
    await desk.release();

    await desk.page.locator('.call-one').click();
    await desk.page.locator('.call').waitFor();
    await raise(guard);
    await desk.page.locator('.alert').waitFor();
    await assertFits(desk, ['.alert-end', '.call-talk']);
    await assertFits(guard, ['.alert-open', '.alert-end']);
    for (const { page } of [desk, guard]) await assertLegible(page);

    for (const name of ['yard', 'gate']) {
      await desk.page.locator('#join-name').fill(name);
      await desk.page.keyboard.press('Enter');
      await until(`the desk to be in ${name}`, async () => (await desk.state()).channel === name);
    }
    await desk.page.locator('.monitor-add[data-channel="yard"]').click();
    await desk.page.locator('#monitors').waitFor();
    await assertFits(desk);
    await assertLegible(desk.page);
    assert.equal(await desk.page.locator('.monitor').count(), 2, 'the emergency channel is watched quietly');
  });
}
