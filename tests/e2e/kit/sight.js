/** Whether what is in a page can be seen: inside the window, not over one another, with contrast enough (WCAG 2.2, 1.4.3). */
import assert from 'node:assert/strict';

/** @typedef {import('playwright-core').Page} Page */

export const SIZES = {
  small: { width: 1024, height: 700 },
  wide: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
};

/** Of text on its ground. */
const CONTRAST = 4.5;
/** Borders meet; nobody presses so little. */
const SLACK_PX = 1;

/** @param {Page} page @param {string} selector */
async function boxOf(page, selector) {
  const locator = page.locator(selector).first();
  return await locator.isVisible() ? locator.boundingBox() : null;
}

/** Each is visible, whole, in the window, and what a finger meets there. @param {Page} page @param {string[]} selectors */
export async function assertInSight(page, selectors) {
  const size = page.viewportSize();
  assert.ok(size);
  for (const selector of selectors) {
    const box = await boxOf(page, selector);
    const where = `${selector} at ${size.width}x${size.height}: ${JSON.stringify(box)}`;
    assert.ok(box, where);
    assert.ok(box.x >= -SLACK_PX && box.y >= -SLACK_PX, where);
    assert.ok(box.x + box.width <= size.width + SLACK_PX && box.y + box.height <= size.height + SLACK_PX, where);
    const met = await page.locator(selector).first().evaluate((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      const points = [[0.5, 0.5], [0.5, 0.1], [0.5, 0.9], [0.1, 0.5], [0.9, 0.5]];
      return points.every(([across, down]) => {
        const top = document.elementFromPoint(x + width * across, y + height * down);
        return top !== null && (element.contains(top) || top.contains(element));
      });
    });
    assert.ok(met, `${where} is covered`);
  }
}

/** None of those that are visible lies over another, unless it is inside. @param {Page} page @param {string[]} selectors */
export async function assertApart(page, selectors) {
  const boxes = [];
  for (const selector of selectors) {
    const box = await boxOf(page, selector);
    if (box) boxes.push({ selector, ...box });
  }
  for (const [i, one] of boxes.entries()) {
    for (const other of boxes.slice(i + 1)) {
      const across = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
      const down = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
      assert.ok(across <= SLACK_PX || down <= SLACK_PX, `${one.selector} and ${other.selector} overlap: ${JSON.stringify([one, other])}`);
    }
  }
}

/** Every button's words can be read on what is behind them. @param {Page} page */
export async function assertLegible(page) {
  // Colours are on their way for a moment.
  await page.waitForTimeout(400);
  const faint = await page.evaluate((least) => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    if (!canvas) throw new Error('no canvas');
    // Painted one over the other, as the browser does it, in whatever notation they are.
    const paint = (/** @type {string[]} */ colours) => {
      for (const colour of colours) {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((byte) => {
        const share = byte / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const buttons = [...document.querySelectorAll('button, .alert, .notice, .split')].filter((one) =>
      /** @type {HTMLElement} */ (one).offsetParent !== null && one.textContent?.trim());
    return buttons.flatMap((button) => {
      const grounds = [];
      for (let at = /** @type {Element | null} */ (button); at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
      const words = button.querySelector('#talk-text') ?? button;
      const behind = paint(['white', ...grounds]);
      const text = paint(['white', ...grounds, getComputedStyle(words).color]);
      const contrast = (Math.max(behind, text) + 0.05) / (Math.min(behind, text) + 0.05);
      return contrast < least ? [`${button.id || button.className} “${button.textContent?.trim()}”: ${contrast.toFixed(2)}`] : [];
    });
  }, CONTRAST);
  assert.deepEqual(faint, []);
}
