// The emergency button: pressed by accident it would take everybody's floor, so it has to be held for a second before it
// counts. What it does then goes on by itself.

/** Held so long it is meant. Shorter, a pocket presses it; longer, a hand that trembles lets go. */
export const ARM_MS = 1000;

export class EmergencyButton {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #arming;
  #active = false;

  /**
   * @param {HTMLElement} button
   * @param {{onDown: () => void, onUp: () => void, enabled: () => boolean}} handlers
   */
  constructor(button, handlers) {
    this.button = button;
    this.handlers = handlers;
    button.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      button.focus({ preventScroll: true });
      button.setPointerCapture(event.pointerId);
      this.down();
    });
    for (const type of ['pointerup', 'pointercancel', 'lostpointercapture', 'blur']) {
      button.addEventListener(type, () => this.up());
    }
    button.addEventListener('contextmenu', (event) => event.preventDefault());
    button.addEventListener('keydown', (event) => {
      if (event.code !== 'Space' && event.code !== 'Enter') return;
      event.preventDefault();
      if (!event.repeat) this.down();
    });
    button.addEventListener('keyup', () => this.up());
    addEventListener('blur', () => this.up());
    addEventListener('pagehide', () => this.up());
  }

  down() {
    if (this.#active || !this.handlers.enabled()) return;
    this.up();
    this.#show('arming');
    this.#arming = setTimeout(() => {
      this.#active = true;
      this.#show('active');
      this.handlers.onDown();
    }, ARM_MS);
  }

  up() {
    clearTimeout(this.#arming);
    this.#show('idle');
    if (!this.#active) return;
    this.#active = false;
    this.handlers.onUp();
  }

  /** @param {'idle' | 'arming' | 'active'} state */
  #show(state) {
    this.button.dataset.state = state;
    this.button.setAttribute('aria-pressed', String(state === 'active'));
  }
}
