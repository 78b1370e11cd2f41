// The run's answers from the data that lie beside the page: what view/source.py answers where there is a server.
"use strict";

leaven.sample = {
  PAGE: 20,
  ROWS: 30,

  run: () => leaven.data.run,
  live: () => leaven.data.live,
  watch: (query) => leaven.data.watch?.[query.cell] || Object.values(leaven.data.watch || {})[0] || null,

  answers(query) {
    const judgements = leaven.sample.judgements(query);
    const keep = {
      differ: (one) => one.differ, worse: (one) => one.gain < 0, better: (one) => one.gain > 0, wrong: (one) => one.wrong,
    };
    const order = { worse: (one) => one.gain, better: (one) => -one.gain, wrong: (one) => one.worst };
    const show = query.show || "all";
    const selection = keep[show] ? judgements.filter(keep[show]) : judgements;
    if (order[show]) selection.sort((one, other) => order[show](one) - order[show](other) || one.place - other.place);
    const page = Number(query.page || 0), size = leaven.sample.PAGE;
    return {
      total: judgements.length, hits: selection.length, pages: Math.ceil(selection.length / size),
      counts: Object.fromEntries(Object.entries(keep).map(([name, is]) => [name, judgements.filter(is).length])),
      questions: selection.slice(page * size, (page + 1) * size).map((one) => one.question),
    };
  },

  // Each question of the test, phrasing and search with what the filters by marks ask.
  judgements(query) {
    const test = leaven.data.run.tests.find((one) => one.test === query.test);
    const measure = test.measures.find((one) => one.measure === query.measure);
    const side = measure.lower_is_better ? -1 : 1, words = (query.search || "").toLowerCase();
    const says = (question) => [question.prompt, question.reference, ...question.answers].some((one) => one.text.toLowerCase().includes(words));
    const { questions, phrasings } = leaven.data.answers;
    const there = questions.filter((one) => one.test === query.test && one.size === Number(query.size)
      && (!query.phrasing || phrasings[one.number] === query.phrasing) && (!words || says(one)));
    return there.map((question, place) => {
      const values = question.answers.map((answer) => ({ method: answer.method, value: answer.marks[query.measure] })).filter((one) => one.value !== undefined);
      const of = (method) => values.filter((one) => one.method === method).map((one) => one.value);
      const [a, b] = [of(query.a), of(query.b)], worst = Math.min(...b.map((value) => side * value));
      return {
        question, place, worst, differ: new Set([...a, ...b]).size > 1,
        gain: a.length && b.length ? side * (mean(b) - mean(a)) : 0, wrong: b.length > 0 && worst < (side < 0 ? 0 : 1),
      };
    });
  },

  // Of a whole test the difference was computed with its interval; of a part of it the folder can't tell one.
  difference(query) {
    if (query.phrasing || query.search) return { unknown: true };
    const metric = `${query.test}/${query.measure}`;
    const same = leaven.data.answers.differences.filter((one) => one.metric === metric && one.size === Number(query.size));
    const direct = same.find((one) => one.a === query.a && one.b === query.b);
    const other = same.find((one) => one.a === query.b && one.b === query.a);
    if (other) return { ...other, difference: -other.difference, low: -other.high, high: -other.low };
    return direct || { unknown: true };
  },

  facets: () => leaven.data.lift.facets,

  rows(query) {
    const words = (query.search || "").toLowerCase();
    const selection = leaven.data.lift.stories.filter((row) => ["verdict", "stage", "step"].every((name) => !query[name] || row[name] === query[name])
      && (!words || `${row.question.text}\n${row.answer.text}`.toLowerCase().includes(words) || row.place === query.search || String(row.row) === query.search));
    const score = (row) => scores(row)[query.sort] ?? null;
    if (query.sort) selection.sort((one, other) => (score(other) ?? -Infinity) - (score(one) ?? -Infinity) || one.row - other.row);
    const page = Number(query.page || 0), size = leaven.sample.ROWS;
    return {
      total: leaven.data.lift.stories.length, hits: selection.length, pages: Math.ceil(selection.length / size),
      rows: selection.slice(page * size, (page + 1) * size).map((row) => ({ ...row, score: score(row),
        question: row.question.text.slice(0, 240), answer: row.answer.text.slice(0, 240) })),
    };
  },

  story: (query) => leaven.data.lift.stories.find((row) => String(row.row) === String(query.row)) || null,

  map: () => leaven.data.lift.map,

  texts(query) {
    const numbers = new Set(query.rows.split(",").map(Number));
    return leaven.data.lift.stories.filter((row) => numbers.has(row.row)).map(({ row, id, place, step, strategy, round, verdict, stage, reason, question, answer }) =>
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
  const values = { nearest_cosine: row.nearest?.cosine };
  for (const stage of row.stages) {
    for (const [name, value] of Object.entries(stage.values)) values[name === stage.stage ? name : `${stage.stage}_${name}`] = value;
  }
  return values;
}
