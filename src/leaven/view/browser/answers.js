// Answers side by side: method × seed for the same question, filtered by their marks, with the paired difference above.
"use strict";

leaven.views.answers = {
  title: "Answers",
  isShown: (run) => run.kind === "study" && run.tests.length > 0,
  async draw(place, state, run) {
    const query = wholeQuery(state, run);
    const result = await leaven.ask("answers", query);
    const list = leaven.el("div", { class: "questions" }, result.questions.map((question) => card(question, query, run)));
    const gap = leaven.el("p", { class: "gap" }, "…");
    place.append(filters(query, result, run), gap, sampleNote(), list, leaven.pager(Number(query.page || 0), result.pages) || "");
    if (!result.questions.length) list.append(leaven.el("p", { class: "empty" }, "No question is so. ", leaven.el("button", { type: "button", onclick: () => leaven.go({ show: "", search: "", phrasing: "" }) }, "Show all of this test")));
    leaven.say(`${result.hits} of ${result.total} questions`);
    // The interval takes longer than the list, which does not wait for it.
    Promise.resolve(leaven.ask("difference", { ...query, page: 0, show: "all" })).then((difference) => gap.replaceChildren(...sentence(difference, query, run)), (error) => { gap.textContent = error.message; });
  },
};

// The state with everything that the address leaves open.
function wholeQuery(state, run) {
  const test = run.tests.find((one) => one.test === state.test) || run.tests[0];
  const measure = test.measures.find((one) => one.measure === state.measure) || test.measures[0];
  const methodOr = (method, usual) => (run.methods.some((one) => one.key === method) ? method : usual);
  const b = methodOr(state.b, run.main);
  return {
    test: test.test, measure: measure.measure, size: run.sizes.includes(Number(state.size)) ? Number(state.size) : run.sizes[0],
    a: methodOr(state.a, b === test.opponent ? run.main : test.opponent), b, phrasing: test.phrasings.includes(state.phrasing) ? state.phrasing : "", search: state.search || "",
    show: ["differ", "worse", "better", "wrong"].includes(state.show) ? state.show : "all", page: Math.max(0, Number(state.page) || 0),
  };
}

function filters(query, result, run) {
  const el = leaven.el, test = run.tests.find((one) => one.test === query.test);
  const methods = run.methods.map((method) => [method.key, method.name]);
  const chips = [["all", "all", result.total], ["differ", "only where the two differ", result.counts.differ], ["worse", `${leaven.names[query.b]} got worse`, result.counts.worse],
    ["better", `${leaven.names[query.b]} got better`, result.counts.better], ["wrong", `${leaven.names[query.b]} is not right`, result.counts.wrong]];
  return el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    el("div", { class: "fields" },
      leaven.select("test", query.test, run.tests.map((one) => [one.test, one.name]), (value) => leaven.go({ test: value, measure: "", phrasing: "" })),
      leaven.select("marked by", query.measure, test.measures.map((one) => [one.measure, one.name]), (value) => leaven.go({ measure: value })),
      run.sizes.length > 1 ? leaven.select("rows", query.size, run.sizes.map((size) => [size, leaven.count(size)]), (value) => leaven.go({ size: value })) : null,
      leaven.select("method", query.b, methods, (value) => leaven.go({ b: value })),
      leaven.select("beside", query.a, methods, (value) => leaven.go({ a: value })),
      test.phrasings.length ? leaven.select("asked as", query.phrasing, [["", "any phrasing"], ...test.phrasings.map((one) => [one, one])], (value) => leaven.go({ phrasing: value })) : null,
      leaven.searchField(query.search, (value) => leaven.go({ search: value }, true))),
    el("div", { class: "chips", role: "group", "aria-label": "Which questions" }, chips.map(([key, words, count]) =>
      el("button", { type: "button", id: `show ${key}`, "aria-pressed": String(query.show === key), onclick: () => leaven.go({ show: key === "all" ? "" : key }) }, words, " ", el("b", {}, leaven.count(count))))));
}

