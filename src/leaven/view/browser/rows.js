// The rows of a lift: filtered and searched, the story of each, and thresholds that decide again without a call.
"use strict";

leaven.views.rows = {
  title: "Rows",
  shown: (run) => run.kind === "lift" && run.finished,
  async draw(place, state) {
    if (state.row !== undefined) return story(place, state);
    const names = ["verdict", "stage", "step", "search", "sort", "page"];
    const asked = Object.fromEntries(names.map((name) => [name, state[name] || ""]));
    const [facets, found] = await Promise.all([facetsOnce(), leaven.ask("rows", { ...asked, page: asked.page || 0 })]);
    const el = leaven.el, choice = (name, any) => leaven.select(name === "step" ? "made by" : name === "stage" ? "dropped by" : name, asked[name], [["", any], ...facets[name].map(([key, count]) => [key, `${key} (${leaven.count(count)})`])], (value) => leaven.go({ [name]: value }));
    place.append(
      el("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, el("div", { class: "fields" },
        choice("verdict", "any verdict"), choice("stage", "any stage"), choice("step", "any maker"),
        leaven.select("highest first", asked.sort, [["", "as they were made"], ...facets.scores.map((name) => [name, name.replaceAll("_", " ")])], (value) => leaven.go({ sort: value })),
        leaven.searchField(asked.search, (value) => leaven.go({ search: value }, true)))),
      el("p", { class: "gap" }, `${leaven.count(found.shown)} of ${leaven.count(found.total)} rows`,
        leaven.data.lift && leaven.data.lift.stories.length < leaven.data.lift.total ? el("span", { class: "soft" }, ` – this folder holds ${leaven.count(leaven.data.lift.stories.length)} of ${leaven.count(leaven.data.lift.total)}, drawn at random (seed ${leaven.data.lift.seed})`) : null),
      thresholds(facets), el("ul", { class: "rows" }, found.rows.map((row) => rowLine(row, asked.sort))), leaven.pager(Number(asked.page || 0), found.pages) || "");
    leaven.say(`${found.shown} of ${found.total} rows`);
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

let facetsKnown;
function facetsOnce() {
  facetsKnown ??= leaven.ask("facets");
  return facetsKnown;
}

function figureOf(value) {
  return Number.isInteger(value) ? leaven.count(value) : Number(value).toPrecision(4);
}

// Thresholds that `leaven lift --from` may change: the counts and the rows that would come and go.
function thresholds(facets) {
  const el = leaven.el;
  if (leaven.isFolder() || !facets.sliders.length) return "";
  const values = Object.fromEntries(facets.sliders.map((slider) => [slider.name, slider.value]));
  const result = el("div", { class: "decided", role: "status" });
  let waiting, latest = 0;
  const decide = async () => {
    const changed = Object.fromEntries(facets.sliders.filter((slider) => values[slider.name] !== slider.value).map((slider) => [slider.name, values[slider.name]]));
    const mine = ++latest;
    if (!Object.keys(changed).length) return result.replaceChildren();
    result.replaceChildren(el("p", { class: "soft" }, "Deciding again …"));
    try {
      const found = await leaven.ask("decide", changed);
      if (mine === latest) result.replaceChildren(...decided(found));
    } catch (error) {
      if (mine === latest) result.replaceChildren(el("p", { class: "warning" }, error.message));
    }
  };
  const control = (slider) => {
    const shown = el("output", {}, figureOf(slider.value));
    const moved = (event) => {
      values[slider.name] = Number(event.target.value);
      shown.textContent = figureOf(values[slider.name]);
      clearTimeout(waiting);
      waiting = setTimeout(decide, 300);
    };
    return el("label", { class: "slider" }, el("span", {}, slider.label, " ", shown),
      el("input", { type: "range", min: slider.low, max: slider.high, step: slider.step, value: slider.value, oninput: moved }));
  };
  // The value of a range is clipped to its bounds, which have to be there first.
  const controls = facets.sliders.map((slider) => { const one = control(slider); one.querySelector("input").value = slider.value; return one; });
  return el("details", { class: "thresholds", id: "thresholds" }, el("summary", {}, "Other thresholds, without a call"), el("div", { class: "fields" }, controls), result);
}

function decided(found) {
  const el = leaven.el, command = el("p", {}, "As a run of its own: ", el("code", {}, found.command));
  if (!found.decided) return [el("p", {}, `${leaven.count(found.rows)} rows are more than a page waits for.`), command];
  const sample = (title, part) => el("div", {}, el("h3", {}, `${title}: ${leaven.count(part.rows)}`), el("ul", { class: "rows" }, part.sample.map((row) => el("li", {}, el("a", { href: leaven.address({ view: "rows", row: row.row }) },
    el("span", { class: "tag soft" }, `row ${row.row}${row.stage ? ` · ${row.stage}: ${row.reason}` : ""}`), el("b", { dir: "auto" }, row.question))))));
  return [el("p", {}, el("b", {}, `${leaven.count(found.kept)} rows would be kept`), `, now ${leaven.count(found.was)}. `, found.stages.map((row) => `${row.stage}: ${leaven.count(row.rows)} ${row.reason}`).join("; ") || "Nothing is dropped", "."),
    command, el("div", { class: "side" }, sample("Come", found.come), sample("Go", found.gone))];
}

async function story(place, state) {
  const el = leaven.el, row = await leaven.ask("story", { row: state.row });
  const back = el("p", {}, el("a", { href: leaven.address({ view: "rows" }) }, "← all rows"));
  if (!row) return place.append(back, el("p", { class: "empty" }, leaven.isFolder() ? "This row is not in the folder's sample; leaven view RUN has it." : "There is no such row."));
  const link = (one) => el("a", { href: leaven.address({ view: "rows", row: one.row }) }, `row ${one.row}`);
  const came = (one) => [one.step, one.strategy, one.round === null || one.round === undefined ? "" : `round ${one.round}`, one.model, one.prompt, one.place].filter(Boolean).join(" · ");
  const stage = (one) => el("li", { class: one.passed ? "passed" : "stopped" }, el("b", {}, one.passed ? "✓ " : "✗ ", one.stage), ` ${one.verdict}`,
    el("p", { class: "soft small" }, Object.entries(one.values).map(([name, value]) => `${name.replaceAll("_", " ")} ${figureOf(value)}`).join(" · ")), one.said ? el("blockquote", { dir: "auto" }, one.said) : null);
  const related = (title, ones) => (ones.length ? el("section", {}, el("h2", {}, title), ones.map((one) => el("article", { class: "card" }, el("p", { class: "tag soft" }, link(one), ` · ${came(one)} · ${one.verdict}${one.stage ? ` by ${one.stage}` : ""}`, one.cosine ? ` · cosine ${one.cosine.toFixed(3)}` : ""), leaven.text(one.question), leaven.text(one.answer)))) : null);
  place.append(...[back,
    el("h1", {}, `Row ${row.row}: `, row.verdict === "kept" ? "kept" : row.verdict === "open" ? "open, since its call failed" : `dropped by ${row.stage}: ${row.reason}`),
    row.detail ? el("p", { class: "lead" }, row.detail) : null,
    el("p", { class: "soft" }, "From ", came(row) || "nowhere that is known"),
    leaven.text(row.question), leaven.text(row.answer),
    el("section", {}, el("h2", {}, "What each stage said"), el("ol", { class: "stages" }, row.stages.map(stage)), row.stages.length ? null : el("p", { class: "soft" }, "No stage measured it.")),
    related("The kept row nearest to it", row.nearest ? [row.nearest] : []), related("Made from", row.parents), related("What was made of it", row.children)].filter(Boolean));
}
