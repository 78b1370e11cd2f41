// The run's answers from the data that lie beside the page: what view/source.py answers where there is a server.
"use strict";

leaven.sample = {
  PAGE: 20,
  ROWS: 30,

  run: () => leaven.data.run,
  live: () => leaven.data.live,
  watch: (asked) => leaven.data.watch?.[asked.cell] || Object.values(leaven.data.watch || {})[0] || null,

  answers(asked) {
    const marked = leaven.sample.marked(asked);
    const keep = {
      differ: (one) => one.differ, worse: (one) => one.gain < 0, better: (one) => one.gain > 0, wrong: (one) => one.wrong,
    };
    const order = { worse: (one) => one.gain, better: (one) => -one.gain, wrong: (one) => one.worst };
    const show = asked.show || "all";
    const chosen = keep[show] ? marked.filter(keep[show]) : marked;
    if (order[show]) chosen.sort((one, other) => order[show](one) - order[show](other) || one.place - other.place);
    const page = Number(asked.page || 0), size = leaven.sample.PAGE;
    return {
      total: marked.length, shown: chosen.length, pages: Math.ceil(chosen.length / size),
      counts: Object.fromEntries(Object.entries(keep).map(([name, is]) => [name, marked.filter(is).length])),
      questions: chosen.slice(page * size, (page + 1) * size).map((one) => one.question),
    };
  },

  // Each question of the test, phrasing and search with what the filters by marks ask.
  marked(asked) {
    const test = leaven.data.run.tests.find((one) => one.test === asked.test);
    const measure = test.measures.find((one) => one.measure === asked.measure);
    const side = measure.lower_is_better ? -1 : 1, words = (asked.search || "").toLowerCase();
    const says = (question) => [question.prompt, question.reference, ...question.answers].some((one) => one.text.toLowerCase().includes(words));
    const { questions, phrasings } = leaven.data.answers;
    const there = questions.filter((one) => one.test === asked.test && one.size === Number(asked.size)
      && (!asked.phrasing || phrasings[one.number] === asked.phrasing) && (!words || says(one)));
    return there.map((question, place) => {
      const values = question.answers.map((answer) => ({ method: answer.method, value: answer.marks[asked.measure] })).filter((one) => one.value !== undefined);
      const of = (method) => values.filter((one) => one.method === method).map((one) => one.value);
      const [a, b] = [of(asked.a), of(asked.b)], worst = Math.min(...b.map((value) => side * value));
      return {
        question, place, worst, differ: new Set([...a, ...b]).size > 1,
        gain: a.length && b.length ? side * (mean(b) - mean(a)) : 0, wrong: b.length > 0 && worst < (side < 0 ? 0 : 1),
      };
    });
  },

  // Of a whole test the difference was computed with its interval; of a part of it the folder can't tell one.
  difference(asked) {
    if (asked.phrasing || asked.search) return { unknown: true };
    const metric = `${asked.test}/${asked.measure}`;
    const same = leaven.data.answers.differences.filter((one) => one.metric === metric && one.size === Number(asked.size));
    const found = same.find((one) => one.a === asked.a && one.b === asked.b);
    const other = same.find((one) => one.a === asked.b && one.b === asked.a);
    if (other) return { ...other, difference: -other.difference, low: -other.high, high: -other.low };
    return found || { unknown: true };
  },

  facets: () => leaven.data.lift.facets,

  rows(asked) {
    const words = (asked.search || "").toLowerCase();
    const chosen = leaven.data.lift.stories.filter((row) => ["verdict", "stage", "step"].every((name) => !asked[name] || row[name] === asked[name])
      && (!words || `${row.question.text}\n${row.answer.text}`.toLowerCase().includes(words) || row.place === asked.search || String(row.row) === asked.search));
    const score = (row) => scores(row)[asked.sort] ?? null;
    if (asked.sort) chosen.sort((one, other) => (score(other) ?? -Infinity) - (score(one) ?? -Infinity) || one.row - other.row);
    const page = Number(asked.page || 0), size = leaven.sample.ROWS;
    return {
      total: leaven.data.lift.stories.length, shown: chosen.length, pages: Math.ceil(chosen.length / size),
      rows: chosen.slice(page * size, (page + 1) * size).map((row) => ({ ...row, score: score(row),
        question: row.question.text.slice(0, 240), answer: row.answer.text.slice(0, 240) })),
    };
  },

  story: (asked) => leaven.data.lift.stories.find((row) => String(row.row) === String(asked.row)) || null,

  map: () => leaven.data.lift.map,

  texts(asked) {
    const wanted = new Set(asked.rows.split(",").map(Number));
    return leaven.data.lift.stories.filter((row) => wanted.has(row.row)).map(({ row, id, place, step, strategy, round, verdict, stage, reason, question, answer }) =>
      ({ id, row, place, step, strategy, round, verdict, stage, reason, question: question.text, answer: answer.text }));
  },

  decide() {
    throw new Error("A folder can't decide again: leaven view RUN can");
  },
};

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function scores(row) {
  const found = { nearest_cosine: row.nearest?.cosine };
  for (const stage of row.stages) {
    for (const [name, value] of Object.entries(stage.values)) found[name === stage.stage ? name : `${stage.stage}_${name}`] = value;
  }
  return found;
}
