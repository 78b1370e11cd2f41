// The run as it goes: what is under way, done and left, losses, what models say as they learn, money, failures.
"use strict";

leaven.views.live = {
  title: "Run",
  isShown: () => true,
  every: 3000,
  async draw(place, state, run) {
    const el = leaven.el, [live, watch] = await Promise.all([leaven.ask("live"), run.kind === "study" ? leaven.ask("watch", { cell: state.cell || "" }) : null]);
    const methods = (run.methods || []).map((method) => method.key);
    place.append(...[
      el("h1", {}, live.finished ? `Finished at ${live.finished}` : progressLine(live)),
      live.finished || leaven.isFolder() ? null : el("p", { class: "soft" }, live.written ? `Last heard of ${duration(live.now - live.written)} ago. This page keeps up by itself.` : "Nothing was written yet. This page keeps up by itself."),
      now(live), money(live), failures(live), grid(watch), cells(live), stages(live), losses(live, methods),
      el("section", {}, el("h2", {}, "The last events"), leaven.table(["time", "event", ""], live.events.slice().reverse().map(({ time, event, ...rest }) => [clock(time), event, Object.entries(rest).map(([name, value]) => `${name} ${value}`).join(" · ")]))),
    ].filter(Boolean));
  },
};

function progressLine(live) {
  if (!live.cells) return live.stages.length ? `Running: ${live.stages.length} stages are done` : "Running";
  const { done, rest, seconds_left: seconds } = live.cells;
  return `${done.length} of ${done.length + rest.length} cells are done${seconds ? `, about ${duration(seconds)} left` : ""}`;
}

// What is under way: how much of it, how fast, how long still; and what it says of itself (replies that failed, money).
function now(live) {
  if (!live.under_way) return null;
  const { what, unit, done, total, tokens, seconds, note } = live.under_way, el = leaven.el;
  const rate = (count) => `${count / seconds < 10 ? (count / seconds).toFixed(1) : leaven.count(Math.round(count / seconds))}`;
  const parts = [`${leaven.count(done)}${total ? ` of ${leaven.count(total)}` : ""} ${unit}`, `${rate(done)} ${unit} a second`, tokens ? `${rate(tokens)} tokens a second` : "",
    total && done ? `about ${duration((seconds / done) * (total - done))} left` : "", note];
  return el("section", { class: "now" }, el("h2", {}, `Now: ${what}`), total ? el("progress", { max: total, value: done, "aria-label": `${unit} that are done` }) : null, el("p", {}, parts.filter(Boolean).join(" · ")));
}

// Fixed prompts down, the points of a training across.
function grid(watch) {
  if (!watch) return null;
  const el = leaven.el, choose = leaven.select("cell", watch.cell, watch.cells.map((name) => [name, name]), (value) => leaven.go({ cell: value }));
  const line = (one) => el("tr", {}, el("th", { scope: "row" }, leaven.text(one.prompt), el("small", {}, one.test)),
    one.answers.map((answer, place) => el("td", { "data-head": watch.points[place] }, answer ? leaven.text(answer, answer.spans) : el("span", { class: "soft" }, "to come"))));
  return el("section", {}, el("h2", {}, "What it says as it learns"), choose, el("div", { class: "scroll", tabindex: 0 }, el("table", { class: "grid stack" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "prompt"), watch.points.map((point) => el("th", { scope: "col" }, point)))), el("tbody", {}, watch.lines.map(line)))),
  el("p", { class: "soft small" }, "Answers in the middle of a training end after 32 tokens. Yellow is where the format was found."));
}

function cells(live) {
  if (!live.cells) return null;
  const el = leaven.el, all = live.cells.done.length + live.cells.rest.length;
  const lines = [...live.cells.done.map((cell) => [cell.name, duration(cell.seconds)]), ...live.cells.rest.map((name) => [name, "to come"])];
  return el("section", {}, el("h2", {}, "Cells"), el("progress", { max: all, value: live.cells.done.length, "aria-label": "cells that are done" }), leaven.table(["cell", "took"], lines, (place) => place === 1));
}

function stages(live) {
  if (!live.stages.length) return null;
  const took = (stage) => (stage.seconds === null ? "–" : duration(stage.seconds));
  return leaven.el("section", {}, leaven.el("h2", {}, "Stages"), leaven.table(["stage", "rows left", "took"], live.stages.map((stage) => [stage.name, leaven.count(stage.rows), took(stage)]), (place) => place > 0));
}

function money(live) {
  if (!live.calls.length) return null;
  const lines = live.calls.map((one) => [one.stage || "study", one.engine, leaven.count(one.calls), leaven.count(one.failed), leaven.count(one.saved), leaven.count(one.prompt_tokens), leaven.count(one.completion_tokens), one.cost === null ? "unknown" : `$${one.cost.toFixed(2)}`]);
  const priced = live.calls.filter((one) => one.cost !== null);
  const last = live.calls.at(-1), left = last.max_cost && last.cost !== null ? ` After ${last.stage || "the study"} $${Math.max(0, last.max_cost - last.cost).toFixed(2)} of this command's limit were left.` : "";
  const sum = priced.length ? `$${priced.reduce((total, one) => total + one.cost, 0).toFixed(2)} so far${priced.length < live.calls.length ? ", of engines whose prices are known" : ""}.${left}` : "No engine's price is known.";
  return leaven.el("section", {}, leaven.el("h2", {}, "Calls and money"), leaven.el("p", {}, sum), leaven.table(["stage", "engine", "calls", "failed", "from the store", "tokens in", "tokens out", "cost"], lines, (place) => place > 1));
}

function losses(live, methods) {
  if (!live.losses.length) return null;
  const el = leaven.el, there = methods.filter((method) => live.losses.some((curve) => curve.method === method));
  return el("section", {}, el("h2", {}, "Loss, cell by cell"), leaven.curves(live.losses, methods),
    el("p", { class: "keys" }, there.map((method) => el("span", { class: `key c${methods.indexOf(method) % 6}` }, leaven.names[method]))), el("p", { class: "soft small" }, "Down: the loss, on a scale of logarithms; across: optimiser steps."));
}

function failures(live) {
  if (!live.failures.length) return null;
  return leaven.el("section", {}, leaven.el("h2", {}, "The last failures"), leaven.el("ul", { class: "failures" }, live.failures.map((line) => leaven.el("li", { dir: "auto" }, line))));
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function clock(time) {
  return new Date(1000 * time).toLocaleTimeString([], { hourCycle: "h23" });
}
