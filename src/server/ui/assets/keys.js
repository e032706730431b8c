// The authenticators: keys, providers and authorization servers with age, next fetch and last error.

import { count, element, fetchJson, relative, show, table } from './dom.js';
import { facts } from './steps.js';

const content = document.querySelector('#view-keys [data-content]');
let known = null;

export async function refresh() {
  const { now, authenticators } = await fetchJson('/api/keys');
  // Ages change all the time; the rest is drawn again only if it is new, so that the focus and a selection stay.
  const text = JSON.stringify(authenticators) + Math.floor(now / 10000);
  if (text === known) return;
  known = text;
  const none = element('p', { class: 'notice' }, 'There is no authenticator: only public rules allow requests.');
  show(content, authenticators.length === 0 ? none : authenticators.map((one) => card(one, now)));
}

const mark = (isGood, good, bad) => element('span', { class: `outcome ${isGood ? 'allowed' : 'unavailable'}` },
  element('span', { 'aria-hidden': 'true' }, isGood ? '✓' : '!'), ` ${isGood ? good : bad}`);

function card({ name, kind, issuer, keys, providers, server, entries }, now) {
  const parts = [element('h2', {}, name, ' ', element('span', { class: 'tag' }, kind))];
  parts.push(facts([['Issuer', issuer === null ? null : element('code', {}, issuer)], ['API keys', entries === null ? null : count(entries)]]));
  if (keys.length > 0) parts.push(list('Keys of the configuration', keys));
  for (const provider of providers) parts.push(...shownProvider(provider, now));
  if (server !== null) parts.push(...shownServer(server, now));
  return element('article', { class: 'card' }, parts);
}

function shownProvider({ name, usable, keys, fetched, expires, next, successes, failures, error }, now) {
  return [
    element('h3', {}, 'Provider ', element('bdi', {}, name)),
    facts([
      ['State', mark(usable, 'keys usable', 'no usable keys')],
      ['Fetched', fetched === null ? 'never' : relative(fetched, now)],
      ['Next fetch', next === null ? 'now' : relative(next, now)],
      ['Unusable', expires === null ? null : `${relative(expires, now)}, if no fetch succeeds`],
      ['Fetches', `${count(successes)} succeeded, ${count(failures)} failed`],
      ['Last error', error === null ? null : `${relative(error.at, now)}: ${error.text}`],
    ]),
    keys.length > 0 ? list('Published keys', keys) : null,
  ].filter((part) => part !== null);
}

function shownServer({ endpoint, paused, active, inactive, failed, not_asked: notAsked, error }, now) {
  const numbers = [['active', active], ['inactive', inactive], ['failed', failed], ['not asked', notAsked]];
  return [
    element('h3', {}, 'Authorization server ', element('bdi', {}, endpoint)),
    facts([
      ['State', mark(!paused, 'asked', 'paused: circuit breaker open')],
      ['Last error', error === null ? null : `${relative(error.at, now)}: ${error.text}`],
    ]),
    table('Introspections by outcome', ['Outcome', { text: 'Tokens', number: true }], numbers.map(([word, number]) => [word, count(number)])),
  ];
}

function list(title, keys) {
  return element('div', {}, element('h4', {}, title), element('ul', { class: 'keys' }, keys.map((key) => element('li', {}, element('code', {}, key)))));
}
