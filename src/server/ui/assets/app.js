// Shows the view that the address names, and keeps it up to date.

import { poll as pollDecisions } from './decisions.js';
import { fetchJson } from './dom.js';
import { refresh as refreshConfig } from './config.js';
import { refresh as refreshKeys } from './keys.js';
import { refresh as refreshRules } from './rules.js';
import { refresh as refreshTraffic } from './traffic.js';
import './explain.js';

/** The views: what refreshes each, and how often in seconds. */
const VIEWS = {
  decisions: { refresh: pollDecisions, every: 1 },
  traffic: { refresh: refreshTraffic, every: 5 },
  rules: { refresh: refreshRules, every: 5 },
  keys: { refresh: refreshKeys, every: 5 },
  explain: { refresh: null, every: 1 },
  config: { refresh: refreshConfig, every: 5 },
};

const state = document.getElementById('state');
let view = 'decisions';
let seconds = 0;
let isBusy = false;

function openView(isVisit) {
  const wanted = location.hash.slice(1);
  view = Object.hasOwn(VIEWS, wanted) ? wanted : 'decisions';
  for (const name of Object.keys(VIEWS)) {
    document.getElementById(`view-${name}`).hidden = name !== view;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${document.querySelector(`#view-${view} h1`).textContent} · modgud`;
  seconds = 0;
  if (isVisit) document.querySelector('main').focus();
  tick();
}

/** Asks modgud for what the view shows. A failure is shown and tried again a second later. */
async function tick() {
  if (isBusy || document.hidden) return;
  isBusy = true;
  const { refresh, every } = VIEWS[view];
  const turn = view;
  try {
    if (seconds % 5 === 0) await status();
    if (refresh !== null && seconds % every === 0) await refresh();
    seconds += 1;
  } catch (error) {
    setState('off', `no answer: ${error.message}`);
    seconds = 0;
  }
  isBusy = false;
  // The view was changed meanwhile.
  if (turn !== view) tick();
}

async function status() {
  const { version, pending } = await fetchJson('/api/status');
  document.getElementById('version').textContent = version;
  if (pending.length === 0) setState('on', 'live');
  else setState('off', `not ready: ${pending.join(', ')}`);
}

function setState(kind, text) {
  state.className = `state ${kind}`;
  if (state.textContent !== text) state.textContent = text;
}

window.addEventListener('hashchange', () => openView(true));
document.addEventListener('visibilitychange', tick);
setInterval(tick, 1000);
openView(false);
