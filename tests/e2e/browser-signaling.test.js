/** Two Chromium pages set up a real RTCPeerConnection through the signaling events, and hear each other. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { microphone, speech } from './kit/audio.js';
import { openPage } from './kit/browser.js';
import { e2e } from './kit/paths.js';
import { sharedServer } from './kit/server.js';
import { until } from './kit/wait.js';

const library = join(e2e, 'node_modules', 'socket.io-client', 'dist', 'socket.io.js');
/** Of full scale. Speech is far above, and what a codec makes of silence far below. */
const AUDIBLE = 0.01;

const server = await sharedServer();

/**
 * A page of the server's own origin that calls whoever is in the room, as an old client's page would.
 * @param {import('node:test').TestContext} t @param {string} user @param {string} words that its microphone says
 */
async function caller(t, user, words) {
  const page = await openPage(t, {
    microphone: await microphone(await speech(/** @type {any} */ (words))),
    flags: ['--allow-loopback-in-peer-connection'],
  });
  // A plain page of the server's own origin: the console's may run no script but its own.
  await page.goto(`${server.legacyUrl}/healthz`);
  await page.addScriptTag({ path: library });
  const token = await server.token({ user });
  await page.evaluate(call, { token, user });
  return page;
}

/** In the page. @param {{token: string, user: string}} who */
async function call({ token, user }) {
  const { io } = /** @type {any} */ (globalThis);
  const state = (/** @type {any} */ (globalThis).call = { connection: 'new', loudest: 0, gone: 0 });
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  const peer = new RTCPeerConnection();
  for (const track of stream.getTracks()) peer.addTrack(track, stream);
  peer.onconnectionstatechange = () => (state.connection = peer.connectionState);
  peer.ontrack = ({ streams: [remote] }) => {
    const audio = new Audio();
    audio.srcObject = remote;
    audio.muted = true;
    void audio.play();
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(remote).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      state.loudest = Math.max(state.loudest, Math.hypot(...samples) / Math.sqrt(samples.length));
    }, 50);
  };
  const socket = io({ auth: { token } });
  let other = '';
  const say = (/** @type {any} */ signal) => socket.emit('signal', { targetId: other, signal });
  peer.onicecandidate = ({ candidate }) => candidate && say({ candidate: candidate.toJSON() });
  /** @type {Promise<void>} one after the other: a candidate has to wait for its description */
  let turn = Promise.resolve();
  socket.on('signal', (/** @type {any} */ { fromId, signal }) => {
    turn = turn.then(async () => {
      other = fromId;
      if (signal.candidate) return peer.addIceCandidate(signal.candidate);
      await peer.setRemoteDescription(signal.description);
      if (signal.description.type === 'offer') {
        await peer.setLocalDescription();
        say({ description: peer.localDescription });
      }
    });
  });
  socket.on('peer_disconnected', () => (state.gone += 1));
  await new Promise((resolve) => socket.on('connect', resolve));
  const peers = await socket.emitWithAck('join_room', { room: 'pair', role: 'guard', userId: user });
  if (peers.length === 0) return;
  other = peers[0].peerId;
  await peer.setLocalDescription();
  say({ description: peer.localDescription });
}

/** @param {import('playwright-core').Page} page @returns {Promise<{connection: string, loudest: number, gone: number}>} */
const state = (page) => page.evaluate(() => /** @type {any} */ (globalThis).call);

test('two pages connect through signaling and hear each other; who goes is told', async (t) => {
  const first = await caller(t, 'first', 'patrol');
  const second = await caller(t, 'second', 'dispatch');
  for (const page of [first, second]) {
    await until('the peer connection', async () => (await state(page)).connection === 'connected', { ms: 30_000 });
    await until('the other’s voice', async () => (await state(page)).loudest > AUDIBLE, { ms: 20_000 });
  }
  await second.close();
  await until('the word that it is gone', async () => (await state(first)).gone === 1, { ms: 25_000 });
  assert.equal((await state(first)).gone, 1);
});
