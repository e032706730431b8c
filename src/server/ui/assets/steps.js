// An explanation: the outcome, the steps, and the headers that change.

import { element, outcome, table } from './dom.js';

/** Lists facts as terms and descriptions; those without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return element('dl', { class: 'facts' }, known.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
}

const code = (text) => (text === null || text === undefined ? null : element('code', {}, text));

/** Shows an explanation as modgud sends it. */
export function explanation(explained) {
  const { decision, reason, detail, rule, steps, set, removed, lookup } = explained;
  const parts = [];
  if (explained.same === false) {
    const why = lookup
      ? 'The decision waited for a lookup, which is not made again for an explanation. The steps end there.'
      : 'Evaluated again, the outcome differs: a cache, a counter or the configuration has changed since. The steps are those of the second evaluation.';
    parts.push(element('p', { class: 'notice' }, why));
  }
  if (explained.reloaded) parts.push(element('p', { class: 'notice' }, 'The configuration was reloaded after the decision.'));
  if (explained.same === undefined && lookup) {
    parts.push(element('p', { class: 'notice' }, `Not decided: ${lookup}. The form asks no provider.`));
  }
  parts.push(facts([['Outcome', outcome(decision)], ['Reason', code(reason)], ['Detail', ticked(detail)], ['Rule', code(rule)]]));
  if (steps.length > 0) {
    parts.push(element('h3', {}, 'Steps'), element('ol', { class: 'steps' }, steps.map(step)));
  }
  if (set.length + removed.length > 0) {
    const names = [...set.map((name) => [code(name), 'set']), ...removed.map((name) => [code(name), 'removed'])];
    parts.push(element('h3', {}, 'Headers for the module'), table('Headers for the module', ['Header', 'Change'], names));
  }
  return parts;
}

function step({ what, outcome: result, text }) {
  const mark = { passed: '✓', failed: '✕', noted: '·' }[result] ?? '·';
  return element('li', { class: result },
    element('span', { class: 'mark', 'aria-hidden': 'true' }, mark),
    element('span', { class: 'what' }, what, element('span', { class: 'hidden' }, ` ${result}`)),
    element('span', { class: 'text' }, ticked(text)));
}

/** Splits a text at its back quotes, and shows what is between them as code. */
export function ticked(text) {
  if (text === null) return null;
  return text.split('`').map((part, at) => (at % 2 === 1 ? element('code', {}, part) : part));
}
