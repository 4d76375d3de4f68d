// A road carries a session's bytes: WebTransport, or a WebSocket where UDP is blocked. A session knows this only.

/**
 * @typedef {object} Duplex
 * @property {(bytes: Uint8Array<ArrayBuffer>) => void} write
 * @property {() => void} close
 * @property {AsyncIterable<Uint8Array>} chunks what comes, until the gateway or the road ends it
 *
 * @typedef {'webtransport' | 'websocket'} RoadKind
 *
 * @typedef {object} RoadHandlers
 * @property {(message: Uint8Array) => void} onControl one whole message
 * @property {(datagram: Uint8Array) => void} onDatagram
 * @property {(reason: string) => void} onClose once, whoever closed it; after it nothing more comes
 *
 * @typedef {object} Road
 * @property {RoadKind} kind
 * @property {(handlers: RoadHandlers) => void} run starts reading; called once
 * @property {(message: Uint8Array<ArrayBuffer>) => void} sendControl in order, surely or not at all
 * @property {(datagram: Uint8Array<ArrayBuffer>) => void} sendDatagram at once or never
 * @property {(bytes: Uint8Array<ArrayBuffer>) => AsyncIterable<Uint8Array>} [openStream] says that on a stream of its own,
 *   and gives what comes back; missing where there are no others than the control stream
 * @property {(first: Uint8Array<ArrayBuffer>) => Duplex} [openDuplex] a stream that goes on in both directions
 * @property {(reason: string, comesBack?: boolean) => void} close for good, if nothing else is said
 *
 * @typedef {(gateway: import('./wire/connect.js').ConnectDocument, signal: AbortSignal) => Promise<Road>} OpenRoad
 *   rejected, and nothing left open, when it is refused or aborted
 *
 * @typedef {object} Roads the ways to a gateway, found by its HTTP address
 * @property {(base: string, leaving?: import('./wire/connect.js').Leaving) => Promise<Road>} open the one that works, sooner than
 *   the other, and not to the node that is to be left
 * @property {(base: string) => Promise<Road>} openBest the best one, or rejected
 */

/**
 * Voice that is lost is not waited for on this one alone.
 * @type {RoadKind}
 */
export const BEST = 'webtransport';

/** The number of `going_away`: whoever closes a road by it, and not by 0, means to resume the session. */
export const COMES_BACK = 1;