// The paired difference in a sentence, and as an interval beside zero.
function sentence(gap, query, run) {
  const el = leaven.el, [a, b] = [leaven.names[query.a], leaven.names[query.b]];
  if (query.a === query.b || !gap) return ["Choose two methods that both answered this test, and their difference stands here."];
  if (gap.unknown) return ["This folder knows the difference of whole tests, by their first measure and for the main method; ", el("code", {}, "leaven view RUN"), " computes any."];
  const part = query.phrasing || query.search ? "of these questions" : "of the whole test";
  const interval = gap.low === null ? "no interval from one item" : `95 % interval ${leaven.points(gap.low)} to ${leaven.points(gap.high)}`;
  const verdict = gap.distinguishable ? "more than noise" : "not distinguishable from noise";
  const reach = Math.max(0.05, Math.abs(gap.low ?? gap.difference), Math.abs(gap.high ?? gap.difference));
  const words = `${b} less ${a}, ${part}: ${leaven.points(gap.difference)} points (${interval}; ${leaven.count(gap.items)} questions, ${gap.seeds} seed${gap.seeds > 1 ? "s" : ""}): ${verdict}.`;
  return [leaven.interval({ mean: gap.difference, low: gap.low, high: gap.high }, -reach, reach), el("span", {}, words,
    query.show === "all" ? null : el("span", { class: "soft" }, " The filter by marks does not count for it: it would answer itself."))];
}

function sampleNote() {
  const there = leaven.data.answers;
  if (!there || there.questions.length === there.total) return "";
  return leaven.el("p", { class: "soft small" }, `This folder holds ${leaven.count(there.questions.length)} of ${leaven.count(there.total)} questions, drawn at random (seed ${there.seed}); counts are of these, the difference is of all.`);
}

function card(question, query, run) {
  const el = leaven.el, groups = run.methods.map((method) => [method, alike(question.answers.filter((answer) => answer.method === method.key))]).filter(([, answers]) => answers.length);
  return el("article", { class: "card" }, leaven.text(question.prompt),
    question.reference.text ? el("details", {}, el("summary", {}, "reference"), leaven.text(question.reference)) : null,
    el("div", { class: "side" }, groups.map(([method, answers]) => el("section", { class: method.key === query.b ? "method main" : "method" }, el("h3", {}, method.name), answers.map((answer) => reply(answer, question, query, run))))));
}

// Answers of several seeds that say the same, and are marked the same, are one.
function alike(answers) {
  const groups = new Map();
  for (const answer of answers) {
    const key = JSON.stringify([answer.text, answer.marks]);
    if (groups.has(key)) groups.get(key).seeds.push(answer.seed);
    else groups.set(key, { ...answer, seeds: [answer.seed] });
  }
  return [...groups.values()];
}

function reply(answer, question, query, run) {
  const el = leaven.el, test = run.tests.find((one) => one.test === query.test);
  const marks = test.measures.filter((one) => answer.marks[one.measure] !== undefined).sort((one, other) => (other.measure === query.measure) - (one.measure === query.measure));
  const badge = (one) => {
    const value = answer.marks[one.measure];
    // A format's own measures say how it was read; neither way is a fault.
    if (run.ways.includes(one.measure)) return value ? el("span", { class: "badge soft" }, value === 1 ? one.name : `${leaven.percent(value)} % ${one.name}`) : null;
    const good = one.lower_is_better ? 1 - value : value;
    const sign = good === 1 ? "✓" : good === 0 ? "✗" : `${leaven.percent(value)} %`;
    return el("span", { class: `badge ${good === 1 ? "good" : good === 0 ? "bad" : "soft"}${one.measure === query.measure ? " first" : ""}`, title: one.explanation }, `${sign} ${one.name}`);
  };
  const wanted = query.measure === "value" || (question.expected || "").length < 80;
  const read = wanted && answer.marks.value === 0 && question.expected !== null
    ? el("p", { class: "read" }, "read: ", el("q", { dir: "auto" }, answer.value ?? "nothing"), ", expected: ", el("q", { dir: "auto" }, question.expected)) : null;
  return el("div", { class: "reply" }, el("p", { class: "badges" }, el("span", { class: "soft" }, `seed ${answer.seeds.join(", ")} `), marks.map(badge)), leaven.text(answer, answer.spans), read);
}
