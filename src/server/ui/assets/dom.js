// Helpers for elements and requests. Text enters the page through textContent only, so no path, header or name can become markup.

const SVG = 'http://www.w3.org/2000/svg';

/** Creates an element: attributes, then children, which are elements or texts. `null` leaves an attribute or a child out. */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Creates an element of SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** Creates a table with a caption, headers and rows of cells. A header `{ text, number: true }` aligns its column to the right. */
export function table(caption, headers, rows) {
  const isNumber = headers.map((header) => header.number === true);
  const head = headers.map((header, at) =>
    element('th', { scope: 'col', class: isNumber[at] ? 'number' : null }, header.text ?? header));
  const body = rows.map((cells) => element('tr', {}, cells.map((cell, at) => {
    const attributes = { class: isNumber[at] ? 'number' : null };
    return at === 0 ? element('th', { scope: 'row', ...attributes }, cell) : element('td', attributes, cell);
  })));
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    element('table', {}, element('caption', { class: 'hidden' }, caption), element('thead', {}, element('tr', {}, head)),
      element('tbody', {}, body)));
}

/** Shows a word with a mark of its own, so that color is not all that tells outcomes apart. */
export function outcome(word) {
  const marks = { allowed: '✓', passed: '✓', denied: '✕', failed: '✕', unavailable: '!', noted: '·' };
  return element('span', { class: `outcome ${word}` }, element('span', { 'aria-hidden': 'true' }, marks[word] ?? '·'), ` ${word}`);
}

/** Replaces the content of an element. */
export function show(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null));
}

/** Fetches JSON. Throws an error with a text for people. */
export async function fetchJson(path, options = {}) {
  const response = await fetch(path, { cache: 'no-store', credentials: 'omit', redirect: 'error', ...options });
  if (!response.ok) throw new Error((await response.text()).trim().slice(0, 300) || `status ${response.status}`);
  return response.json();
}

/** Sends JSON, with the token that this page was served with. */
export function postJson(path, value) {
  const token = document.querySelector('meta[name="page-token"]').content;
  const headers = { 'content-type': 'application/json', 'x-modgud-page': token };
  return fetchJson(path, { method: 'POST', headers, body: JSON.stringify(value) });
}

const pad = (number, length = 2) => String(number).padStart(length, '0');

/** Writes a time of this day, in the time zone of the browser. */
export function clock(millis, withMillis = false) {
  const date = new Date(millis);
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return withMillis ? `${time}.${pad(date.getMilliseconds(), 3)}` : time;
}

/** Writes a span in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`. */
export function span(millis) {
  const seconds = Math.max(0, Math.round(millis / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Writes a time before or after now. */
export function relative(millis, now) {
  if (millis === null) return '–';
  return millis <= now ? `${span(now - millis)} ago` : `in ${span(millis - now)}`;
}

/** Writes a duration in nanoseconds. */
export function duration(nanos) {
  if (nanos === null) return '–';
  if (nanos < 1000) return `${nanos} ns`;
  if (nanos < 1e6) return `${trim(nanos / 1000)} µs`;
  return `${trim(nanos / 1e6)} ms`;
}

const trim = (number) => (number < 10 ? number.toFixed(1) : number.toFixed(0));

/** Writes a number with thin spaces between thousands. */
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}
