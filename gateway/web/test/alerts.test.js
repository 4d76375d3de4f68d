import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Alerts } from '../ui/alerts.js';

/** An element of a page that is none. */
function element() {
  /** @type {any} */
  const made = { hidden: true, textContent: '', children: [], listeners: [] };
  made.append = (/** @type {any[]} */ ...more) => made.children.push(...more);
  made.replaceChildren = (/** @type {any[]} */ ...more) => { made.children = more; };
  made.addEventListener = (/** @type {string} */ _, /** @type {() => void} */ run) => made.listeners.push(run);
  made.attributes = {};
  made.setAttribute = (/** @type {string} */ name, /** @type {string} */ value) => { made.attributes[name] = value; };
  return made;
}

/** @param {any} node @returns {any[]} */
const within = (node) => [node, ...(node.children ?? []).flatMap(within)];

function scene() {
  const panel = element();
  Object.assign(globalThis, {
    document: { getElementById: () => panel, createElement: element, documentElement: { lang: 'en' } },
  });
  Object.defineProperty(globalThis, 'navigator', { value: { languages: ['en'] }, configurable: true });
  let rung = 0;
  const alerts = new Alerts(/** @type {any} */ ({ mayEnd: () => true, onAlert: () => { rung++; }, current: () => 'ops' }));
  const take = (more = {}) => alerts.take({
    channel: 'sos', user: 'bob', mine: false, over: false, name: 'Bob', at: 1000, location: null, text: null, ...more });
  return { panel, alerts, take, rung: () => rung, shown: () => panel.children.length };
}

test('an alert that ended while one was away is gone when one is back, and one that goes on doesn’t ring again', () => {
  const { alerts, take, rung, shown } = scene();
  take();
  take({ user: 'eve' });
  assert.deepEqual([shown(), rung()], [2, 2]);
  alerts.joined('sos');
  take();
  assert.deepEqual([shown(), rung()], [1, 2]);
  alerts.joined('ops');
  assert.equal(shown(), 1, 'of another channel');
  take({ at: 2000 });
  assert.equal(rung(), 3, 'another of the same user');
});

test('one that was put away stays away until it is raised anew', () => {
  const { panel, alerts, take, shown } = scene();
  take();
  const seen = within(panel).find(({ attributes, children }) => attributes?.class === 'quiet' && children.includes('Seen'));
  seen.listeners[0]();
  alerts.joined('sos');
  take();
  assert.equal(shown(), 0);
  take({ at: 2000 });
  assert.equal(shown(), 1);
});

test('its author is told how many hear it, and a place is a link to a map', () => {
  const { panel, alerts, take } = scene();
  take({ mine: true, location: { latitude: -6.2088, longitude: 106.8456, accuracy: 11.6 } });
  const words = () => within(panel).filter((one) => typeof one === 'string').join(' ');
  assert.doesNotMatch(words(), /hear/);
  alerts.heard(0);
  assert.match(words(), /Nobody hears it now/);
  alerts.heard(3);
  assert.match(words(), /Others who hear it: 3/);
  alerts.open('sos', 9);
  assert.match(words(), /Microphone open in “sos”/);
  const { href, rel } = within(panel).find(({ attributes }) => attributes?.href)?.attributes;
  assert.equal(href, 'https://www.openstreetmap.org/?mlat=-6.20880&mlon=106.84560#map=17/-6.20880/106.84560');
  assert.match(rel, /noreferrer/);
});
