// Something that comes once, and may be waited for before and after.

export class Moment {
  /** @type {() => void} */
  mark = () => {};
  /** @type {Promise<void>} */
  come = new Promise((resolve) => { this.mark = () => resolve(); });
}
