// The first page: what was found in a sentence, the figure, the table, and from each figure the answers behind it.
"use strict";

leaven.views.report = {
  title: "Report",
  isShown: () => true,
  async draw(place, state, run) {
    place.append(...(run.kind === "lift" ? ofLift(run) : ofStudy(run)));
  },
};

function ofStudy(run) {
  const el = leaven.el;
  return [
    el("p", { class: "kicker" }, [run.model, run.started].filter(Boolean).join(" · ")),
    el("h1", {}, run.claim || run.headline),
    run.loss ? el("p", { class: "lead loss" }, run.loss) : null,
    run.warnings.map((text) => el("p", { class: "warning" }, text)),
    run.claim ? el("p", { class: "lead" }, run.headline) : null,
    run.table.length ? [figure(run), table(run)] : null,
    run.findings.length ? el("section", {}, el("h2", {}, "What was found"), el("ul", {}, run.findings.map((text) => el("li", {}, text)))) : null,
    run.forgotten.lines.length ? el("section", {}, el("h2", {}, "What is forgotten"), leaven.table(run.forgotten.heads, run.forgotten.lines)) : null,
    run.cautions.length ? el("section", {}, el("h2", {}, "What the figures can't bear"), el("ul", {}, run.cautions.map((text) => el("li", {}, text)))) : null,
    el("section", {}, el("h2", {}, "The methods"), el("dl", { class: "legend" }, run.methods.flatMap((method) => [el("dt", {}, method.name), el("dd", {}, method.summary || "–")]))),
    run.notes.length ? el("details", {}, el("summary", {}, "Notes"), el("ul", {}, run.notes.map((text) => el("li", {}, text)))) : null,
    files(run),
  ].flat(3).filter(Boolean);
}

// For each headline measure a panel: a line for each method, with its interval, its seeds and its mean.
function figure(run) {
  const el = leaven.el, size = Math.max(...run.table.map((line) => line.size));
  const lines = run.table.filter((line) => line.size === size);
  const panel = (column, place) => el("figure", { class: "panel" },
    el("figcaption", {}, column.heading, column.lower_is_better ? el("span", { class: "soft" }, " – lower is better") : null, column.testable ? null : el("span", { class: "soft" }, " – not testable with this model")),
    lines.filter((line) => line.cells[place]).map((line) => el("div", { class: line.method === run.main ? "measure main" : "measure" },
      el("span", {}, leaven.names[line.method]), leaven.interval(line.cells[place]), el("b", {}, leaven.percent(line.cells[place].mean)))));
  return el("section", { class: "panels", "aria-label": "The methods side by side" }, run.columns.map(panel),
    el("p", { class: "soft small" }, "Percent. Dots: means; bars: 95 % intervals over seeds and items; ticks: seeds."));
}

function table(run) {
  const el = leaven.el;
  const head = (column) => el("th", { class: "n", scope: "col", title: column.explanation }, column.heading, column.lower_is_better ? " ↓" : "", column.testable ? "" : " †");
  const cell = (line, value, place) => {
    if (!value) return el("td", { class: "n", "data-head": run.columns[place].heading }, "–");
    const mean = el(value.best ? "strong" : "span", {}, leaven.percent(value.mean));
    const range = value.low === null ? null : el("small", {}, `${leaven.percent(value.low)} to ${leaven.percent(value.high)}`);
    return el("td", { class: "n", "data-head": run.columns[place].heading }, behind(run, line, run.columns[place], [mean, range]));
  };
  const rows = run.table.map((line) => el("tr", { class: line.method === run.main ? "main" : null },
    el("th", { scope: "row" }, leaven.names[line.method]), el("td", { class: "n", "data-head": "rows" }, line.size),
    line.cells.map((value, place) => cell(line, value, place)),
    line.costs.map((value, place) => el("td", { class: "n soft", "data-head": run.costs[place][0] }, value))));
  const ceiling = run.ceilings.length ? el("tr", { class: "ceiling" }, el("th", { scope: "row" }, "In plain words"), el("td"),
    run.ceilings.map((value, place) => el("td", { class: "n", "data-head": run.columns[place].heading }, leaven.percent(value))), run.costs.map(() => el("td"))) : null;
  return el("section", {}, el("h2", {}, "The figures"), el("p", { class: "soft small" }, "Each figure opens the answers behind it: those that are not right first. Bold: better than the next method by more than noise."),
    el("div", { class: "scroll", tabindex: 0 }, el("table", { class: "stack" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "method"), el("th", { class: "n", scope: "col" }, "rows"), run.columns.map(head), run.costs.map(([name, words]) => el("th", { class: "n", scope: "col", title: words }, name)))),
      el("tbody", {}, ceiling, rows))),
    el("dl", { class: "legend" }, run.columns.flatMap((column) => [el("dt", {}, column.heading), el("dd", {}, column.explanation, column.testable ? "" : " († not testable with this model)")]),
      run.ceilings.length ? [el("dt", {}, "In plain words"), el("dd", {}, "the ceiling: the untouched model, when the request says in plain words what the token means")] : null));
}

// A figure as a link to its answers; measures of questions together show the first measure that answers have.
function behind(run, line, column, children) {
  const [test, measure] = column.metric.split("/");
  const entry = run.tests.find((one) => one.test === test);
  if (!entry) return children;
  const own = entry.measures.some((one) => one.measure === measure) ? measure : entry.measures[0].measure;
  const state = { view: "answers", test, measure: own, size: line.size, b: line.method, a: line.method === entry.opponent ? run.main : entry.opponent, show: "wrong" };
  return leaven.el("a", { href: leaven.address(state), title: `${leaven.names[line.method]}: the answers that are not right` }, children);
}

function ofLift(run) {
  const el = leaven.el;
  if (!run.finished) return [el("h1", {}, run.headline)];
  return [
    el("p", { class: "kicker" }, "lift"),
    el("h1", {}, run.headline),
    el("dl", { class: "verdict" }, run.lines.flatMap((line) => [el("dt", {}, line.good === null ? null : el("span", { class: line.good ? "good" : "bad" }, line.good ? "✓ " : "✗ "), line.asks),
      el("dd", {}, line.says, line.detail ? el("small", {}, line.detail) : null)])),
    el("section", {}, el("h2", {}, "The sets side by side"), leaven.table(run.sets.heads, run.sets.lines, (place) => place > 0),
      el("p", { class: "soft small" }, run.sets.about)),
    el("section", {}, el("h2", {}, "Where the rows went"), el("p", { class: "soft small" }, "Each opens the rows that left there."),
      leaven.table(["stage", "reason", "rows"], run.stages.map((row) => [el("a", { href: leaven.address({ view: "rows", stage: row.stage }) }, row.stage), row.reason, leaven.count(row.rows)]), (place) => place === 2)),
    run.notes.length ? el("section", {}, el("h2", {}, "Notes"), el("ul", {}, run.notes.map((text) => el("li", {}, text)))) : null,
    files(run),
  ].filter(Boolean);
}

// The figures for papers, and the report as one file.
function files(run) {
  const el = leaven.el, link = (href, words) => el("a", { href }, words);
  if (!run.report && !run.charts.length) return null;
  return el("section", {}, el("h2", {}, "To take away"), el("ul", {},
    run.report ? el("li", {}, link("report.html", "The whole report as one page"), ", with charts, mixtures, searches and settings") : null,
    run.charts.length ? el("li", {}, "Charts: ", run.charts.map((name, place) => [place ? ", " : "", link(`charts/${name}`, name)])) : null));
}
