// The rules as a tree by the first segment of their paths, with hits.

import { count, element, fetchJson, show, table } from './dom.js';
import { facts } from './steps.js';

const content = document.querySelector('#view-rules [data-content]');
let known = null;
/** The branches that were closed; all others are open. */
const closed = new Set();

export async function refresh() {
  const answer = await fetchJson('/api/rules');
  const text = JSON.stringify(answer);
  if (text === known) return;
  known = text;
  const { rules, left_out: leftOut, fallback, compared } = answer;
  const enforced = rules.filter((rule) => !rule.shadow);
  const never = enforced.filter((rule) => isNeverHit(rule));
  const summary = facts([
    ['Rules', `${count(enforced.length)} enforced, ${count(rules.length - enforced.length)} shadow${leftOut > 0 ? `, ${count(leftOut)} not shown` : ''}`],
    ['Never hit', count(never.length)],
    ['No rule', `fallback ${fallback}`],
    ['Shadow configuration', compared === null ? null : `${count(compared)} checks compared`],
  ]);
  const focus = document.activeElement?.dataset?.branch;
  show(content, summary, element('p', { class: 'lead' }, 'Hits are checks that the rule decided since modgud started. Branches are the first segments of paths.'),
    [...branches(rules)].map(([name, all]) => branch(name, all, compared !== null)));
  // The branch that had the focus keeps it.
  if (focus !== undefined) content.querySelector(`[data-branch="${CSS.escape(focus)}"]`)?.focus();
}

const isNeverHit = (rule) => rule.hits !== null && rule.hits.allowed + rule.hits.denied === 0;

/** Groups rules by the first segment of each of their paths. A rule without a path is called by its name only. */
function branches(rules) {
  const groups = new Map();
  for (const rule of rules) {
    const names = new Set(rule.matches.map(({ path }) => `/${path.split('/')[1] ?? ''}`));
    if (names.size === 0) names.add('by name only');
    for (const name of names) {
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(rule);
    }
  }
  return [...groups].sort(([one], [other]) => (one < other ? -1 : 1));
}

function branch(name, rules, isCompared) {
  const hits = rules.reduce((sum, { hits: one }) => sum + (one === null ? 0 : one.allowed + one.denied), 0);
  const headers = ['Rule', 'Access', 'Matches', { text: 'Allowed', number: true }, { text: 'Denied', number: true }, 'Notes'];
  const details = element('details', { class: 'card', open: !closed.has(name) },
    element('summary', { 'data-branch': name }, element('bdi', {}, element('code', {}, name)), ' ',
      element('span', { class: 'quiet' }, `${count(rules.length)} ${rules.length === 1 ? 'rule' : 'rules'}, ${count(hits)} hits`)),
    table(`Rules of ${name}`, headers, rules.map((rule) => cells(rule, name, isCompared))));
  details.addEventListener('toggle', () => (details.open ? closed.delete(name) : closed.add(name)));
  return details;
}

function cells(rule, name, isCompared) {
  const numbers = rule.shadow ? rule.would : rule.hits;
  const notes = [];
  if (rule.shadow) notes.push(element('span', { class: 'tag' }, 'shadow: would have'));
  else if (rule.hits === null) notes.push(element('span', { class: 'tag' }, 'not counted by itself'));
  else if (isNeverHit(rule)) notes.push(element('span', { class: 'tag' }, 'never hit'));
  if (isCompared && rule.differences > 0) notes.push(element('span', { class: 'tag' }, `${count(rule.differences)} shadow differences`));
  const here = rule.matches.filter(({ path }) => name === 'by name only' || `/${path.split('/')[1] ?? ''}` === name);
  return [element('code', {}, rule.name), rule.access, here.map(match), numbers === null ? '–' : count(numbers.allowed), numbers === null ? '–' : count(numbers.denied), notes];
}

function match({ path, host, methods }) {
  return element('div', { class: 'match' }, methods.length === 0 ? null : element('span', { class: 'method' }, methods.join(' ')), ' ',
    host === null ? null : element('bdi', { class: 'quiet' }, host), element('bdi', {}, element('code', {}, path)));
}
