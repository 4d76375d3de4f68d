/**
 * Runs in the browser's page: as many clients as the test wishes, each the project's own library (gateway/web/lib) on the
 * road that it is told, with a tone for a microphone and a counter for a speaker. One page bears them all; sound devices,
 * of which a page has one, are what it leaves out.
 */

/** Events go to the test in batches: a call for each frame would keep both sides busy. */
const FLUSH_MS = 30;
/** A second of the tone, encoded once and sent over and over. */
const PACKETS = 50;

/** The whole of the page's side; it refers to nothing outside, for it is sent there as text. */
export async function installParties(/** @type {{flushMs: number, packets: number}} */ { flushMs, packets: wanted }) {
  const load = (/** @type {string} */ path) => import(path);
  const [{ Core }, { realClock }, { openWebTransport }, { openWebSocket }, { fetchConnect }, { VoiceEncoder, FRAME }, { REPLAYED }] =
    await Promise.all(['/lib/core.js', '/lib/clock.js', '/lib/roads/webtransport.js', '/lib/roads/websocket.js', '/lib/wire/connect.js',
      '/audio/encoder.js', '/lib/replay.js'].map(load));

  /** @type {any[]} */
  let outbox = [];
  setInterval(() => {
    if (outbox.length > 0) /** @type {any} */ (globalThis).tellTest(outbox);
    outbox = [];
  }, flushMs);

  /** @type {Uint8Array[]} */
  const packets = [];
  const encoder = new VoiceEncoder((/** @type {Error} */ error) => { throw error; });
  encoder.onPacket = (/** @type {Uint8Array} */ packet) => packets.push(packet);
  for (let frame = 0; frame < wanted; frame++) {
    encoder.encode(Float32Array.from({ length: FRAME }, (_, i) => 0.4 * Math.sin((2 * Math.PI * 440 * (frame * FRAME + i)) / 48_000)));
  }
  await encoder.finish(0);

  /** A microphone that hears the tone, until it is hushed. */
  class Tone {
    hushed = false;
    #timer = 0;
    #next = 0;

    /** @param {(packet: Uint8Array) => void} onPacket */
    start(onPacket) {
      this.hushed = false;
      this.#timer = /** @type {any} */ (setInterval(() => {
        if (!this.hushed) onPacket(packets[this.#next++ % packets.length]);
      }, 20));
    }

    async stop() {
      clearInterval(this.#timer);
    }
  }

  /** @type {Map<string, {core: any, microphone: Tone}>} */
  const parties = new Map();

  /** @param {string} id @param {'webtransport' | 'websocket'} road @param {string} token */
  const open = (id, road, token) => {
    /** @type {Map<number, string>} */
    const users = new Map();
    const emit = (/** @type {string} */ type, /** @type {any} */ detail) => {
      if (type === 'roster') for (const { talker, user } of detail.members) users.set(talker, user);
      if (type !== 'stats') outbox.push({ id, type, detail });
    };
    const frame = (/** @type {any} */ { talker, start, packet }) => {
      const replayed = talker >= REPLAYED ? 1 : 0;
      const user = users.get(talker % REPLAYED) ?? '';
      const last = outbox.at(-1);
      const sound = packet.length > 10 ? 1 : 0;
      if (last?.id === id && last.type === 'voice' && last.detail.user === user) {
        last.detail.frames += sound;
        last.detail.start ||= start;
        last.detail.replayed += replayed;
      } else outbox.push({ id, type: 'voice', detail: { user, start, replayed, frames: sound } });
    };
    const opener = { webtransport: openWebTransport, websocket: openWebSocket }[road];
    const microphone = new Tone();
    const core = new Core({
      clock: realClock, random: Math.random, microphone, emit,
      roads: {
        open: async (/** @type {string} */ base) => {
          const signal = AbortSignal.timeout(20_000);
          return opener(await fetchConnect(base, signal), signal);
        },
        // Nobody moves: a road is what is tested.
        openBest: () => Promise.reject(new Error('stays where it is')),
      },
      speaker: { frame, floorIdle() {}, silence() {}, speed() {}, stats: () => ({}) },
    });
    core.lateEntry = true;
    parties.set(id, { core, microphone });
    core.connect({ url: location.origin, token, client: 'conformance/1' });
  };

  /** @param {string} id @param {string} what @param {any[]} args */
  const call = (id, what, ...args) => {
    const party = parties.get(id);
    if (!party) throw new Error(`no party ${id}`);
    if (what === 'hush') party.microphone.hushed = true;
    else if (what === 'dispatch') return party.core.calls.dispatch(...args);
    else return party.core[what](...args);
  };
  Object.assign(globalThis, { parties: { open, call } });
}

/** @param {import('playwright-core').Page} page at the server's own origin @param {(events: any[]) => void} onEvents */
export async function install(page, onEvents) {
  await page.exposeFunction('tellTest', onEvents);
  await page.evaluate(installParties, { flushMs: FLUSH_MS, packets: PACKETS });
}
