// The page of the HTTP API: the gateway's OpenAPI document, to be read by people. Whatever is in it is text here.

import { byId, make } from './ui/dom.js';

/**
 * @typedef {{$ref?: string, type?: string | string[], items?: Schema, oneOf?: Schema[], enum?: unknown[], description?: string,
 *   properties?: Record<string, Schema>, required?: string[], minimum?: number, maximum?: number, minLength?: number,
 *   maxLength?: number, maxItems?: number, default?: unknown}} Schema
 * @typedef {Record<string, {schema?: Schema}>} Content
 * @typedef {{name: string, in: string, description?: string, required?: boolean, schema?: Schema}} Parameter
 * @typedef {{summary?: string, description?: string, tags?: string[], parameters?: Parameter[], security?: unknown[],
 *   requestBody?: {content: Content}, responses: Record<string, {description: string, content?: Content}>}} Operation
 * @typedef {{info: {description?: string, version: string}, tags?: {name: string, description?: string}[],
 *   paths: Record<string, Record<string, Operation>>, components: {schemas: Record<string, Schema>}}} Document
 */

try {
  const answer = await fetch('/api/openapi.json');
  if (!answer.ok) throw new Error(String(answer.status));
  show(await answer.json());
} catch (error) {
  byId('api-note').textContent = `The gateway doesn’t tell its API (${error instanceof Error ? error.message : error}).`;
}

/** @param {Document} document */
function show({ info, tags = [], paths, components }) {
  byId('api-about').replaceChildren(...paragraphs(info.description));
  const all = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })));
  byId('api-operations').replaceChildren(...tags.flatMap(({ name, description }) => [
    make('h2', {}, [name]),
    ...paragraphs(description),
    ...all.filter(({ operation }) => operation.tags?.includes(name)).map(operationOf),
  ]));
  byId('api-schemas').replaceChildren(make('h2', {}, ['Schemas']),
    ...Object.entries(components.schemas).map(([name, schema]) => schemaOf(name, schema)));
  open();
  addEventListener('hashchange', open);
}

/** @param {{path: string, method: string, operation: Operation}} one */
function operationOf({ path, method, operation }) {
  const { summary = '', description, parameters = [], requestBody, responses, security } = operation;
  const rows = Object.entries(responses).map(([status, { description: what, content }]) =>
    row([make('code', {}, [status])], prose(what), bodies(content)));
  return make('details', { id: `${method}-${path}` }, [
    make('summary', {}, [
      make('code', { class: 'method', 'data-method': method }, [method.toUpperCase()]), make('code', {}, [path]), ` ${summary}`,
    ]),
    ...paragraphs(description),
    make('p', { class: 'muted small' }, [security ? 'With Authorization: Bearer <token>' : 'Without a token']),
    ...(parameters.length > 0 ? [make('h3', {}, ['Parameters']), table(parameters.map(parameterOf))] : []),
    ...(requestBody ? [make('h3', {}, ['Body']), make('p', {}, bodies(requestBody.content))] : []),
    make('h3', {}, ['Answers']), table(rows),
  ]);
}

/** @param {Parameter} parameter */
function parameterOf({ name, in: where, description = '', required, schema = {} }) {
  return row([make('code', {}, [name])], typeOf(schema), [`${where}${required ? '' : ', may be missing'}`], prose(description));
}

/** @param {string} name @param {Schema} schema */
function schemaOf(name, schema) {
  const { description, properties = {}, required = [] } = schema;
  const rows = Object.entries(properties).map(([field, its]) =>
    row([make('code', {}, [field])], typeOf(its), [required.includes(field) ? '' : 'may be missing'], prose(its.description ?? its.oneOf?.find((one) => one.description)?.description)));
  return make('details', { id: `schema-${name}` }, [
    make('summary', {}, [make('code', {}, [name])]),
    ...paragraphs(description),
    ...(rows.length > 0 ? [table(rows)] : [make('p', {}, typeOf(schema))]),
  ]);
}

/** What a value may be, in words. @param {Schema} schema @returns {(Node | string)[]} */
function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return [make('a', { href: `#schema-${name}` }, [name])];
  }
  if (schema.oneOf) return schema.oneOf.flatMap((one, i) => [...(i > 0 ? [' or '] : []), ...typeOf(one)]);
  if (schema.enum) return [schema.enum.map((value) => JSON.stringify(value)).join(' or ')];
  if (schema.items) return ['list of ', ...typeOf(schema.items), ...range(undefined, schema.maxItems, ' entries')];
  const type = [schema.type ?? 'any JSON'].flat().join(' or ');
  const text = range(schema.minLength, schema.maxLength, ' characters');
  const usual = schema.default === undefined ? [] : [`, else ${JSON.stringify(schema.default)}`];
  return [type, ...range(schema.minimum, schema.maximum, ''), ...text, ...usual];
}

/** @param {number | undefined} least @param {number | undefined} most @param {string} unit */
function range(least, most, unit) {
  if (most !== undefined) return [`, ${least ?? 0} to ${most}${unit}`];
  return least === undefined || least === 0 ? [] : [`, from ${least}${unit}`];
}

/** @param {Content} [content] @returns {(Node | string)[]} */
function bodies(content = {}) {
  return Object.entries(content).flatMap(([type, { schema = {} }]) => [`${type}: `, ...typeOf(schema)]);
}

/** @param {string} [text] */
function paragraphs(text = '') {
  return text.split('\n\n').filter(Boolean).map((part) => make('p', {}, prose(part)));
}

/** Text with its `code`. @param {string} [text] @returns {(Node | string)[]} */
function prose(text = '') {
  return text.split('`').map((part, i) => (i % 2 > 0 ? make('code', {}, [part]) : part));
}

/** A link leads to what it opens. */
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

/** @param {...(Node | string)[]} cells */
function row(...cells) {
  return make('tr', {}, cells.map((cell) => make('td', {}, cell)));
}

/** @param {Node[]} rows */
function table(rows) {
  return make('div', { class: 'scroll' }, [make('table', {}, [make('tbody', {}, rows)])]);
}
