// globalThis.suara: the console for tests and for the curious. It presses the same button and hears the same sound.
//
//   suara.client                       the SuaraClient
//   suara.enter({token, channel})      what the entry form does; resolves when the channel is joined
//   suara.press(), suara.release()     the button, in the channel that is joined
//   suara.recorder.start()             records what the playback worklet gives out: decoded voice, concealment, silence,
//                                      before volume and mute
//   suara.recorder.stop()              → {sampleRate: 48000, pcm}, pcm being base64 of little-endian 32-bit floats, mono
//   suara.stats()                      → counters of the worker and the playback
//   suara.state()                      → {connection, channel, look, me}: what the page shows, and one's talker number

/**
 * @param {{client: import('../lib/client.js').SuaraClient, stage: import('./stage.js').Stage,
 *   enter: (how: {token: string, channel?: string}) => Promise<void>, down: () => void, up: () => void}} page
 */
export function install({ client, stage, enter, down, up }) {
  /** @type {import('../lib/recorder.js').Recorder | null} */
  let recorder = null;
  const hooks = {
    client,
    enter,
    press: down,
    release: up,
    recorder: {
      async start() {
        await client.sound.start();
        recorder = client.sound.recorder();
      },
      async stop() {
        const samples = await recorder?.stop();
        recorder = null;
        return { sampleRate: 48_000, pcm: base64(samples ?? new Float32Array(0)) };
      },
    },
    stats: () => client.stats(),
    state: () => ({ connection: client.state.phase, channel: stage.channel, look: stage.look, me: stage.me }),
  };
  Object.assign(globalThis, { suara: hooks });
}

/** @param {Float32Array<ArrayBuffer>} samples */
function base64(samples) {
  const bytes = new Uint8Array(samples.buffer);
  let text = '';
  // In pieces: a call takes no million arguments.
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
