/** `page.js` with one of the two `mediasoup-client`s, as one script for a page. */
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

/** @typedef {'mediasoup-client' | 'mediasoup-client-early'} Library */

/** @type {Map<Library, Promise<string>>} */
const bundles = new Map();

/** @param {Library} library @returns {Promise<string>} */
export function bundle(library) {
  const made = bundles.get(library) ?? make(library);
  bundles.set(library, made);
  return made;
}

/** @param {Library} library */
async function make(library) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.js', import.meta.url))],
    // Where an alias is looked for.
    absWorkingDir: fileURLToPath(new URL('../..', import.meta.url)),
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    define: { global: 'globalThis', 'process.env.DEBUG': 'undefined' },
    alias: library === 'mediasoup-client' ? {} : { 'mediasoup-client': library },
    logLevel: 'error',
  });
  return outputFiles?.[0].text ?? '';
}
