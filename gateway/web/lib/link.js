// A page's end of the worker: calls that are answered, events that come by themselves.

import { RequestError } from './session.js';

export class WorkerLink {
  #id = 0;
  /** @type {Map<number, {resolve: (result: any) => void, reject: (error: Error) => void}>} */
  #pending = new Map();
  #worker;

  /** @param {(event: string, detail: any) => void} onEvent */
  constructor(onEvent) {
    this.#worker = new Worker(new URL('../audio/voice-worker.js', import.meta.url), { type: 'module', name: 'suara' });
    this.#worker.onmessage = ({ data }) => {
      if (data.event) return onEvent(data.event, data.detail);
      const pending = this.#pending.get(data.id);
      this.#pending.delete(data.id);
      if (data.error) pending?.reject(new RequestError(data.error.code, data.error.message));
      else pending?.resolve(data.result);
    };
    this.#worker.onerror = (event) => onEvent('fault', { code: 'worker', message: event.message });
  }

  /**
   * @param {string} call
   * @param {any[]} [args]
   * @param {Transferable[]} [transfer]
   * @returns {Promise<any>}
   */
  call(call, args = [], transfer = []) {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, call, args }, transfer);
    });
  }

  close() {
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(new RequestError('lost'));
    this.#pending.clear();
  }
}
