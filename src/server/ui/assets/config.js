// The active configuration, as `modgud config` prints it: secrets are left out.

import { clock, element, fetchJson, show } from './dom.js';

const content = document.querySelector('#view-config [data-content]');
let known = null;

export async function refresh() {
  const { yaml, since } = await fetchJson('/api/config');
  const text = `${since} ${yaml}`;
  if (text === known) return;
  known = text;
  const lead = element('p', { class: 'lead' }, `Active since ${clock(since)}. Each value has a comment with its origin; secrets are left out.`);
  if (yaml === null) {
    show(content, element('p', { class: 'notice' }, 'The file has no server.admin.ui any more, so its text is not kept for this page.'));
    return;
  }
  const lines = yaml.trimEnd().split('\n').flatMap((line, at) => [at === 0 ? null : '\n', ...shaded(line)]);
  show(content, lead, element('pre', { tabindex: '0', 'aria-label': 'Configuration in YAML' }, element('code', {}, lines)));
}

/** Splits a line into its value and its comment. */
function shaded(line) {
  const at = line.lastIndexOf('  # ');
  return at < 0 ? [line] : [line.slice(0, at), element('span', { class: 'quiet' }, line.slice(at))];
}
