// The console: joins the parts of ui/ with the client library. Each part draws itself; this says when.

import { SuaraClient } from './lib/client.js';
import { Actions } from './ui/actions.js';
import { Beyond } from './ui/beyond.js';
import { Channels } from './ui/channels.js';
import { Chat } from './ui/chat.js';
import { byId } from './ui/dom.js';
import { Entry } from './ui/entry.js';
import { Expiry } from './ui/expiry.js';
import * as fragment from './ui/fragment.js';
import { Hold } from './ui/hold.js';
import * as hooks from './ui/hooks.js';
import { choose, t, tCode, use } from './ui/i18n.js';
import { Inbox } from './ui/inbox.js';
import { Log } from './ui/log.js';
import { MicrophoneView } from './ui/microphone.js';
import { notice, withdraw } from './ui/notices.js';
import { People } from './ui/people.js';
import * as prefsStore from './ui/prefs.js';
import { Quality } from './ui/quality.js';
import { wireSettings } from './ui/settings.js';
import { Stage } from './ui/stage.js';
import { showConnection } from './ui/status.js';
import { showTold } from './ui/told.js';
import * as tones from './ui/tones.js';

const link = fragment.take();
const prefs = prefsStore.load();
if (link.token) prefsStore.token.set(link.token);
if (link.processing !== null) prefs.processing = link.processing;
use(prefs.language || choose(navigator.languages));

const client = new SuaraClient({ client: 'suara-console/0.1' });
const stage = new Stage();
const people = new People();
const log = new Log();
const quality = new Quality();
const chat = new Chat(client);
const inbox = new Inbox(client);
const microphone = new MicrophoneView(client, prefs);
const channels = new Channels(prefs, (name) => void join(name));
const entry = new Entry(enter);
const hold = new Hold(byId('talk'), {
  onDown: () => client.press(stage.channel, { queue: prefs.queue, level: actions.level }),
  onUp: () => {
    client.release();
    actions.calm();
  },
  enabled: () => stage.online && stage.channel !== '' && stage.canTalk,
});

const actions = new Actions({ client, stage, people, hold });
const beyond = new Beyond({ client, stage, people, actions, quality, prefs, channels, talkIn: join, play });

const expiry = new Expiry({ client, onLast: () => play('warning') });

// A second link, pasted into the same tab, loads nothing anew.
addEventListener('hashchange', () => {
  const { token, channel } = fragment.take();
  if (token) prefsStore.token.set(token);
  if (channel) entry.preselect(channel);
  entry.draw();
});

wireSettings({ client, prefs, hold, stage, microphone, redraw });
hooks.install({ client, stage, enter, down: () => hold.down(), up: () => hold.up() });
entry.preselect(link.channel);
redraw();
show('entry');

/** @param {{token: string, channel?: string}} how */
async function enter({ token, channel = '' }) {
  withdraw('ended');
  prefsStore.token.set(token);
  const opened = microphone.open();
  try {
    await client.connect({ token });
  } catch {
    // Said by the state that came with it.
    return;
  }
  show('room');
  await opened;
  const first = channel || stage.channel || prefs.channels[0];
  if (first) await join(first);
  await beyond.monitors.resume();
}

/** @param {string} name of the one to talk in; the one before is left, unless it is heard besides */
async function join(name) {
  if (name === stage.channel) return;
  hold.up();
  try {
    const joined = await client.join(name);
    const before = stage.channel;
    open(joined);
    if (before && before !== name && !beyond.keeps(before)) await client.leave(before);
    // So that the space bar talks there, and doesn't choose again.
    byId('talk').focus({ preventScroll: true });
  } catch (error) {
    const { code } = /** @type {{code: string}} */ (error);
    notice('channel', tCode('channel.error', code, { channel: name }));
  }
}

/** @param {import('./lib/client.js').JoinedDetail} joined */
function open({ channel, canTalk, rights, mode }) {
  stage.channel = channel;
  stage.mayTalk = canTalk;
  stage.mode = mode;
  actions.rights = rights;
  log.clear();
  chat.open(channel, rights.includes('talk'));
  channels.current = channel;
  showRoster(rosters.get(channel) ?? null);
  stage.floor = floors.get(channel) ?? null;
  people.floor(floors.get(channel) ?? null);
  beyond.draw();
}

