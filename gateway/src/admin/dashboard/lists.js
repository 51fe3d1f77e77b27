// What there is, with its state: routes, plugins, upstreams, failures, problems of the last change.

import { byId, el, milliseconds, number, post, say, table, word } from "./ask.js";

/** How much a sum has grown each second. */
const rate = (now, before, kind, name, what) => {
  const [one, other] = [now?.[kind][name], before?.[kind][name]];
  if (!one || !other || now.at === before.at) return 0;
  return Math.max(0, one[what] - other[what]) / ((now.at - before.at) / 1000);
};

export function routes(list, now, before) {
  const each = (what) => (route) => number(rate(now, before, "routes", route.name, what));
  table("routes", [
    { title: "Route", of: (route) => route.name },
    { title: "Takes", of: (route) => route.matches, kind: "path" },
    { title: "Chain", of: (route) => route.chain.join(" → ") || "–", wide: true },
    { title: "Answers", of: (route) => route.answers, wide: true },
    { title: "Req/s", of: each("requests"), kind: "number" },
    { title: "5xx/s", of: (route) => { const failed = rate(now, before, "routes", route.name, "failed"); return word(number(failed), failed > 0 ? "bad" : "dim"); }, kind: "number" },
    { title: "Written", of: (route) => route.place, kind: "mono", wide: true },
  ], list, "No routes.");
}

const faults = (plugin) => plugin.traps + plugin.cpu_exceeded + plugin.wall_exceeded + plugin.bad_output;

/** One component may stand in several places, with a configuration for each. */
const placed = (plugin) => `${plugin.name} ${plugin.place}`;

/** The sums of each place, for `rate`. */
export const places = (list) => Object.fromEntries(list.map((plugin) => [placed(plugin), { calls: plugin.calls, faults: faults(plugin) }]));

export function plugins(list, now, before) {
  const state = (plugin) => {
    if (plugin.breaker_open) return word("resting", "bad");
    if (plugin.rolled_back_from) return word("rolled back", "warn");
    return rate(now, before, "places", placed(plugin), "faults") > 0 ? word("failing", "bad") : word("good", "good");
  };
  // Counted by name: of all places together.
  const cost = (plugin) => {
    const calls = rate(now, before, "plugins", plugin.name, "calls");
    return calls > 0 ? milliseconds(rate(now, before, "plugins", plugin.name, "busy") / calls) : "–";
  };
  // A trap is told with the way to it; its reason stands at the end.
  const told = ({ last_error: error }) => (error ? el("span", { title: error.message }, `${error.kind} in ${error.phase}: ${error.message.split("wasm trap: ").at(-1)}`) : "–");
  table("plugins", [
    { title: "Plugin", of: (plugin) => plugin.name },
    { title: "State", of: state },
    { title: "Calls/s", of: (plugin) => number(rate(now, before, "places", placed(plugin), "calls")), kind: "number", wide: true },
    { title: "CPU/call", of: cost, kind: "number" },
    { title: "Faults", of: (plugin) => number(faults(plugin)), kind: "number" },
    { title: "Last error", of: told, kind: "path" },
    { title: "Version", of: (plugin) => plugin.version ?? plugin.sha256.slice(0, 12), wide: true },
    { title: "Written", of: (plugin) => plugin.place, kind: "mono", wide: true },
    { title: "Instances", of: (plugin) => number(plugin.instances.live), kind: "number", wide: true },
  ], list, "No plugins.");
}

export function upstreams(named, again) {
  const rows = Object.entries(named).flatMap(([upstream, status]) => status.endpoints.map((endpoint) => ({ upstream, status, ...endpoint })));
  const meanings = { up: "good", drained: "warn", ejected: "bad", down: "bad" };
  const turn = (row) => {
    const verb = row.state === "drained" ? "enable" : "drain";
    const click = async () => {
      const path = `/upstreams/${encodeURIComponent(row.upstream)}/endpoints/${encodeURIComponent(row.endpoint)}/${verb}`;
      await post(path).then((done) => say(`${done.endpoint} of ${done.upstream} is ${done.state}.`), (error) => say(error.message));
      again();
    };
    return el("button", { type: "button", click, "data-key": `${row.upstream} ${row.endpoint}`, "aria-label": `${verb} ${row.endpoint} of ${row.upstream}` }, verb === "drain" ? "Drain" : "Enable");
  };
  table("upstreams", [
    { title: "Upstream", of: (row) => row.upstream },
    { title: "Endpoint", of: (row) => row.endpoint, kind: "mono" },
    { title: "State", of: (row) => word(row.status.breaker_open ? `${row.state}, breaker open` : row.failures > 0 && row.state === "up" ? `${row.failures} failures in a row` : row.state, row.status.breaker_open || row.failures > 0 ? "bad" : meanings[row.state]) },
    { title: "Active", of: (row) => number(row.active), kind: "number", wide: true },
    { title: "Idle", of: (row) => number(row.idle), kind: "number", wide: true },
    { title: "Ejections", of: (row) => number(row.ejections), kind: "number", wide: true },
    { title: "Found by", of: (row) => row.status.discovery.error ?? row.status.discovery.source, kind: "path", wide: true },
    { title: "", of: turn },
  ], rows, "No upstreams.");
}

/** Requests, as the tail and the failures show them. */
export const columns = [
  { title: "Time", of: (entry) => new Date(entry.at).toLocaleTimeString([], { hour12: false }), kind: "mono" },
  { title: "Status", of: (entry) => word(entry.status, entry.status >= 500 ? "bad" : entry.status >= 400 ? "warn" : "good") },
  { title: "Request", of: (entry) => `${entry.method} ${entry.path}`, kind: "path" },
  { title: "Host", of: (entry) => entry.host, wide: true },
  { title: "Route", of: (entry) => entry.route || "none", wide: true },
  { title: "Upstream", of: (entry) => entry.upstream ?? "–", wide: true },
  { title: "Consumer", of: (entry) => entry.consumer ?? "–", wide: true },
  { title: "Took", of: (entry) => milliseconds(entry.milliseconds), kind: "number", wide: true },
  { title: "Reason", of: (entry) => entry.error ?? "–", kind: "path" },
];

export const failures = (list) => table("failures", columns, list.slice(0, 15), "None.");

/** Why the files cannot be used. */
export function problems(reload) {
  const panel = byId("problems");
  panel.hidden = reload.state !== "failed";
  if (panel.hidden) return panel.replaceChildren();
  const line = (problem) => el("li", {}, el("span", { class: "mono" }, problem.file ? `${problem.file}:${problem.line}:${problem.column} ` : ""), problem.message, problem.hint ? ` — ${problem.hint}` : "");
  panel.replaceChildren(el("h2", {}, "The last change cannot be used; what served before goes on"), el("ul", {}, ...reload.problems.map(line)));
}
