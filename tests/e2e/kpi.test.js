/** The scorecard: what two consoles report of their calls is what the page of KPIs shows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openConsole } from './kit/console.js';
import { startServer } from './kit/server.js';
import { sleep, until } from './kit/wait.js';

describe('the four KPIs', () => {
  test('calls between two consoles show on the page, for who may see it', async (t) => {
    const server = await startServer();
    t.after(() => server.stop('SIGINT'));
    const talker = await openConsole(t, server, 'talker', 'yard');
    const listener = await openConsole(t, server, 'listener', 'yard');
    // Until both know the gateway's clock.
    await sleep(1500);
    for (let call = 0; call < 2; call++) {
      await talker.press();
      await sleep(800);
      await talker.release();
      await listener.shows('idle');
      await sleep(1000);
    }
    const token = await server.token({ user: 'boss', role: 'admin' });
    const ask = async (/** @type {string} */ bearer) =>
      fetch(`${server.url}/api/kpi`, { headers: { authorization: `Bearer ${bearer}` } });
    const rows = await until('both calls on the scorecard', async () => {
      const { rows } = await (await ask(token)).json();
      return rows.some((/** @type {any} */ row) => row.kpi === 3 && row.count === 2) && rows;
    });
    assert.deepEqual(rows.map((/** @type {any} */ { kpi, count }) => [kpi, count]), [[1, 2], [2, 2], [3, 2]]);
    // The same process has both clocks' ends: whatever the machine does, no sound is heard before it was made.
    assert.ok(rows[2].p50_ms >= 20, JSON.stringify(rows));
    assert.equal((await ask(await server.token({ user: 'guard' }))).status, 403);

    const page = await talker.page.context().newPage();
    await page.goto(`${server.url}/kpi.html#${new URLSearchParams({ token })}`);
    await page.locator('#kpi-rows tr').nth(2).waitFor();
    assert.match(await page.locator('#kpi-rows').innerText(), /Mouth to ear\s+WebTransport\s+WebTransport\s+2\s/);

    const refused = await talker.page.context().newPage();
    await refused.goto(`${server.url}/kpi.html#${new URLSearchParams({ token: await server.token({ user: 'guard' }) })}`);
    await until('the refusal', async () => /admins/.test(await refused.locator('#kpi-note').textContent() ?? ''));
    assert.equal(await refused.locator('#kpi-panel').isVisible(), false);
  });
});
