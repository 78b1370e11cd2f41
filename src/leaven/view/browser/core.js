// What every part of the page stands on: elements made of text alone, the state in the address, questions to the run.
"use strict";

const leaven = {
  data: {}, // what a folder brings along: run, answers, lift, live; empty where a server answers
  views: {}, // name → {title, isShown(run), draw(place, state)}
};

// An element with its attributes and children. Strings become text and nothing else: rows are other people's words.
leaven.el = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
};

// The state of the page is its address: "#answers?test=negation&show=worse". Who sends it sends what is seen.
leaven.state = () => {
  const [view, query = ""] = location.hash.slice(1).split("?");
  return { view, ...Object.fromEntries(new URLSearchParams(query)) };
};

leaven.address = (state) => {
  const { view, ...rest } = state;
  const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value !== "" && value !== undefined));
  return `#${view}${query.size ? `?${query}` : ""}`;
};

// Change some of the state; a change of what is filtered goes back to the first page.
leaven.go = (changes, replace = false) => {
  const state = { ...leaven.state(), page: "", ...changes };
  if (replace) history.replaceState(null, "", leaven.address(state));
  else if (leaven.address(state) !== location.hash) history.pushState(null, "", leaven.address(state));
  leaven.draw();
};

// A question to the run: to the server, or to the data that lie beside the page.
leaven.ask = async (name, parameters = {}) => {
  if (leaven.data.run) return leaven.sample[name](parameters);
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined));
  const reply = await fetch(`api/${name}?${query}`);
  const value = await reply.json();
  if (!reply.ok) throw new Error([value.problem, value.hint].filter(Boolean).join(". "));
  return value;
};

leaven.isFolder = () => Boolean(leaven.data.run);

leaven.say = (text) => {
  document.getElementById("announcement").textContent = text;
};

leaven.count = (number) => (number ?? 0).toLocaleString("en");
leaven.percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1).replace(/\.0$/, "")}`);
leaven.points = (value) => {
  const text = leaven.percent(Math.abs(value));
  return text === "0" ? "0" : `${value < 0 ? "−" : "+"}${text}`;
};

// A labelled control; `choices` are [value, label] pairs. What has an id keeps the focus when the page is drawn anew.
leaven.select = (label, value, choices, change) => {
  const options = choices.map(([key, name]) => leaven.el("option", { value: key, selected: String(key) === String(value) }, name));
  return leaven.el("label", { class: "field" }, leaven.el("span", {}, label),
    leaven.el("select", { id: `choose ${label}`, onchange: (event) => change(event.target.value) }, options));
};

leaven.searchField = (value, change) => {
  let waiting;
  const later = (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change(event.target.value), 250);
  };
  return leaven.el("label", { class: "field grow" }, leaven.el("span", {}, "search"),
    leaven.el("input", { type: "search", id: "search", value, placeholder: "words of a question or an answer", oninput: later }));
};

// Earlier and later pages of a list.
leaven.pager = (page, pages) => {
  if (pages < 2) return null;
  const step = (by, words) => leaven.el("button", { type: "button", id: `page ${by}`, disabled: page + by < 0 || page + by >= pages,
    onclick: () => { leaven.go({ page: page + by || "" }); scrollTo(0, 0); } }, words);
  return leaven.el("p", { class: "pager" }, step(-1, "← earlier"), ` page ${page + 1} of ${leaven.count(pages)} `, step(1, "later →"));
};

// A table of texts; `numbers` are the columns that are figures.
leaven.table = (heads, lines, isNumber = () => false) => leaven.el("div", { class: "scroll", tabindex: 0 }, leaven.el("table", {},
  leaven.el("thead", {}, leaven.el("tr", {}, heads.map((head, place) => leaven.el("th", { class: isNumber(place) ? "n" : null, scope: "col" }, head)))),
  leaven.el("tbody", {}, lines.map((line) => leaven.el("tr", {}, line.map((cell, place) => leaven.el("td", { class: isNumber(place) ? "n" : null }, cell ?? "–")))))));

// A text that may be long, cut as it came, with how much more there is.
leaven.text = (value, spans = []) => {
  const letters = spans.length ? Array.from(value.text) : value.text; // spans count characters, and emoji are one
  const parts = [];
  let last = 0;
  for (const [start, end] of spans) {
    parts.push(slice(letters, last, start), leaven.el("mark", {}, slice(letters, start, end)));
    last = end;
  }
  parts.push(slice(letters, last));
  const more = value.more ? leaven.el("span", { class: "soft" }, ` … ${leaven.count(value.more)} more characters`) : null;
  return leaven.el("pre", { dir: "auto", tabindex: value.text.length > 600 ? 0 : null }, value.text ? parts : leaven.el("span", { class: "soft" }, "(nothing)"), more);
};

function slice(letters, start, end) {
  const part = letters.slice(start, end);
  return typeof part === "string" ? part : part.join("");
}
