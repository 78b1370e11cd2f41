// The page as a whole: which part is shown, drawn from the address, and drawn anew while a run goes on.
"use strict";

leaven.names = {};
let run, turn = 0, timer;

// Draw what the address says; a later call overtakes one whose data have not come.
leaven.draw = async () => {
  const mine = ++turn;
  clearTimeout(timer);
  const state = leaven.state(), name = leaven.views[state.view]?.isShown(run) ? state.view : "report";
  const place = document.createElement("div");
  try {
    await leaven.views[name].draw({ append: (...parts) => mine === turn && place.append(...parts) }, state, run);
  } catch (error) {
    place.append(leaven.el("p", { class: "warning" }, String(error.message)));
  }
  if (mine === turn) settle(name, place);
};

function settle(name, place) {
  place.className = `view ${name}`;
  place.id = "view";
  place.dataset.address = location.hash;
  const main = document.getElementById("main"), focus = document.activeElement?.id, openIds = [...document.querySelectorAll("details[id][open]")].map((one) => one.id);
  const caret = focus === "search" ? document.activeElement.selectionStart : null;
  main.replaceChildren(place);
  for (const id of openIds) document.getElementById(id)?.setAttribute("open", "");
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  if (caret !== null) document.getElementById("search")?.setSelectionRange(caret, caret);
  for (const link of document.querySelectorAll("#nav a")) link.dataset.view === name ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  document.title = `${run.name} – ${leaven.views[name].title}`;
  if (!leaven.isFolder() && !run.finished && name === "live") timer = setTimeout(refresh, leaven.views.live.every);
}

// While a run goes on: what is done by now, without moving what the reader looks at.
async function refresh() {
  try {
    await read();
    await leaven.draw();
  } catch {
    timer = setTimeout(refresh, 3 * leaven.views.live.every); // the server was stopped, or is busy
  }
}

async function read() {
  run = await leaven.ask("run");
  leaven.names = Object.fromEntries((run.methods || []).map((method) => [method.key, method.name]));
  document.getElementById("run-name").textContent = run.name;
  const entries = Object.entries(leaven.views).filter(([, view]) => view.isShown(run));
  document.getElementById("nav").replaceChildren(...entries.map(([name, view]) => leaven.el("a", { href: `#${name}`, "data-view": name }, view.title)));
}

addEventListener("popstate", () => leaven.draw());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is the state of the page
  document.getElementById("main").focus();
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
  const search = document.getElementById("search");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});
read().then(() => leaven.draw()).catch((error) => {
  document.getElementById("main").replaceChildren(leaven.el("p", { class: "warning" }, String(error.message)));
});
