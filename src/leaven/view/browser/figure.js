// Figures drawn as the page is: means with their intervals, and curves, in the colours of the page.
"use strict";

leaven.svg = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
};

// A line of a figure: an interval, a tick for each seed, and a dot for the mean, on a scale from `low` to `high`.
leaven.interval = (row, low = 0, high = 1) => {
  const at = (value) => 2 + 96 * (Math.min(high, Math.max(low, value)) - low) / (high - low);
  const svg = leaven.svg("svg", { class: "interval", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    leaven.svg("line", { class: "axis", x1: 2, x2: 98, y1: 5, y2: 5 }));
  if (low < 0) svg.append(leaven.svg("line", { class: "zero", x1: at(0), x2: at(0), y1: 0, y2: 10 }));
  if (row.low !== null) svg.append(leaven.svg("line", { class: "range", x1: at(row.low), x2: at(row.high), y1: 5, y2: 5 }));
  for (const value of Object.values(row.by_seed || {})) svg.append(leaven.svg("line", { class: "seed", x1: at(value), x2: at(value), y1: 1.5, y2: 8.5 }));
  svg.append(leaven.svg("line", { class: "mean", x1: at(row.mean), x2: at(row.mean), y1: 5, y2: 5 }));
  return svg;
};

// Curves of losses by step, on a scale of logarithms; `curves` are {method, points}.
leaven.curves = (curves, methods) => {
  const points = curves.flatMap((curve) => curve.points);
  const most = Math.max(...points.map(([step]) => step), 2);
  const losses = points.map(([, loss]) => Math.max(loss, 1e-3));
  const [low, high] = [Math.log(Math.min(...losses)), Math.log(Math.max(...losses))];
  const x = (step) => 600 * (step - 1) / (most - 1), y = (loss) => 160 - 150 * (Math.log(Math.max(loss, 1e-3)) - low) / (high - low || 1);
  return leaven.svg("svg", { class: "curves", viewBox: "-4 0 608 166", role: "img", "aria-label": `Losses, from ${Math.exp(high).toPrecision(3)} to ${Math.exp(low).toPrecision(3)}` },
    curves.map((curve) => leaven.svg("polyline", { class: `line c${methods.indexOf(curve.method) % 6}`, points: curve.points.map(([step, loss]) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(" ") })));
};
