// Answers side by side: method × seed for the same question, filtered by their marks, with the paired difference above.
"use strict";

leaven.views.answers = {
  title: "Answers",
  shown: (run) => run.kind === "study" && run.tests.length > 0,
  async draw(place, state, run) {
    const asked = settled(state, run);
    const found = await leaven.ask("answers", asked);
    const list = leaven.el("div", { class: "questions" }, found.questions.map((question) => card(question, asked, run)));
    const gap = leaven.el("p", { class: "gap" }, "…");
    place.append(filters(asked, found, run), gap, sampled(), list, leaven.pager(Number(asked.page || 0), found.pages) || "");
    if (!found.questions.length) list.append(leaven.el("p", { class: "empty" }, "No question is so. ", leaven.el("button", { type: "button", onclick: () => leaven.go({ show: "", search: "", phrasing: "" }) }, "Show all of this test")));
    leaven.say(`${found.shown} of ${found.total} questions`);
    // The interval takes longer than the list, which does not wait for it.
    Promise.resolve(leaven.ask("difference", { ...asked, page: 0, show: "all" })).then((difference) => gap.replaceChildren(...told(difference, asked, run)), (error) => { gap.textContent = error.message; });
  },
};

// The state with everything said that the address leaves open.
function settled(state, run) {
  const test = run.tests.find((one) => one.test === state.test) || run.tests[0];
  const measure = test.measures.find((one) => one.measure === state.measure) || test.measures[0];
  const known = (method, usual) => (run.methods.some((one) => one.key === method) ? method : usual);
  const b = known(state.b, run.main);
  return {
    test: test.test, measure: measure.measure, size: run.sizes.includes(Number(state.size)) ? Number(state.size) : run.sizes[0],
    a: known(state.a, b === test.opponent ? run.main : test.opponent), b, phrasing: test.phrasings.includes(state.phrasing) ? state.phrasing : "", search: state.search || "",
    show: ["differ", "worse", "better", "wrong"].includes(state.show) ? state.show : "all", page: Math.max(0, Number(state.page) || 0),
  };
}

function filters(asked, found, run) {
  const el = leaven.el, test = run.tests.find((one) => one.test === asked.test);
  const methods = run.methods.map((method) => [method.key, method.name]);
  const chips = [["all", "all", found.total], ["differ", "only where the two differ", found.counts.differ], ["worse", `${leaven.names[asked.b]} got worse`, found.counts.worse],
    ["better", `${leaven.names[asked.b]} got better`, found.counts.better], ["wrong", `${leaven.names[asked.b]} is not right`, found.counts.wrong]];
  return el("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
    el("div", { class: "fields" },
      leaven.select("test", asked.test, run.tests.map((one) => [one.test, one.name]), (value) => leaven.go({ test: value, measure: "", phrasing: "" })),
      leaven.select("marked by", asked.measure, test.measures.map((one) => [one.measure, one.name]), (value) => leaven.go({ measure: value })),
      run.sizes.length > 1 ? leaven.select("rows", asked.size, run.sizes.map((size) => [size, leaven.count(size)]), (value) => leaven.go({ size: value })) : null,
      leaven.select("method", asked.b, methods, (value) => leaven.go({ b: value })),
      leaven.select("beside", asked.a, methods, (value) => leaven.go({ a: value })),
      test.phrasings.length ? leaven.select("asked as", asked.phrasing, [["", "any phrasing"], ...test.phrasings.map((one) => [one, one])], (value) => leaven.go({ phrasing: value })) : null,
      leaven.searchField(asked.search, (value) => leaven.go({ search: value }, true))),
    el("div", { class: "chips", role: "group", "aria-label": "Which questions" }, chips.map(([key, words, count]) =>
      el("button", { type: "button", id: `show ${key}`, "aria-pressed": String(asked.show === key), onclick: () => leaven.go({ show: key === "all" ? "" : key }) }, words, " ", el("b", {}, leaven.count(count))))));
}

