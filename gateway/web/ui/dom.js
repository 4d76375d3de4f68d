// The few things that every part of the page needs of the document.

/**
 * The element with this id; it is in index.html, so its absence is a mistake of ours.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return /** @type {any} */ (element);
}

/**
 * A new element. Text is text: names and channels come from others.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} [children]
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Somebody's name, isolated: a right-to-left one must not turn the words around it.
 * @param {string} name
 */
export function bdi(name) {
  return make('bdi', {}, [name]);
}
