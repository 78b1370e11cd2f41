// The rows of a lift: filtered and searched, the story of each, and thresholds that decide again without a call.
"use strict";

leaven.views.rows = {
  title: "Rows",
  isShown: (run) => run.kind === "lift" && run.finished,
  async draw(place, state) {
    if (state.row !== undefined) return story(place, state);
    const names = ["verdict", "stage", "step", "search", "sort", "page"];
    const query = { ...Object.fromEntries(names.map((name) => [name, state[name] || ""])), page: Math.max(0, Number(state.page) || 0) };
    const [facets, result] = await Promise.all([facetsOnce(), leaven.ask("rows", query)]);
    const el = leaven.el, choice = (name, any) => leaven.select(name === "step" ? "made by" : name === "stage" ? "dropped by" : name, query[name], [["", any], ...facets[name].map(([key, count]) => [key, `${key} (${leaven.count(count)})`])], (value) => leaven.go({ [name]: value }));
    place.append(
      el("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, el("div", { class: "fields" },
        choice("verdict", "any verdict"), choice("stage", "any stage"), choice("step", "any maker"),
        leaven.select("highest first", query.sort, [["", "as they were made"], ...facets.scores.map((name) => [name, name.replaceAll("_", " ")])], (value) => leaven.go({ sort: value })),
        leaven.searchField(query.search, (value) => leaven.go({ search: value }, true)))),
      el("p", { class: "gap" }, `${leaven.count(result.hits)} of ${leaven.count(result.total)} rows`,
        leaven.data.lift && leaven.data.lift.stories.length < leaven.data.lift.total ? el("span", { class: "soft" }, ` – this folder holds ${leaven.count(leaven.data.lift.stories.length)} of ${leaven.count(leaven.data.lift.total)}, drawn at random (seed ${leaven.data.lift.seed})`) : null),
      thresholds(facets), el("ul", { class: "rows" }, result.rows.map((row) => rowLine(row, query.sort))), leaven.pager(query.page, result.pages) || "");
    leaven.say(`${result.hits} of ${result.total} rows`);
  },
};

// A row in a list: what became of it, where it is from, and how it begins; by `sort` its figure.
function rowLine(row, sort = "") {
  const el = leaven.el;
  return el("li", {}, el("a", { href: leaven.address({ view: "rows", row: row.row }) },
    el("span", { class: `verdict-${row.verdict} tag` }, row.verdict === "dropped" ? `${row.stage}: ${row.reason}` : row.verdict),
    el("span", { class: "tag soft" }, `row ${row.row}`, row.strategy ? ` · ${row.strategy}` : row.step ? ` · ${row.step}` : "", sort && row.score !== null && row.score !== undefined ? ` · ${sort} ${figureOf(row.score)}` : ""),
    el("b", { dir: "auto" }, row.question.slice(0, 240)), el("span", { dir: "auto" }, (row.answer || "(no answer)").slice(0, 240))));
}

let facetsCache;
function facetsOnce() {
  facetsCache ??= leaven.ask("facets");
  return facetsCache;
}

function figureOf(value) {
  return Number.isInteger(value) ? leaven.count(value) : Number(value).toPrecision(4);
}

// Thresholds that `leaven lift --from` may change: the counts and the rows that would come and go.
function thresholds(facets) {
  const el = leaven.el;
  if (leaven.isFolder() || !facets.sliders.length) return "";
  const values = Object.fromEntries(facets.sliders.map((slider) => [slider.name, slider.value]));
  const outcome = el("div", { class: "decision", role: "status" });
  let timer, latest = 0;
  const decide = async () => {
    const changes = Object.fromEntries(facets.sliders.filter((slider) => values[slider.name] !== slider.value).map((slider) => [slider.name, values[slider.name]]));
    const mine = ++latest;
    if (!Object.keys(changes).length) return outcome.replaceChildren();
    outcome.replaceChildren(el("p", { class: "soft" }, "Deciding again …"));
    try {
      const result = await leaven.ask("decide", changes);
      if (mine === latest) outcome.replaceChildren(...decision(result));
    } catch (error) {
      if (mine === latest) outcome.replaceChildren(el("p", { class: "warning" }, error.message));
    }
  };
  const control = (slider) => {
    const output = el("output", {}, figureOf(slider.value));
    const move = (event) => {
      values[slider.name] = Number(event.target.value);
      output.textContent = figureOf(values[slider.name]);
      clearTimeout(timer);
      timer = setTimeout(decide, 300);
    };
    return el("label", { class: "slider" }, el("span", {}, slider.label, " ", output),
      el("input", { type: "range", min: slider.low, max: slider.high, step: slider.step, value: slider.value, oninput: move }));
  };
  // The value of a range is clipped to its bounds, which have to be there first.
  const controls = facets.sliders.map((slider) => { const one = control(slider); one.querySelector("input").value = slider.value; return one; });
  return el("details", { class: "thresholds", id: "thresholds" }, el("summary", {}, "Other thresholds, without a call"), el("div", { class: "fields" }, controls), outcome);
}

