// The worker that a client lives in: a page's timers are throttled in the background and its thread is busy, a radio's
// must not be. Calls come from lib/client.js as {id, call, args}, answers go as {id, result} or {id, error}, events as
// {event, detail}.

import { realClock } from '../lib/clock.js';
import { Core } from '../lib/core.js';
import { RoadRace } from '../lib/roads/race.js';
import { openWebSocket } from '../lib/roads/websocket.js';
import { openWebTransport } from '../lib/roads/webtransport.js';
import { fetchConnect } from '../lib/wire/connect.js';
import { WorkletMicrophone } from './microphone.js';
import { WorkletSpeaker } from './speaker.js';

/**
 * @param {string} event
 * @param {any} detail
 */
const emit = (event, detail) => postMessage({ event, detail });

const microphone = new WorkletMicrophone((error) => emit('fault', { code: 'encoder', message: String(error) }));
const speaker = new WorkletSpeaker(
  (channel, talker, speaking) => core.hearing.speaking(channel, talker, speaking),
  (channel, talker, burst) => core.reports.heard(channel, talker, burst),
);
const roads = new RoadRace({
  clock: realClock, fetchConnect, openers: { webtransport: openWebTransport, websocket: openWebSocket },
});
const core = new Core({ clock: realClock, random: Math.random, roads, microphone, speaker, emit });

/** @type {Record<string, (...args: any[]) => any>} */
const calls = {
  connect: ({ road, ...where }) => {
    roads.preferred = road;
    core.connect(where);
  },
  close: () => core.close(),
  join: (name) => core.join(name),
  leave: (name) => core.leave(name),
  call: (users) => core.calls.call(users),
  endCall: (name) => core.calls.end(name),
  volume: (name, volume) => core.hearing.volume(name, volume),
  may: (name) => core.calls.may(name),
  patch: (one, other, on) => core.calls.patch(one, other, on),
  emergency: (what) => core.alarm.raise(what),
  cancelEmergency: (name, user) => core.alarm.cancel(name, user),
  renew: (token) => core.renew(token),
  press: (name, urgency) => core.press(name, urgency),
  release: () => core.release(),
  dispatch: (name, action, talker) => core.calls.dispatch(name, action, talker),
  replay: (name) => core.hearing.replay(name),
  sendChat: (name, text) => core.chat.send(name, text),
  chatHistory: (name, span) => core.chat.history(name, span),
  typing: (name) => core.chat.typing(name),
  visitors: (call, args) => core.chat.visitors.call(call, args),
  lateEntry: (on) => { core.lateEntry = on; },
  stats: () => core.stats(),
  outputLatency: (ms) => { core.reports.outputLatencyMs = ms; },
  hurry: (road) => {
    roads.preferred = road;
    core.hurry();
  },
  capture: (port) => microphone.attach(port),
  playback: (port) => speaker.attach(port),
};

addEventListener('message', async ({ data: { id, call, args } }) => {
  try {
    postMessage({ id, result: await calls[call](...args) });
  } catch (error) {
    const { code, message } = /** @type {{code?: string, message: string}} */ (error);
    postMessage({ id, error: { code: code ?? 'internal', message } });
  }
});