/** @param {import('./lib/client.js').RosterDetail | null} roster of the channel that is shown */
function showRoster(roster) {
  people.set(roster);
  stage.me = roster?.me ?? -1;
  stage.alone = roster?.members.length === 1;
  stage.muted = roster?.members.some(({ talker, muted }) => talker === roster.me && muted) ?? false;
  stage.draw();
}

/** The newest of each channel: it may come before the answer to `join`. @type {Map<string, any>} */
const floors = new Map();
/** @type {Map<string, any>} */
const rosters = new Map();

/**
 * @param {string} type
 * @param {(detail: any) => void} take
 */
function on(type, take) {
  client.addEventListener(type, (event) => take(/** @type {CustomEvent} */ (event).detail));
}

on('state', (state) => {
  stage.online = state.phase === 'online';
  showConnection(state);
  expiry.state(state);
  // A button that is held through a loss goes on talking once the session is resumed.
  if (state.phase === 'ended') hold.up();
  if (state.phase !== 'online') quality.hide();
  if (state.phase === 'online') void inbox.online();
  withdraw('waiting');
  if (state.phase === 'waiting') {
    notice('waiting', t('connection.lost'), { label: t('connection.retry'), run: () => client.retry() });
  }
  if (state.phase === 'ended') ended(state.code);
  stage.draw();
});

on('roster', (roster) => {
  rosters.set(roster.channel, roster);
  if (roster.channel === stage.channel) showRoster(roster);
});

on('floor', (floor) => {
  const before = floors.get(floor.channel);
  floors.set(floor.channel, floor);
  if (floor.channel !== stage.channel) return;
  stage.floor = floor;
  people.floor(floor);
  log.floor(floor, rosters.get(floor.channel)?.me ?? -1);
  const tone = prefs.tones && tones.toneFor(before, floor);
  if (tone) play(tone);
});

on('left', ({ channel, reason }) => {
  floors.delete(channel);
  rosters.delete(channel);
  if (channel !== stage.channel) return;
  const family = reason in LEFT ? 'channel.left' : 'channel.error';
  if (reason !== 'left') notice('channel', tCode(family, reason, { channel }));
  stage.channel = '';
  channels.current = '';
  chat.open('', false);
  stage.floor = null;
  actions.rights = [];
  showRoster(null);
});

on('notification', showTold);

on('stats', (stats) => stage.online && quality.show(stats));

on('sound', ({ state }) => {
  withdraw('sound');
  if (state === 'running' || state === 'closed') return;
  notice('sound', t('sound.locked'), { label: t('sound.unlock'), run: () => void client.sound.start() });
});

const LEFT = { kicked: 1, expired: 1 };

/** @param {Parameters<typeof tones.play>[1]} tone */
function play(tone) {
  tones.play(client.sound.context, tone);
}

/** @param {string} code */
function ended(code) {
  if (document.body.dataset.view !== 'room' && code === 'normal') return;
  client.sound.closeMicrophone();
  if (code === 'unauthenticated' || code === 'token_expired') prefsStore.token.clear();
  stage.channel = '';
  channels.current = '';
  chat.open('', false);
  inbox.ended();
  floors.clear();
  rosters.clear();
  beyond.clear();
  actions.rights = [];
  showRoster(null);
  show('entry');
  notice('ended', tCode('ended', code), code === 'normal' ? undefined : { label: '×', run: () => {} });
}

/** @param {'entry' | 'room'} view */
function show(view) {
  document.body.dataset.view = view;
  byId('entry').hidden = view !== 'entry';
  byId('room').hidden = view !== 'room';
  entry.draw();
}

/** Everything with words in it, after a change of language. */
function redraw() {
  showConnection(client.state);
  stage.draw();
  people.draw();
  channels.draw();
  log.draw();
  chat.draw();
  beyond.draw();
  expiry.draw();
  inbox.draw();
  microphone.draw();
  entry.draw();
}
