/**
 * In the browser: a client of the RTC contract as they are in the field, `mediasoup-client` over `/rtc/ws`. Bundled by
 * `kit/rtc/bundle.js` and driven by `kit/rtc/client.js`.
 */
import { Device } from 'mediasoup-client';

const RATE = 48000;

/** Whether what the next connection receives can be looked at; not every library passes the browser's own settings on. */
let tapped = false;

globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  /** @param {RTCConfiguration} [configuration] */
  constructor(configuration) {
    super(/** @type {RTCConfiguration} */ ({ ...configuration, encodedInsertableStreams: tapped }));
  }
};

/** What the microphone gives, as it is. */
const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

class Client {
  /** @param {string} url */
  constructor(url) {
    this.socket = new WebSocket(url);
    this.device = new Device();
    /** @type {any[]} frames that answer nothing */
    this.events = [];
    /** @type {Map<number, (frame: any) => void>} */
    this.waiting = new Map();
    this.lastId = 0;
    /** @type {string | undefined} */
    this.protocol = undefined;
    /** @type {{send?: any, receive?: any}} */
    this.transports = {};
    /** @type {Map<string, {consumer: any, recording?: {at: number, packet: ArrayBuffer}[]}>} by producer */
    this.heard = new Map();
    /** What was consumed last. */
    this.last = '';
    this.socket.addEventListener('message', ({ data }) => this.frame(JSON.parse(data)));
    this.socket.addEventListener('close', ({ code }) => this.events.push({ type: 'close', data: { code } }));
  }

  /** @param {any} frame */
  frame(frame) {
    const answer = this.waiting.get(frame.id);
    if (!answer) return void this.events.push(frame);
    this.waiting.delete(frame.id);
    answer(frame);
  }

  /** @param {string} type @param {any} [data] @returns {Promise<any>} the answer's data */
  ask(type, data = {}) {
    const id = ++this.lastId;
    const answered = new Promise((resolve, reject) => {
      this.waiting.set(id, (frame) => {
        if (frame.type === 'error') reject(new Error(`${type}: ${frame.data.code}`));
        else resolve(frame.data);
      });
    });
    this.socket.send(JSON.stringify({ type, data, id }));
    return answered;
  }

  /** @param {any} routerRtpCapabilities of `welcome` */
  async load(routerRtpCapabilities) {
    await this.device.load({ routerRtpCapabilities });
  }

  /** Lets no other candidates reach the browser. @param {string} protocol */
  only(protocol) {
    this.protocol = protocol;
  }

  /** @param {'send' | 'receive'} direction */
  async transport(direction) {
    if (this.transports[direction]) return this.transports[direction];
    const parameters = await this.ask('create-transport');
    const { iceCandidates } = parameters;
    if (this.protocol) parameters.iceCandidates = iceCandidates.filter((/** @type {any} */ { protocol }) => protocol === this.protocol);
    tapped = direction === 'receive';
    const transport =
      direction === 'send' ? this.device.createSendTransport(parameters) : this.device.createRecvTransport(parameters);
    this.transports[direction] = transport;
    const transportId = transport.id;
    transport.on('connect', (/** @type {any} */ { dtlsParameters }, /** @type {any} */ done, /** @type {any} */ fail) => {
      this.ask('connect-transport', { transportId, dtlsParameters }).then(done, fail);
    });
    transport.on('produce', (/** @type {any} */ { kind, rtpParameters }, /** @type {any} */ done, /** @type {any} */ fail) => {
      this.ask('produce', { transportId, kind, rtpParameters }).then(done, fail);
    });
    return transport;
  }

