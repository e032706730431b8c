// The form: explains a request that an operator writes.

import { element, postJson, show } from './dom.js';
import { explanation } from './steps.js';

const section = document.getElementById('view-explain');
const form = section.querySelector('[data-explain]');
const content = section.querySelector('[data-content]');

/** Splits lines into pairs at the first separator. Empty lines are left out. */
function pairs(text, separator, what) {
  return text.split('\n').map((line) => line.trim()).filter((line) => line !== '').map((line) => {
    const at = line.indexOf(separator);
    if (at < 1) throw new Error(`write each line as ${what}: ${line.slice(0, 20)}`);
    return [line.slice(0, at).trim(), line.slice(at + separator.length).trim()];
  });
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { method, path, host, headers, context } = Object.fromEntries(new FormData(form));
  const button = form.querySelector('button');
  button.disabled = true;
  try {
    const request = {
      method: method.trim(), path: path.trim(), host: host.trim(),
      headers: pairs(headers, ':', 'name: value'), context: pairs(context, '=', 'key=value'),
    };
    const answer = await postJson('/api/explain', request);
    show(content, element('h2', {}, `Explanation as of ${answer.at}`), explanation(answer));
  } catch (error) {
    show(content, element('p', { class: 'notice', role: 'alert' }, error.message));
  }
  button.disabled = false;
  button.focus();
});
