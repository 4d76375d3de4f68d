/** The older generations of `socket.io-client` under their aliases; the kit uses what all three share, untyped. */
declare module 'socket.io-client-2' {
  const io: (url: string, options: object) => any;
  export default io;
}
declare module 'socket.io-client-3' {
  export const io: (url: string, options: object) => any;
}