  /** Sends the microphone. @param {{dtx?: boolean}} options @returns {Promise<string>} the producer's id */
  async produce({ dtx = false }) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN });
    const transport = await this.transport('send');
    const codecOptions = { opusFec: true, opusDtx: dtx, opusStereo: false };
    this.producer = await transport.produce({ track: stream.getAudioTracks()[0], codecOptions });
    return this.producer.id;
  }

  /** Plays a producer, or the floor. @param {string} [producerId] */
  async consume(producerId) {
    const transport = await this.transport('receive');
    const data = { transportId: transport.id, producerId, rtpCapabilities: this.device.rtpCapabilities };
    const consumer = await transport.consume(await this.ask('consume', data));
    /** @type {{consumer: any, recording?: {at: number, packet: ArrayBuffer}[]}} */
    const ear = { consumer };
    this.last = consumer.producerId;
    this.heard.set(this.last, ear);
    const tap = new TransformStream({
      transform(frame, out) {
        ear.recording?.push({ at: frame.getMetadata().rtpTimestamp ?? frame.timestamp, packet: frame.data.slice(0) });
        out.enqueue(frame);
      },
    });
    // The early library keeps its receivers to itself.
    const own = () => transport._handler._pc.getReceivers().find((/** @type {any} */ { track }) => track === consumer.track);
    const { readable, writable } = (consumer.rtpReceiver ?? own()).createEncodedStreams();
    readable.pipeThrough(tap).pipeTo(writable);
    const element = new Audio();
    element.srcObject = new MediaStream([consumer.track]);
    await element.play();
    // One that nobody holds may be collected.
    Object.assign(ear, { element });
    await connected(transport);
  }

  /** Of one producer, or of what was consumed last. @param {string} [producerId] */
  ear(producerId = this.last) {
    const ear = this.heard.get(producerId);
    if (!ear) throw new Error(`${producerId} isn't consumed`);
    return ear;
  }

  record() {
    for (const ear of this.heard.values()) ear.recording = [];
  }

  /**
   * What came of one since `record`, decoded and put where its timestamps say: what a jitter buffer makes of it on a machine that
   * others use too is left out, and what didn't come is silent.
   * @param {string} [producerId] @returns {Promise<string>} PCM at 48 kHz in base64
   */
  async recorded(producerId) {
    const ear = this.ear(producerId);
    const packets = ear.recording ?? [];
    ear.recording = undefined;
    const first = packets[0]?.at ?? 0;
    const place = (/** @type {number} */ at) => (at - first) >>> 0;
    const samples = new Int16Array(packets.reduce((end, { at }) => Math.max(end, place(at) + RATE / 10), 0));
    let decoded = 0;
    const decoder = new AudioDecoder({
      output: (audio) => {
        const block = new Float32Array(audio.numberOfFrames);
        audio.copyTo(block, { planeIndex: 0, format: 'f32-planar' });
        // By the decoder's own count: its timestamps know no gaps.
        const at = place(packets[decoded++].at);
        samples.set(Int16Array.from(block, (sample) => sample * 32767).subarray(0, samples.length - at), at);
        audio.close();
      },
      error: (error) => this.events.push({ type: 'decoder', data: { error: String(error) } }),
    });
    decoder.configure({ codec: 'opus', sampleRate: RATE, numberOfChannels: 1 });
    for (const { at, packet } of packets) {
      const timestamp = Math.round((place(at) * 1e6) / RATE);
      decoder.decode(new EncodedAudioChunk({ type: 'key', timestamp, data: packet }));
    }
    await decoder.flush();
    decoder.close();
    const bytes = new Uint8Array(samples.buffer);
    let text = '';
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return btoa(text);
  }

  /**
   * The browser's own count of what came.
   * @param {string} [producerId] @returns {Promise<{received: number, lost: number, concealed: number, concealedMs: number}>}
   */
  async received(producerId) {
    const report = await this.ear(producerId).consumer.getStats();
    for (const stats of report.values()) {
      if (stats.type !== 'inbound-rtp') continue;
      const { packetsReceived, packetsLost, concealmentEvents, concealedSamples, silentConcealedSamples } = stats;
      const ms = Math.round((concealedSamples - silentConcealedSamples) / (RATE / 1000));
      return { received: packetsReceived, lost: packetsLost, concealed: concealmentEvents, concealedMs: ms };
    }
    return { received: 0, lost: 0, concealed: 0, concealedMs: 0 };
  }

  /** The browser's own count of what went, and what the server reported of it. */
  async sent() {
    const report = await this.producer.getStats();
    const all = [...report.values()];
    const own = all.find(({ type }) => type === 'outbound-rtp');
    const remote = all.find(({ type }) => type === 'remote-inbound-rtp');
    return { packets: own?.packetsSent ?? 0, reported: remote !== undefined };
  }

  /** By what the media goes that is heard: `udp` or `tcp`. @returns {Promise<string>} */
  async road() {
    const all = [...(await this.transports.receive.getStats()).values()];
    const selected = all.find(({ type }) => type === 'transport')?.selectedCandidatePairId;
    const pair = all.find(({ id }) => id === selected);
    return all.find(({ id }) => id === pair?.remoteCandidateId)?.protocol ?? 'none';
  }

  /** Closes a transport without telling the server. @param {'send' | 'receive'} direction */
  hangUp(direction) {
    this.transports[direction].close();
    this.transports[direction] = undefined;
  }

  /** ICE anew for one of the transports. @param {'send' | 'receive'} direction */
  async restart(direction) {
    const transport = this.transports[direction];
    const { iceParameters } = await this.ask('restart-ice', { transportId: transport.id });
    await transport.restartIce({ iceParameters });
  }
}

/** What is said before ICE and DTLS are through is heard by nobody. @param {any} transport */
async function connected(transport) {
  while (transport.connectionState !== 'connected') await new Promise((resolve) => setTimeout(resolve, 10));
}

/** @param {string} url @returns {Promise<Client>} once the server has said welcome, or has refused */
async function open(url) {
  const client = new Client(url);
  while (!client.events.length) await new Promise((resolve) => setTimeout(resolve, 10));
  return client;
}

Object.assign(globalThis, { openRtc: open });
