// How a request that the gateway answers may end.

/** A request was refused; `code` is of PROTOCOL.md 8.2, or `lost` or `timeout`. */
export class RequestError extends Error {
  /**
   * @param {string} code
   * @param {string} [message]
   */
  constructor(code, message = code) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
  }
}

/**
 * A resumed session is in its channels already, and was told so before it is refused.
 * @param {any} error
 */
export function unlessJoined(error) {
  if (error.code !== 'already_joined') throw error;
}
