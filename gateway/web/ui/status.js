// The connection's state in the bar.

import { byId } from './dom.js';
import { t } from './i18n.js';

/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

/** @param {import('../lib/client.js').ConnectionState} state */
export function showConnection(state) {
  clearInterval(countdown);
  document.body.dataset.connection = state.phase;
  const text = byId('connection-text');
  if (state.phase !== 'waiting') {
    text.textContent = t(`connection.${state.phase}`);
    return;
  }
  const until = performance.now() + state.retryInMs;
  const tick = () => {
    const seconds = Math.max(0, Math.ceil((until - performance.now()) / 1000));
    text.textContent = t('connection.waiting', { seconds });
  };
  tick();
  countdown = setInterval(tick, 1000);
}
