// The last hour: checks by decision, durations, and reasons of denials.

import { count, duration, element, fetchJson, outcome, show, table } from './dom.js';
import { bars, lines } from './plot.js';

const content = document.querySelector('#view-traffic [data-content]');
const HOUR = 3600000;

export async function refresh() {
  const { now, samples } = await fetchJson('/api/history');
  const sums = { allowed: 0, denied: 0, unavailable: 0 };
  const reasons = new Map();
  for (const sample of samples) {
    for (const name of Object.keys(sums)) sums[name] += sample[name];
    for (const [reason, number] of Object.entries(sample.reasons)) reasons.set(reason, (reasons.get(reason) ?? 0) + number);
  }
  const range = { from: now - HOUR, to: now };
  const rates = Object.keys(sums).map((name) => ({ name, values: minutes(samples, range, name) }));
  const last = samples.findLast((sample) => sample.p50 !== null);
  const spread = last === undefined ? 'no check yet' : `last: p50 ${duration(last.p50)}, p99 ${duration(last.p99)}`;
  const top = [...reasons].sort(([, one], [, other]) => other - one).slice(0, 20);
  const numbers = Object.entries(sums).map(([name, number]) => element('div', { class: 'figure' }, outcome(name), element('strong', {}, count(number))));
  show(content,
    element('div', { class: 'figures' }, numbers),
    element('figure', { class: 'card' }, element('figcaption', {}, 'Checks per minute, by decision'), bars('Checks per minute of the last hour', range, rates)),
    element('figure', { class: 'card' }, element('figcaption', {}, 'Duration of checks ', element('span', { class: 'quiet' }, spread)),
      lines('Duration of checks of the last hour', range, samples, [{ name: 'p50', label: 'p50' }, { name: 'p99', label: 'p99' }])),
    element('h2', {}, 'Denials by reason'),
    top.length === 0 ? element('p', { class: 'quiet' }, 'None in the last hour.')
      : table('Denials by reason', ['Reason', { text: 'Checks', number: true }], top.map(([reason, number]) => [element('code', {}, reason), count(number)])));
}

/** Sums the samples of each minute. */
function minutes(samples, { from }, name) {
  const values = new Array(60).fill(0);
  for (const sample of samples) {
    // The middle of the interval decides, since it may cross a minute.
    const at = Math.floor((sample.at - sample.span / 2 - from) / 60000);
    if (at >= 0 && at < 60) values[at] += sample[name];
  }
  return values;
}
