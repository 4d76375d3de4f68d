// The gateway's rule from reports to redundancy (`gateway/src/voice/redundancy.rs`), for the client's simulation. Held to it
// by the vectors in redundancy.json, which both read.

const WINDOW = 200 * 16;

export class Redundancy {
  level = 0;
  #calm = 0;
  #expected = 0;
  #lost = 0;

  /** @param {{expected: number, lost: number, gap: number}} report */
  report({ expected: all, lost: missing, gap }) {
    const outage = gap === 255 ? missing : gap > 10 ? gap : 0;
    const expected = Math.max(0, all - outage);
    const lost = Math.max(0, missing - outage);
    this.#expected += expected * 16;
    this.#lost += lost * 16;
    if (this.#expected > WINDOW) {
      this.#lost = Math.floor((this.#lost * WINDOW) / this.#expected);
      this.#expected = WINDOW;
    }
    const isHeavy = this.#lost >= 32 && this.#lost * 100 >= 3 * this.#expected;
    const need = (gap >= 2 && outage === 0) || isHeavy ? 2 : Math.min(1, lost);
    this.level = Math.max(this.level, need);
    const isCalm = need < this.level && (this.level < 2 || this.#lost * 1000 < 15 * this.#expected);
    this.#calm = isCalm ? this.#calm + expected : 0;
    if (this.level > 0 && this.#calm >= (this.level === 1 ? 500 : 250)) {
      this.level--;
      this.#calm = 0;
    }
    return this.level;
  }
}
