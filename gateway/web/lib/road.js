// A road carries a session's bytes: WebTransport today, a WebSocket where UDP is blocked. A session knows this only.

/**
 * @typedef {object} RoadHandlers
 * @property {(message: Uint8Array) => void} onControl one whole message
 * @property {(datagram: Uint8Array) => void} onDatagram
 * @property {(reason: string) => void} onClose once, whoever closed it; after it nothing more comes
 *
 * @typedef {object} Road
 * @property {string} kind for statistics
 * @property {(handlers: RoadHandlers) => void} run starts reading; called once
 * @property {(message: Uint8Array<ArrayBuffer>) => void} sendControl in order, surely or not at all
 * @property {(datagram: Uint8Array<ArrayBuffer>) => void} sendDatagram at once or never
 * @property {(reason: string) => void} close
 *
 * @typedef {(base: string) => Promise<Road>} OpenRoad finds a gateway by its HTTP address and goes there
 */

export {};