function decision(result) {
  const el = leaven.el, command = el("p", {}, "As a run of its own: ", el("code", {}, result.command));
  if (!result.decided) return [el("p", {}, `${leaven.count(result.rows)} rows are more than a page waits for.`), command];
  const sample = (title, part) => el("div", {}, el("h3", {}, `${title}: ${leaven.count(part.rows)}`), el("ul", { class: "rows" }, part.sample.map((row) => el("li", {}, el("a", { href: leaven.address({ view: "rows", row: row.row }) },
    el("span", { class: "tag soft" }, `row ${row.row}${row.stage ? ` · ${row.stage}: ${row.reason}` : ""}`), el("b", { dir: "auto" }, row.question))))));
  return [el("p", {}, el("b", {}, `${leaven.count(result.kept)} rows would be kept`), `, now ${leaven.count(result.was)}. `, result.stages.map((row) => `${row.stage}: ${leaven.count(row.rows)} ${row.reason}`).join("; ") || "Nothing is dropped", "."),
    command, el("div", { class: "side" }, sample("Come", result.entries), sample("Go", result.exits))];
}

async function story(place, state) {
  const el = leaven.el, row = await leaven.ask("story", { row: state.row });
  const back = el("p", {}, el("a", { href: leaven.address({ view: "rows" }) }, "← all rows"));
  if (!row) return place.append(back, el("p", { class: "empty" }, leaven.isFolder() ? "This row is not in the folder's sample; leaven view RUN has it." : "There is no such row."));
  const link = (one) => el("a", { href: leaven.address({ view: "rows", row: one.row }) }, `row ${one.row}`);
  const origin = (one) => [one.step, one.strategy, one.round === null || one.round === undefined ? "" : `round ${one.round}`, one.model, one.prompt, one.place].filter(Boolean).join(" · ");
  const stage = (one) => el("li", { class: one.passed ? "passed" : "stopped" }, el("b", {}, one.passed ? "✓ " : "✗ ", one.stage), ` ${one.verdict}`,
    el("p", { class: "soft small" }, Object.entries(one.values).map(([name, value]) => `${name.replaceAll("_", " ")} ${figureOf(value)}`).join(" · ")), one.said ? el("blockquote", { dir: "auto" }, one.said) : null);
  const related = (title, ones) => (ones.length ? el("section", {}, el("h2", {}, title), ones.map((one) => el("article", { class: "card" }, el("p", { class: "tag soft" }, link(one), ` · ${origin(one)} · ${one.verdict}${one.stage ? ` by ${one.stage}` : ""}`, one.cosine ? ` · cosine ${one.cosine.toFixed(3)}` : ""), leaven.text(one.question), leaven.text(one.answer)))) : null);
  place.append(...[back,
    el("h1", {}, `Row ${row.row}: `, row.verdict === "kept" ? "kept" : row.verdict === "open" ? "open, since its call failed" : `dropped by ${row.stage}: ${row.reason}`),
    row.detail ? el("p", { class: "lead" }, row.detail) : null,
    el("p", { class: "soft" }, "From ", origin(row) || "nowhere that is known"),
    leaven.text(row.question), leaven.text(row.answer),
    el("section", {}, el("h2", {}, "What each stage said"), el("ol", { class: "stages" }, row.stages.map(stage)), row.stages.length ? null : el("p", { class: "soft" }, "No stage measured it.")),
    related("The kept row nearest to it", row.nearest ? [row.nearest] : []), related("Made from", row.parents), related("What was made of it", row.children)].filter(Boolean));
}
