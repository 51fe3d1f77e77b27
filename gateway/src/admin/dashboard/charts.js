// Two minutes of traffic, errors and latency, drawn from differences of sums.

import { byId, milliseconds, number } from "./ask.js";

const LENGTH = 120;
const series = { at: [], rate: [], failed: [], refused: [], p50: [], p95: [], p99: [] };
const charts = [];

/** How much of `latency` lies below: interpolated within its range, in milliseconds; none without a request. */
function quantile(bounds, counts, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = total * share;
  for (const [at, count] of counts.entries()) {
    const from = at === 0 ? 0 : bounds[at - 1];
    if (left <= count) return at < bounds.length ? from + ((bounds[at] - from) * left) / count : from;
    left -= count;
  }
  return bounds.at(-1) ?? null;
}

const sum = (routes, what) => Object.values(routes).reduce((all, route) => all + route[what], 0);

function latency(now, before) {
  const counts = [];
  for (const [name, route] of Object.entries(now.routes)) {
    const old = before.routes[name]?.latency ?? [];
    route.latency.forEach((count, at) => (counts[at] = (counts[at] ?? 0) + Math.max(0, count - (old[at] ?? 0))));
  }
  return counts;
}

/** Takes in the figures of a moment. */
export function take(now, before) {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const each = (what) => Math.max(0, sum(now.routes, what) - sum(before.routes, what)) / seconds;
  const counts = latency(now, before);
  const point = {
    at: now.at / 1000,
    rate: each("requests"),
    failed: each("failed"),
    refused: each("refused"),
    p50: quantile(now.bounds, counts, 0.5),
    p95: quantile(now.bounds, counts, 0.95),
    p99: quantile(now.bounds, counts, 0.99),
  };
  for (const [name, values] of Object.entries(series)) {
    values.push(point[name]);
    if (values.length > LENGTH) values.shift();
  }
  byId("rate").textContent = number(point.rate);
  byId("failed").textContent = `${number(point.failed)} / s`;
  byId("failed").className = point.failed > 0 ? "bad" : "";
  byId("refused").textContent = `${number(point.refused)} / s`;
  byId("median").textContent = milliseconds(point.p50);
  byId("slow").textContent = milliseconds(point.p95);
  byId("active").textContent = number(now.active);
  byId("traffic").setAttribute("aria-label", `${number(point.rate)} requests a second`);
  byId("errors").setAttribute("aria-label", `${number(point.failed)} failed and ${number(point.refused)} refused a second`);
  byId("latency").setAttribute("aria-label", `half within ${milliseconds(point.p50)}, 95 of 100 within ${milliseconds(point.p95)}`);
  charts.forEach((chart) => chart.setData(chart.names.map((name) => series[name])));
}

/** Draws anew, in the colours of the scheme. */
export function draw() {
  charts.splice(0).forEach((chart) => chart.destroy());
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const line = (label, stroke, value, fill) => ({ label, stroke: colour(stroke), width: 2, fill: fill && `${colour(stroke)}22`, value: (_, now) => (now == null ? "–" : value(now)), points: { show: false }, spanGaps: false });
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const make = (id, names, lines, value, least) => {
    const target = byId(id);
    const options = {
      width: target.clientWidth,
      height: 190,
      scales: { y: { range: (_, __, most) => [0, Math.max(least, (most ?? 0) * 1.1)] } },
      axes: [{ ...axis, space: 70, values: (_, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString([], { hour12: false })) }, { ...axis, size: 66, values: (_, ticks) => ticks.map(value) }],
      series: [{ value: (_, time) => (time == null ? "–" : new Date(time * 1000).toLocaleTimeString([], { hour12: false })) }, ...lines],
      cursor: { drag: { x: false, y: false } },
    };
    const chart = new uPlot(options, ["at", ...names].map((name) => series[name]), target);
    chart.names = ["at", ...names];
    charts.push(chart);
  };
  make("traffic", ["rate"], [line("requests / s", "--accent", number, true)], number, 1);
  make("errors", ["failed", "refused"], [line("5xx / s", "--bad", number, true), line("4xx / s", "--warn", number)], number, 1);
  make("latency", ["p50", "p95", "p99"], [line("median", "--good", milliseconds), line("95 %", "--warn", milliseconds), line("99 %", "--bad", milliseconds)], milliseconds, 5);
}
