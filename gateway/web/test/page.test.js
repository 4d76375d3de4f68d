import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import en from '../i18n/en.js';
import id from '../i18n/id.js';
import { nameIn, parse } from '../ui/fragment.js';
import { choose } from '../ui/i18n.js';
import { initials } from '../ui/people.js';
import { rate } from '../ui/quality.js';

const root = new URL('../', import.meta.url);
const html = readFileSync(new URL('index.html', root), 'utf8');
const kpi = readFileSync(new URL('kpi.html', root), 'utf8');
const api = readFileSync(new URL('api.html', root), 'utf8');
const placeholders = (/** @type {string} */ text) => (text.match(/\{\w+\}/g) ?? []).sort();

test('both languages have the same strings with the same places in them', () => {
  assert.deepEqual(Object.keys(id), Object.keys(en));
  for (const [key, text] of Object.entries(en)) {
    const other = id[/** @type {keyof typeof en} */ (key)];
    assert.deepEqual(placeholders(other), placeholders(text), key);
    assert.ok(other.trim() && text.trim(), key);
  }
});

test('every string that the page names is there', () => {
  for (const [, key] of (html + kpi).matchAll(/data-t(?:-\w+)?="([^"]+)"/g)) assert.ok(key in en, key);
});

test('the page has nothing inline that its policy would block', () => {
  assert.doesNotMatch(html + kpi + api, /\sstyle=|\son\w+=|<style|<script(?![^>]*src=)/);
});

test('every element that a part of the page asks for is there', () => {
  const files = ['console.js', ...readdirSync(new URL('ui/', root)).map((name) => `ui/${name}`)];
  for (const file of files) {
    for (const [, id] of readFileSync(new URL(file, root), 'utf8').matchAll(/byId\('([^']+)'\)/g)) {
      assert.ok(html.includes(`id="${id}"`), `${file}: ${id}`);
    }
  }
});

test('the pages of KPIs and of the API have all that their scripts ask for', () => {
  for (const [script, page] of [['kpi.js', kpi], ['api.js', api]]) {
    for (const [, id] of readFileSync(new URL(script, root), 'utf8').matchAll(/byId\('([^']+)'\)/g)) {
      assert.ok(page.includes(`id="${id}"`), id);
    }
  }
});

test('no file is longer than 250 lines', () => {
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js') || name.startsWith('node_modules')) continue;
    const lines = readFileSync(new URL(name, root), 'utf8').split('\n').length - 1;
    assert.ok(lines <= 250, `${name}: ${lines}`);
  }
});

test('the language follows the browser', () => {
  assert.equal(choose(['id-ID', 'en']), 'id');
  assert.equal(choose(['ms-MY', 'en']), 'id');
  assert.equal(choose(['de-DE', 'fr']), 'en');
  assert.equal(choose(['fr', 'in']), 'id');
  assert.equal(choose([]), 'en');
});

test('a link brings token and channel', () => {
  assert.deepEqual(parse('#token=a.b.c&channel=ops%2Fgate%201&processing=off'), { token: 'a.b.c', channel: 'ops/gate 1', processing: false });
  assert.deepEqual(parse(''), { token: '', channel: '', processing: null });
});

test('the name in a token is read, and garbage has none', () => {
  const body = Buffer.from(JSON.stringify({ sub: 'a', name: 'Ayu Wulan ☂' })).toString('base64url');
  assert.equal(nameIn(`x.${body}.y`), 'Ayu Wulan ☂');
  for (const bad of ['', 'opaque', 'a.b.c', '...']) assert.equal(nameIn(bad), '');
});

test('initials are of the first and the last word', () => {
  assert.equal(initials('Budi Agung Santoso'), 'BS');
  assert.equal(initials('  sri '), 'S');
  assert.equal(initials(''), '');
});

test('quality is said by round trip and loss', () => {
  assert.deepEqual([rate(20, 0), rate(200, 0), rate(20, 0.03), rate(20, 0.2), rate(-1, 0)], ['good', 'fair', 'fair', 'poor', 'none']);
});
