// The page: asks twice a second, draws a point each second, and does what its buttons say.

import { byId, el, get, post, say, use } from "./ask.js";
import { draw, take } from "./charts.js";
import * as lists from "./lists.js";
import { start as startTail } from "./tail.js";

const PAUSE = 500;
const POINT = 950;
const history = [];
let known = { generation: null, routes: [] };

function theme(wanted) {
  document.documentElement.dataset.theme = wanted;
  draw();
}

const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => localStorage.getItem("theme") ?? (system.matches ? "dark" : "light");

function head(figures, status) {
  const { reload } = status;
  const state = figures.draining ? "draining" : reload.state;
  byId("state").textContent = { current: "serving", failed: "change refused", "rolled-back": "rolled back", draining: "draining" }[state];
  byId("state").className = `pill ${{ current: "good", failed: "bad" }[state] ?? "warn"}`;
  const since = new Date(reload.since * 1000).toLocaleTimeString([], { hour12: false });
  byId("generation").textContent = `generation ${reload.generation} since ${since} · ${status.version}`;
  byId("rollback").disabled = reload.before === null;
}

async function look() {
  const [figures, status, failures] = await Promise.all([get("/figures"), get("/status"), get("/failures")]);
  if (known.generation !== figures.generation) known = { generation: figures.generation, routes: await get("/routes") };
  byId("login").hidden = true;
  figures.places = lists.places(status.plugins);
  const before = history.at(-1);
  if (!before || figures.at - before.at >= POINT) {
    if (before) take(figures, before);
    history.push(figures);
    if (history.length > 5) history.shift();
  }
  head(figures, status);
  // Lists tell of the last seconds: of one alone they would flicker.
  lists.routes(known.routes, figures, history[0]);
  lists.plugins(status.plugins, figures, history.at(-3) ?? history[0]);
  lists.upstreams(status.upstreams, look);
  lists.failures(failures);
  lists.problems(status.reload);
}

async function tick() {
  const began = Date.now();
  try {
    await look();
  } catch (error) {
    byId("login").hidden = error.status !== 401;
    byId("state").textContent = error.status === 401 ? "locked" : error.status ? error.message : "not reached";
    byId("state").className = "pill bad";
  }
  setTimeout(tick, Math.max(100, PAUSE - (Date.now() - began)));
}

function button(id, path, done) {
  byId(id).addEventListener("click", async () => {
    await post(path).then((answer) => say(`${done}: ${answer.outcome}, generation ${answer.generation}.`), (error) => say(`${done}: ${error.message}.`));
  });
}

byId("login").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  use(byId("token").value);
  byId("token").value = "";
});

byId("theme").addEventListener("click", () => {
  localStorage.setItem("theme", chosen() === "dark" ? "light" : "dark");
  theme(chosen());
});

byId("explain").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const { method, url, headers } = Object.fromEntries(new FormData(submitted.target));
  const fields = headers.split(";").map((field) => field.split(/:(.*)/s).map((part) => part.trim())).filter(([name]) => name);
  const target = byId("explained");
  try {
    const { listeners, unusable } = await post("/explain", { method, url, headers: Object.fromEntries(fields.map(([name, value]) => [name, value ?? ""])) });
    const lines = (pairs) => el("dl", {}, ...pairs.flatMap(([what, text]) => [el("dt", {}, what), el("dd", {}, text)]));
    if (unusable) return target.replaceChildren(el("p", { class: "bad" }, unusable));
    target.replaceChildren(...listeners.map((listener) => el("div", {},
      el("h2", {}, `Listener ${listener.name} (${listener.address})`),
      lines(listener.way.map(({ what, text, place }) => [what, place ? `${text}  ·  ${place}` : text])),
      listener.others.length ? el("h2", {}, "Why not another route") : null,
      lines(listener.others.map((other) => [other.route, `${other.why} (it takes ${other.matches})  ·  ${other.place}`])))));
  } catch (error) {
    target.replaceChildren(el("p", { class: "bad" }, error.message));
  }
});

system.addEventListener("change", () => theme(chosen()));
let resized = null;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(draw, 150);
});
button("reload", "/reload", "Reload");
button("rollback", "/rollback", "Roll back");
theme(chosen());
startTail();
tick();
