// The connect document (PROTOCOL.md, section 2): where the gateway is, and which certificates to trust.

/**
 * @typedef {object} ConnectDocument
 * @property {string} url of the WebTransport server
 * @property {WebTransportHash[]} hashes empty when the certificate is verified the ordinary way
 * @property {string | null} websocket the URL of sessions by WebSocket, if there are any
 * @property {string | null} node which of several, if it says so
 *
 * @typedef {object} Leaving a node that is about to stop (PROTOCOL.md, section 3.4)
 * @property {string} [node]
 * @property {string[]} [avoid] its addresses
 */

/**
 * Reads the document; fields that this version doesn't know are ignored.
 * @param {any} json
 * @param {URL | string} at the document's own address
 * @returns {ConnectDocument}
 */
export function readConnect(json, at) {
  const road = json?.webtransport;
  if (json?.protocol !== 'suara/1' || typeof road?.url !== 'string') {
    throw new TypeError('not a suara/1 connect document');
  }
  /** @type {{algorithm?: string, value?: string}[]} */
  const announced = Array.isArray(road.certificate_hashes) ? road.certificate_hashes : [];
  const hashes = announced
    .filter((hash) => hash?.algorithm === 'sha-256' && typeof hash.value === 'string')
    .map((hash) => ({ algorithm: 'sha-256', value: fromBase64(hash.value ?? '') }));
  const socket = json.websocket?.url;
  return { url: road.url, hashes, websocket: typeof socket === 'string' ? socketUrl(socket, at) : null,
    node: typeof json.node === 'string' ? json.node : null };
}

/**
 * `ws` in place of `http`, `wss` in place of `https`.
 * @param {string} url
 * @param {URL | string} at
 */
function socketUrl(url, at) {
  return new URL(url, at).href.replace(/^http/, 'ws');
}

/**
 * Asks the gateway. Not cached: addresses and hashes change.
 * @param {string} base the gateway's HTTP address
 * @param {AbortSignal} signal
 * @param {Leaving} [leaving] where one doesn't want to be led
 * @returns {Promise<ConnectDocument>}
 */
export async function fetchConnect(base, signal, { node, avoid = [] } = {}) {
  const at = new URL('/api/connect', base);
  if (node) at.searchParams.set('not', node);
  const answer = await fetch(at, { cache: 'no-store', signal });
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  const found = readConnect(await answer.json(), at);
  // Something in between may have kept an answer; and several nodes may share an address.
  if (found.node ? found.node === node : avoid.includes(found.url)) throw new Error('that node is about to stop');
  return found;
}

/** @param {string} text */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
