// Which road opened first on this network, for the next time: by the gateway and the kind of network, for half a day.

/** @typedef {import('./road.js').RoadKind} RoadKind */

/** A network that let nothing but TCP through in the morning may be another by night. */
const EXPIRY_MS = 12 * 3600 * 1000;
const PREFIX = 'suara.road ';

export class RoadMemory {
  /**
   * @param {object} [options] a browser's own
   * @param {() => Storage | null} [options.storage] null, or thrown, where the page may store nothing
   * @param {() => string} [options.network] the kind of network, as far as the browser tells
   * @param {() => number} [options.now] milliseconds since 1970
   */
  constructor({ storage = () => globalThis.localStorage, network = kindOfNetwork, now = Date.now } = {}) {
    this.storage = storage;
    this.network = network;
    this.now = now;
  }

  /**
   * @param {string} gateway its HTTP address
   * @returns {RoadKind | null}
   */
  recall(gateway) {
    try {
      const { road, until } = JSON.parse(this.storage()?.getItem(this.#key(gateway)) ?? '{}');
      return (road === 'webtransport' || road === 'websocket') && until > this.now() ? road : null;
    } catch {
      return null;
    }
  }

  /**
   * @param {string} gateway
   * @param {RoadKind} road
   */
  note(gateway, road) {
    try {
      this.storage()?.setItem(this.#key(gateway), JSON.stringify({ road, until: this.now() + EXPIRY_MS }));
    } catch {
      // Next time it has to be found out again.
    }
  }

  /** @param {string} gateway */
  #key(gateway) {
    return `${PREFIX}${new URL(gateway).origin} ${this.network()}`;
  }
}

function kindOfNetwork() {
  const { connection } = /** @type {{connection?: {type?: string}}} */ (globalThis.navigator ?? {});
  return connection?.type ?? 'unknown';
}
