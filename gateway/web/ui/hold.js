// The talk button under a finger, a mouse and a keyboard: down and up, each exactly once. In tap mode one tap is down
// and the next is up.

/** Where any key means something else, and where the space bar does. */
const WRITING = 'input:not([type="checkbox"], [type="range"]), textarea, select, dialog, [contenteditable]';
const INTERACTIVE = 'input, textarea, select, button, a[href], summary, dialog, [contenteditable]';

export class Hold {
  #down = false;
  tapMode = false;
  /** The key that is the button, as in `KeyboardEvent.code`. */
  key = 'Space';

  /**
   * @param {HTMLElement} button
   * @param {{onDown: () => void, onUp: () => void, enabled: () => boolean}} handlers
   */
  constructor(button, handlers) {
    this.button = button;
    this.handlers = handlers;
    button.addEventListener('pointerdown', (event) => this.#pointerDown(event));
    for (const type of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      button.addEventListener(type, () => this.#lifted());
    }
    // A long press would open a menu on a phone, and end the call.
    button.addEventListener('contextmenu', (event) => event.preventDefault());
    addEventListener('keydown', (event) => this.#keyDown(event));
    addEventListener('keyup', (event) => this.#keyUp(event));
    addEventListener('blur', () => this.up());
    addEventListener('pagehide', () => this.up());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.up();
    });
  }

  get isDown() {
    return this.#down;
  }

  down() {
    if (this.#down || !this.handlers.enabled()) return;
    this.#down = true;
    this.handlers.onDown();
  }

  up() {
    if (!this.#down) return;
    this.#down = false;
    this.handlers.onUp();
  }

  /** @param {PointerEvent} event */
  #pointerDown(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.button.focus({ preventScroll: true });
    // The finger may slide off the button: it is still held.
    this.button.setPointerCapture(event.pointerId);
    this.#pushed();
  }

  #pushed() {
    if (this.tapMode && this.#down) this.up();
    else this.down();
  }

  #lifted() {
    if (!this.tapMode) this.up();
  }

  /** @param {KeyboardEvent} event */
  #keyDown(event) {
    if (!this.#isOurs(event)) return;
    event.preventDefault();
    if (!event.repeat) this.#pushed();
  }

  /** @param {KeyboardEvent} event */
  #keyUp(event) {
    // Also when the focus has moved since: what was pressed is let go.
    if (event.code === this.key || event.code === 'Space' || event.code === 'Enter') this.#lifted();
    if (this.#isOurs(event)) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #isOurs(event) {
    const target = /** @type {Element | null} */ (event.target);
    if (event.ctrlKey || event.altKey || event.metaKey) return false;
    if (target === this.button && (event.code === 'Space' || event.code === 'Enter')) return true;
    return event.code === this.key && !target?.closest?.(this.key === 'Space' ? INTERACTIVE : WRITING);
  }
}
