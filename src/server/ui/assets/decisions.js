// The table of decisions: asks for new ones every second, and shows those that match the filters.

import { clock, count, duration, element, fetchJson, outcome, show } from './dom.js';
import { explanation, facts, ticked } from './steps.js';

/** As many as modgud keeps. */
const MAX_KEPT = 1000;
/** As many rows as a person reads; filters find the others. */
const MAX_ROWS = 200;

const section = document.getElementById('view-decisions');
const body = section.querySelector('tbody');
const aside = document.getElementById('explanation');
const filters = section.querySelector('[data-filters]');
const pause = section.querySelector('[data-pause]');

let decisions = [];
let last = 0;
let instance = null;
let isPaused = false;
let opened = null;
let counts = { last: 0, checks: 0 };
/** The rows by the number of their decision: kept, so that the focus stays where it is. */
const rows = new Map();

/** Fetches the decisions since the last one. */
export async function poll() {
  const answer = await fetchJson(`/api/decisions?since=${last}`);
  // The numbers of another process are of other decisions.
  if (instance !== null && answer.instance !== instance) {
    if (!aside.hidden) close();
    decisions = [];
    show(body);
    rows.clear();
    [instance, last] = [answer.instance, 0];
    return poll();
  }
  instance = answer.instance;
  last = answer.last;
  counts = answer;
  decisions = decisions.concat(answer.decisions).slice(-MAX_KEPT);
  if (!isPaused) render();
}

function matches(decision, wanted) {
  return (!wanted.decision || decision.decision === wanted.decision)
    && (!wanted.reason || (decision.reason ?? '').includes(wanted.reason))
    && (!wanted.rule || (decision.rule ?? '').includes(wanted.rule))
    && (!wanted.path || (decision.path ?? '').includes(wanted.path));
}

function render() {
  const wanted = Object.fromEntries(new FormData(filters));
  const found = decisions.filter((decision) => matches(decision, wanted));
  const shown = found.slice(-MAX_ROWS).reverse();
  const ids = new Set(shown.map((decision) => decision.id));
  for (const [id, row] of rows) {
    // A row with the focus stays until the focus leaves it.
    if (!ids.has(id) && !row.contains(document.activeElement)) {
      row.remove();
      rows.delete(id);
    }
  }
  let place = body.firstElementChild;
  for (const decision of shown) {
    let row = rows.get(decision.id);
    if (row === undefined) {
      row = rowOf(decision);
      rows.set(decision.id, row);
    }
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  section.querySelector('.empty').hidden = decisions.length > 0;
  const hasFilter = Object.values(wanted).some((value) => value !== '');
  say('matching', hasFilter ? `${count(found.length)} of ${count(decisions.length)} match` : '');
  const others = counts.checks - counts.last;
  say('sampled', others > 0
    ? `${count(counts.last)} of ${count(counts.checks)} checks kept since the start; the others are counted only`
    : `${count(counts.checks)} checks since the start`);
  options('reasons', decisions.map((decision) => decision.reason));
  options('rules', decisions.map((decision) => decision.rule));
}

/** Sets a text only if it is new: a screen reader reads each change. */
function say(id, text) {
  const place = document.getElementById(id);
  if (place.textContent !== text) place.textContent = text;
}

function options(id, values) {
  const names = [...new Set(values.filter((value) => value !== null))].sort();
  const list = document.getElementById(id);
  if (list.dataset.names === names.join('\n')) return;
  list.dataset.names = names.join('\n');
  show(list, names.map((name) => element('option', { value: name })));
}

function rowOf(decision) {
  const open = element('button', { type: 'button', class: 'time', 'aria-expanded': 'false' }, clock(decision.at, true));
  const row = element('tr', { 'data-id': decision.id },
    element('th', { scope: 'row' }, open),
    element('td', {}, outcome(decision.decision), ' ', decision.reason === null ? null : element('code', { class: 'reason' }, decision.reason)),
    element('td', { class: 'target' }, element('span', { class: 'method' }, decision.method ?? '–'), ' ',
      element('bdi', { class: 'path' }, decision.path ?? '(could not be read)'), ' ',
      decision.host === null ? null : element('bdi', { class: 'host quiet' }, decision.host)),
    element('td', {}, decision.rule === null ? '–' : element('code', {}, decision.rule), ' ',
      decision.shadow === null ? null : element('span', { class: 'tag' }, `shadow: ${decision.shadow.decision}`)),
    element('td', {}, decision.authenticator ?? '–'),
    element('td', { class: 'number' }, duration(decision.took * 1000)));
  row.addEventListener('click', () => openExplanation(decision.id));
  return row;
}

async function openExplanation(id) {
  mark(id);
  aside.hidden = false;
  section.querySelector('.split').classList.add('open');
  const content = aside.querySelector('[data-content]');
  try {
    let answer = await fetchJson(`/api/decisions/${id}`);
    if (answer.explanation === null) {
      // It is made a moment after the decision.
      await new Promise((done) => setTimeout(done, 300));
      answer = await fetchJson(`/api/decisions/${id}`);
    }
    if (opened === id) show(content, described(answer));
  } catch (error) {
    if (opened === id) show(content, element('p', { class: 'notice' }, `The decision is not kept any more, or modgud does not answer: ${error.message}`));
  }
  // The table stays where it is; a narrow window shows the explanation above it.
  aside.focus({ preventScroll: true });
  if (!matchMedia('(min-width: 70rem)').matches) aside.scrollIntoView({ block: 'nearest' });
}

function described({ decision, explanation: explained }) {
  const { method, host, path, client, shadow } = decision;
  const about = facts([
    ['Time', new Date(decision.at).toISOString()],
    ['Request', element('bdi', {}, `${method ?? ''} ${path ?? '(could not be read)'}`)],
    ['Host', host === null ? null : element('bdi', {}, host)],
    ['Client', client],
    ['Authenticator', decision.authenticator],
    ['Took', duration(decision.took * 1000)],
    ['Request id', decision.request_id],
    ['Trace id', decision.trace_id],
    ['Shadow rule', shadow === null ? null : `${shadow.rule} would be ${shadow.decision}${shadow.reason === null ? '' : `, ${shadow.reason}`}`],
  ]);
  if (explained !== null) return [about, ...explanation(explained)];
  const why = 'No explanation was kept: at most 20 are made in a second, and none of very large checks. modgud explain can decide the request again.';
  const outcomes = facts([['Outcome', outcome(decision.decision)], ['Reason', decision.reason], ['Detail', ticked(decision.detail)], ['Rule', decision.rule]]);
  return [about, outcomes, element('p', { class: 'notice' }, why)];
}

function mark(id) {
  for (const one of [opened, id]) {
    const row = rows.get(one);
    row?.classList.toggle('opened', one === id);
    row?.querySelector('button').setAttribute('aria-expanded', String(one === id));
  }
  opened = id;
}

function close() {
  const row = rows.get(opened);
  aside.hidden = true;
  section.querySelector('.split').classList.remove('open');
  mark(null);
  (row?.querySelector('button') ?? filters.querySelector('select')).focus();
}

filters.addEventListener('input', render);
filters.addEventListener('reset', () => setTimeout(render));
filters.addEventListener('submit', (event) => event.preventDefault());
pause.addEventListener('click', () => {
  isPaused = !isPaused;
  pause.setAttribute('aria-pressed', String(isPaused));
  pause.textContent = isPaused ? 'Resume' : 'Pause';
  if (!isPaused) render();
});
aside.querySelector('[data-close]').addEventListener('click', close);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !aside.hidden && !section.hidden) close();
});
