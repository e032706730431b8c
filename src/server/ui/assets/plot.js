// Plots as inline SVG. Each has a text for screen readers, and a legend that does not depend on color.

import { clock, count, duration, element, svg } from './dom.js';

const WIDTH = 720;
const HEIGHT = 180;
const LEFT = 56;
const BOTTOM = 22;
const TOP = 8;
const inner = { width: WIDTH - LEFT - 8, height: HEIGHT - BOTTOM - TOP };

/** Draws stacked bars, one for each minute. A series is `{ name, values }`. */
export function bars(title, range, series) {
  const sums = series[0].values.map((_, at) => series.reduce((sum, { values }) => sum + values[at], 0));
  const top = ceiling(Math.max(...sums, 2));
  const step = inner.width / sums.length;
  const stacked = new Array(sums.length).fill(0);
  const marks = series.flatMap(({ name, values }) => values.map((value, at) => {
    if (value === 0) return null;
    const height = (value / top) * inner.height;
    const y = TOP + inner.height - (stacked[at] / top) * inner.height - height;
    stacked[at] += value;
    return svg('rect', { class: `bar ${name}`, x: (LEFT + at * step + 1).toFixed(1), y: y.toFixed(1), width: (step - 2).toFixed(1), height: height.toFixed(1) });
  }));
  const total = sums.reduce((sum, value) => sum + value, 0);
  return [frame(`${title}: ${count(total)} in all, at most ${count(Math.max(...sums))} in a minute`, range, top, count, marks), legend(series.map(({ name }) => [name, name]))];
}

/** Draws lines over a logarithmic scale of durations. A series is `{ name, label }`, with `name` the member of the samples. */
export function lines(title, range, samples, series) {
  const known = samples.filter((sample) => sample.p50 !== null && sample.at >= range.from);
  const top = Math.max(...known.map((sample) => sample.p99), 1e6);
  const [low, high] = [3, Math.ceil(Math.log10(top))];
  const y = (nanos) => TOP + inner.height * (1 - (Math.log10(Math.max(nanos, 1000)) - low) / (high - low));
  const x = (at) => LEFT + (inner.width * (at - range.from)) / (range.to - range.from);
  const grid = [];
  for (let power = low; power <= high; power += 1) grid.push(...rule(y(10 ** power), duration(10 ** power)));
  const drawn = series.map(({ name }) => {
    let path = '';
    let before = null;
    for (const sample of known) {
      // A gap of several intervals without a check is no line.
      const isGap = before === null || sample.at - before > 45000;
      path += `${isGap ? 'M' : 'L'}${x(sample.at - sample.span / 2).toFixed(1)} ${y(sample[name]).toFixed(1)} `;
      if (isGap) path += 'h0.1 ';
      before = sample.at;
    }
    return svg('path', { class: `line ${name}`, d: path || 'M0 0' });
  });
  const last = known.at(-1);
  const text = last === undefined ? 'no check' : `now p50 ${duration(last.p50)}, p99 ${duration(last.p99)}`;
  return [frame(`${title}: ${text}`, range, null, null, [...grid, ...drawn]), legend(series.map(({ name, label }) => [name, label]))];
}

function frame(title, range, top, written, marks) {
  const scale = top === null ? [] : [0, 0.5, 1].flatMap((part) => rule(TOP + inner.height * (1 - part), written(Math.round(top * part))));
  const times = [0, 0.25, 0.5, 0.75, 1].map((part) => svg('text', {
    class: 'axis', x: LEFT + inner.width * part, y: HEIGHT - 6, 'text-anchor': ['start', 'middle', 'middle', 'middle', 'end'][part * 4],
  }, clock(range.from + (range.to - range.from) * part).slice(0, 5)));
  return svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': title, class: 'plot' }, scale, times, marks);
}

function rule(y, text) {
  return [
    svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - 8, y1: y.toFixed(1), y2: y.toFixed(1) }),
    svg('text', { class: 'axis', x: LEFT - 6, y: (y + 3.5).toFixed(1), 'text-anchor': 'end' }, text),
  ];
}

function legend(entries) {
  const shape = (name) => svg('svg', { viewBox: '0 0 14 10', width: 14, height: 10, 'aria-hidden': 'true' },
    name.startsWith('p') ? svg('path', { class: `line ${name}`, d: 'M0 5H14' }) : svg('rect', { class: `bar ${name}`, width: 14, height: 10 }));
  return element('ul', { class: 'legend' }, entries.map(([name, label]) => element('li', {}, shape(name), ` ${label}`)));
}

/** Returns the next of 1, 2, 5, 10, 20 and so on. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((bound) => bound >= value);
}
