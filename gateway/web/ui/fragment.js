// The link that one enters with: #token=…&channel=…&processing=off. A fragment is sent to no server and logged by none;
// it is taken out of the address bar before anything else happens.

/**
 * @param {string} hash
 * @returns {{token: string, channel: string, processing: boolean | null}}
 */
export function parse(hash) {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  const processing = values.get('processing');
  return {
    token: values.get('token')?.trim() ?? '',
    channel: values.get('channel')?.trim() ?? '',
    processing: processing === null ? null : processing !== 'off',
  };
}

/** Reads the page's own fragment, once. */
export function take() {
  const taken = parse(location.hash);
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  return taken;
}

/**
 * Whose token it is, for a greeting. Nothing is verified: the gateway does that.
 * @param {string} token
 */
export function nameIn(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return String(claims.name ?? claims.sub ?? '');
  } catch {
    return '';
  }
}
