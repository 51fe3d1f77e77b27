// Asking the admin listener, and making elements. What comes from a request is only ever text: nothing here makes HTML of it.

let token = sessionStorage.getItem("token");

/** Shows this token from now on. */
export function use(text) {
  token = text;
  sessionStorage.setItem("token", text);
}

/** Asks; on anything but success throws an error with `status` and what the problem document says. */
export async function ask(path, options = {}) {
  const headers = { ...(token ? { authorization: `Bearer ${token}` } : {}), ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail ?? answer.statusText), { status: answer.status, problem });
  }
  return answer;
}

export const get = async (path) => (await ask(path)).json();

export const post = async (path, document = {}) =>
  (await ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(document) })).json();

export const byId = (id) => document.getElementById(id);

/** An element: `el("td", { class: "number" }, "12")`. Children are elements or text. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "click") element.addEventListener("click", value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** What somebody did has come to this. */
export function say(text) {
  byId("said").textContent = text;
}

/** A table of rows; a column is `{ title, of, kind, wide }`. It is replaced only where it says something else, so that nobody loses his place. */
export function table(id, columns, rows, empty) {
  const target = byId(id);
  const focused = target.contains(document.activeElement) ? document.activeElement.getAttribute("data-key") : null;
  const cells = rows.map((row) => columns.map((column) => column.of(row)));
  const says = JSON.stringify(cells.map((row) => row.map((cell) => (cell instanceof Node ? cell.outerHTML : cell))));
  if (target.dataset.says === says) return;
  target.dataset.says = says;
  if (rows.length === 0) return target.replaceChildren(el("p", { class: "empty" }, empty));
  const shape = ({ kind, wide }) => [kind, wide && "wide"].filter(Boolean).join(" ") || undefined;
  const head = el("tr", {}, ...columns.map((column) => el("th", { scope: "col", class: shape(column) }, column.title)));
  const body = cells.map((row) => el("tr", {}, ...row.map((cell, at) => el("td", { class: shape(columns[at]) }, cell))));
  target.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...body)));
  if (focused) target.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** A word with the colour of what it means. */
export const word = (text, meaning) => el("span", { class: meaning }, text);

export const number = (value) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k` : String(Math.round(value * 10) / 10);

export const milliseconds = (value) => {
  if (value === null) return "–";
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  if (value >= 10) return `${value.toFixed(0)} ms`;
  return value >= 1 || value === 0 ? `${value.toFixed(1)} ms` : `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} µs`;
};
