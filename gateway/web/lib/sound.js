// A page's sound: one AudioContext, the two worklets, the microphone. It hands the worker a port to each worklet; no
// sample passes through the page itself.

import { Recorder } from './recorder.js';

/**
 * @typedef {object} SoundOptions
 * @property {(name: 'capture' | 'playback', port: MessagePort) => void} onPort a worklet's end for the worker
 * @property {(level: number) => void} onLevel the microphone's, 0 to 1, 20 times a second
 * @property {(state: 'none' | 'open' | 'lost') => void} onMicrophone
 * @property {(state: string) => void} onState the context's: `running`, `suspended`, `interrupted`, `closed`
 */

/** A context that isn't running by then won't be without the user's help. */
const RESUME_MS = 1000;

export class Sound {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {Promise<AudioContext> | null} */
  #starting = null;
  /** @type {GainNode | null} */
  #gain = null;
  /** @type {AudioWorkletNode | null} */
  #playback = null;
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {AudioNode[]} */
  #capture = [];
  #volume = 1;
  #muted = false;
  #speaker = '';

  /** @param {SoundOptions} options */
  constructor(options) {
    this.options = options;
  }

  /** Where a page may play its own tones; null before `start`. */
  get context() {
    return this.#context;
  }

  /** From a sample's leaving the playback to its being heard, in ms, as the browser estimates it. */
  get outputLatencyMs() {
    const { baseLatency = 0, outputLatency = 0 } = this.#context ?? {};
    return (baseLatency + outputLatency) * 1000;
  }

  get microphoneOpen() {
    return this.#stream !== null;
  }

  get volume() {
    return this.#volume;
  }

  set volume(volume) {
    this.#volume = Math.min(1, Math.max(0, volume));
    this.#applyVolume();
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    this.#applyVolume();
  }

  /** Whether one may choose where it is played. */
  static get choosesSpeaker() {
    return 'AudioContext' in globalThis && 'setSinkId' in AudioContext.prototype;
  }

  /**
   * Where it is played from now on, and after the next `start`.
   * @param {string} device its id; '' for the browser's choice
   */
  async setSpeaker(device) {
    this.#speaker = device;
    await this.#applySpeaker();
  }

  /** Begins to play. Browsers want a gesture of the user's for it: call it from one, as often as there are some. */
  async start() {
    const context = await this.#ready();
    if (context.state === 'running') return;
    // Without a gesture, or without a device in Firefox, this waits for ever: nobody else should.
    await Promise.race([context.resume(), new Promise((resolve) => { setTimeout(resolve, RESUME_MS); })]);
    this.options.onState(context.state);
  }

  /**
   * Opens the microphone; it stays open, so that a press loses nothing, but leaves the page only while one presses.
   * @param {boolean} processing whether echo, noise and level are the browser's business
   * @param {string} [device] its id; another is taken where it isn't there
   */
  async openMicrophone(processing = true, device = '') {
    this.closeMicrophone();
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1, echoCancellation: processing, noiseSuppression: processing, autoGainControl: processing,
        ...(device && { deviceId: { ideal: device } }),
      },
    });
    this.#stream = stream;
    const context = await this.#ready();
    const source = context.createMediaStreamSource(stream);
    const node = new AudioWorkletNode(context, 'suara-capture', {
      numberOfInputs: 1, numberOfOutputs: 1, channelCount: 1, channelCountMode: 'explicit',
    });
    node.port.onmessage = ({ data }) => this.options.onLevel(data.level);
    this.#hand('capture', node);
    // Its output is silent; without a way to the speakers some browsers would not run it.
    source.connect(node).connect(context.destination);
    this.#capture = [source, node];
    for (const track of stream.getTracks()) track.onended = () => this.#lost(stream);
    this.options.onMicrophone('open');
  }

  closeMicrophone() {
    if (!this.#stream) return;
    for (const track of this.#stream.getTracks()) track.stop();
    for (const node of this.#capture) node.disconnect();
    this.#stream = null;
    this.#capture = [];
    this.options.onMicrophone('none');
  }

  /** Records what is played, before volume and mute. */
  recorder() {
    if (!this.#playback) throw new Error('the sound is not started');
    return new Recorder(this.#playback.port);
  }

  /** @returns {Promise<{underruns: number}>} */
  stats() {
    const port = this.#playback?.port;
    if (!port || this.#context?.state !== 'running') return Promise.resolve({ underruns: 0 });
    return new Promise((resolve) => {
      const take = (/** @type {MessageEvent} */ { data }) => {
        if (!data.stats) return;
        port.removeEventListener('message', take);
        resolve(data.stats);
      };
      port.addEventListener('message', take);
      port.start();
      port.postMessage({ stats: true });
    });
  }

  async close() {
    this.closeMicrophone();
    await this.#context?.close();
    this.#context = null;
    this.#starting = null;
    this.#playback = null;
  }

  #ready() {
    this.#starting ??= this.#make();
    return this.#starting;
  }

  async #make() {
    // The rate is Opus' own: capture and playback are then resampled by the browser, if at all.
    const context = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    this.#context = context;
    context.onstatechange = () => this.options.onState(context.state);
    await Promise.all(['capture', 'playback'].map((name) =>
      context.audioWorklet.addModule(new URL(`../audio/${name}-worklet.js`, import.meta.url).href)));
    const node = new AudioWorkletNode(context, 'suara-playback', {
      numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [1],
    });
    this.#gain = context.createGain();
    this.#applyVolume();
    // What was chosen may be unplugged by now: then it is played where it would be.
    await this.#applySpeaker().catch(() => {});
    node.connect(this.#gain).connect(context.destination);
    this.#playback = node;
    this.#hand('playback', node);
    return context;
  }

  /**
   * @param {'capture' | 'playback'} name
   * @param {AudioWorkletNode} node
   */
  #hand(name, node) {
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ port: port1 }, [port1]);
    this.options.onPort(name, port2);
  }

  async #applySpeaker() {
    const context = /** @type {(AudioContext & {setSinkId?: (id: string) => Promise<void>, sinkId?: string}) | null} */ (this.#context);
    if (context?.setSinkId && context.sinkId !== this.#speaker) await context.setSinkId(this.#speaker);
  }

  #applyVolume() {
    if (!this.#gain || !this.#context) return;
    // A step would click.
    this.#gain.gain.setTargetAtTime(this.#muted ? 0 : this.#volume, this.#context.currentTime, 0.01);
  }

  /** @param {MediaStream} stream unplugged, or taken back by the user */
  #lost(stream) {
    if (stream !== this.#stream) return;
    this.closeMicrophone();
    this.options.onMicrophone('lost');
  }
}