// The paired difference in a sentence, and as an interval beside zero.
function told(gap, asked, run) {
  const el = leaven.el, [a, b] = [leaven.names[asked.a], leaven.names[asked.b]];
  if (asked.a === asked.b || !gap) return ["Choose two methods that both answered this test, and their difference stands here."];
  if (gap.unknown) return ["This folder knows the difference of whole tests, by their first measure and for the main method; ", el("code", {}, "leaven view RUN"), " computes any."];
  const part = asked.phrasing || asked.search ? "of these questions" : "of the whole test";
  const interval = gap.low === null ? "no interval from one item" : `95 % interval ${leaven.points(gap.low)} to ${leaven.points(gap.high)}`;
  const verdict = gap.distinguishable ? "more than noise" : "not distinguishable from noise";
  const reach = Math.max(0.05, Math.abs(gap.low ?? gap.difference), Math.abs(gap.high ?? gap.difference));
  const words = `${b} less ${a}, ${part}: ${leaven.points(gap.difference)} points (${interval}; ${leaven.count(gap.items)} questions, ${gap.seeds} seed${gap.seeds > 1 ? "s" : ""}): ${verdict}.`;
  return [leaven.interval({ mean: gap.difference, low: gap.low, high: gap.high }, -reach, reach), el("span", {}, words,
    asked.show === "all" ? null : el("span", { class: "soft" }, " The filter by marks does not count for it: it would answer itself."))];
}

function sampled() {
  const there = leaven.data.answers;
  if (!there || there.questions.length === there.total) return "";
  return leaven.el("p", { class: "soft small" }, `This folder holds ${leaven.count(there.questions.length)} of ${leaven.count(there.total)} questions, drawn at random (seed ${there.seed}); counts are of these, the difference is of all.`);
}

function card(question, asked, run) {
  const el = leaven.el, groups = run.methods.map((method) => [method, alike(question.answers.filter((answer) => answer.method === method.key))]).filter(([, answers]) => answers.length);
  return el("article", { class: "card" }, leaven.text(question.prompt),
    question.reference.text ? el("details", {}, el("summary", {}, "reference"), leaven.text(question.reference)) : null,
    el("div", { class: "side" }, groups.map(([method, answers]) => el("section", { class: method.key === asked.b ? "method main" : "method" }, el("h3", {}, method.name), answers.map((answer) => reply(answer, question, asked, run))))));
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

function reply(answer, question, asked, run) {
  const el = leaven.el, test = run.tests.find((one) => one.test === asked.test);
  const marks = test.measures.filter((one) => answer.marks[one.measure] !== undefined).sort((one, other) => (other.measure === asked.measure) - (one.measure === asked.measure));
  const badge = (one) => {
    const value = answer.marks[one.measure];
    // A format's own measures say how it was read; neither way is a fault.
    if (run.ways.includes(one.measure)) return value ? el("span", { class: "badge soft" }, value === 1 ? one.name : `${leaven.percent(value)} % ${one.name}`) : null;
    const good = one.lower_is_better ? 1 - value : value;
    const sign = good === 1 ? "✓" : good === 0 ? "✗" : `${leaven.percent(value)} %`;
    return el("span", { class: `badge ${good === 1 ? "good" : good === 0 ? "bad" : "soft"}${one.measure === asked.measure ? " first" : ""}`, title: one.explanation }, `${sign} ${one.name}`);
  };
  const wanted = asked.measure === "value" || (question.expected || "").length < 80;
  const read = wanted && answer.marks.value === 0 && question.expected !== null
    ? el("p", { class: "read" }, "read: ", el("q", { dir: "auto" }, answer.value ?? "nothing"), ", expected: ", el("q", { dir: "auto" }, question.expected)) : null;
  return el("div", { class: "reply" }, el("p", { class: "badges" }, el("span", { class: "soft" }, `seed ${answer.seeds.join(", ")} `), marks.map(badge)), leaven.text(answer, answer.spans), read);
}
