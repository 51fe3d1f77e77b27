// Requests as they end. The stream is read by hand, because the browser's own reader of events cannot show a token.

import { ask, byId, table } from "./ask.js";
import { columns } from "./lists.js";

const MOST = 100;
let entries = [];
let lost = 0;
let stop = null;

const show = (state) => {
  byId("tail-state").textContent = lost > 0 ? `${state}, ${lost} too fast to be shown` : state;
  byId("listen").textContent = stop ? "Stop" : "Listen";
};

function event(block) {
  const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const [kind, data] = [field("event"), field("data")];
  if (kind === "request") entries = [JSON.parse(data), ...entries].slice(0, MOST);
  if (kind === "lost") lost += JSON.parse(data).lost;
}

async function listen(filter) {
  const aborted = new AbortController();
  stop = () => aborted.abort();
  [entries, lost] = [[], 0];
  try {
    const answer = await ask(`/tail?${filter}`, { signal: aborted.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    show("listening");
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(event);
      show("listening");
    }
    stop = null;
    show("ended");
  } catch (error) {
    stop = null;
    show(error.name === "AbortError" ? "stopped" : error.message);
  }
}

/** Begins to draw what comes: at most four times a second, whatever comes. */
export function start() {
  setInterval(() => table("tail", columns, entries, stop ? "Nothing yet." : "Nobody listens."), 250);
  byId("filter").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    if (stop) return stop();
    const filled = [...new FormData(submitted.target)].filter(([, value]) => value.trim() !== "");
    listen(new URLSearchParams(filled.map(([name, value]) => [name, value.trim()])).toString().replaceAll("+", "%20"));
  });
}
