/** The older generations of `socket.io-client` under their aliases; the kit uses what all three share, untyped. */
declare module 'socket.io-client-2' {
  const io: (url: string, options: object) => any;
  export default io;
}
declare module 'socket.io-client-3' {
  export const io: (url: string, options: object) => any;
}

declare module 'ws' {
  import { EventEmitter } from 'node:events';
  import { IncomingMessage } from 'node:http';
  export class WebSocket extends EventEmitter {
    constructor(url: string);
    send(frame: string): void;
    close(code?: number): void;
    terminate(): void;
    on(event: 'message', listener: (frame: Buffer) => void): this;
    on(event: 'open', listener: () => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'unexpected-response', listener: (request: unknown, response: IncomingMessage) => void): this;
    once(event: 'open', listener: () => void): this;
    once(event: 'unexpected-response', listener: (request: unknown, response: IncomingMessage) => void): this;
  }
}
