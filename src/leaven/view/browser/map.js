// The map of a lift: its rows as points, a box that marks some of them by mouse or by keys, their list, and its export.
"use strict";

leaven.views.map = {
  title: "Map",
  isShown: (run) => run.kind === "lift" && run.finished && run.map,
  async draw(place, state) {
    const el = leaven.el, map = await mapOnce();
    if (!map.row.length) return place.append(el("p", { class: "empty" }, "These rows have no map: they are fewer than two, or all the same."));
    scale ??= scales(map);
    const verdict = ["kept", "dropped", "open"].includes(state.verdict) ? state.verdict : "";
    const points = map.row.map((row, at) => ({ row, x: map.x[at], y: map.y[at], verdict: map.verdict[at] })).filter((point) => !verdict || point.verdict === verdict);
    const box = boxOf(state.box), selection = box ? points.filter((point) => isWithin(point, box)) : [];
    const page = Math.max(0, Number(state.page) || 0), here = selection.slice(page * leaven.sample.ROWS, (page + 1) * leaven.sample.ROWS);
    const rows = here.length ? await leaven.ask("texts", { rows: here.map((point) => point.row).join(",") }) : [];
    const count = (verdict) => selection.filter((point) => point.verdict === verdict).length;
    place.append(
      el("form", { class: "filters", onsubmit: (event) => event.preventDefault() }, el("div", { class: "fields" },
        leaven.select("verdict", verdict, [["", "any verdict"], ["kept", "kept"], ["dropped", "dropped"]], (value) => leaven.go({ verdict: value })),
        box ? el("button", { type: "button", id: "unmark", onclick: () => leaven.go({ box: "" }) }, "Mark nothing") : null,
        selection.length ? el("button", { type: "button", id: "export", onclick: () => exportRows(selection) }, `Export ${leaven.count(selection.length)} rows as JSONL`) : null)),
      drawing(map, points, box),
      el("p", { class: "soft small" }, `${leaven.count(map.row.length)} of ${leaven.count(map.total)} embedded rows${map.row.length < map.total ? `, drawn at random (seed ${map.seed})` : ""}, on the two principal components that hold most (${leaven.percent(map.seen)} %) of what differs between them: rows that lie together here may be apart in the others. Drag over the map to mark rows; by keys: arrows move the box, with Shift they size it.`,
        leaven.isFolder() ? " Texts above 4,000 characters are cut in a folder, and in what it exports." : null),
      box ? el("p", { class: "gap" }, `${leaven.count(selection.length)} rows are marked: ${leaven.count(count("kept"))} kept, ${leaven.count(count("dropped"))} dropped.`) : "",
      el("ul", { class: "rows" }, rows.map(rowLine)), leaven.pager(page, Math.ceil(selection.length / leaven.sample.ROWS)) || "");
    leaven.say(box ? `${selection.length} rows are marked` : `${points.length} rows`);
  },
};

let mapCache;
function mapOnce() {
  mapCache ??= Promise.resolve(leaven.ask("map"));
  return mapCache;
}

// A box is "left,bottom,right,top" in the address, in the units of the map from 0 to 100.
function boxOf(text) {
  const sides = (text || "").split(",").map(Number);
  return sides.length === 4 && sides.every(Number.isFinite) ? sides : null;
}

const WIDE = 100;
let scale;
function isWithin(point, [left, bottom, right, top]) {
  const [x, y] = [scale.x(point.x), scale.y(point.y)];
  return x >= left && x <= right && y >= bottom && y <= top;
}

function scales(map) {
  const axis = (values) => {
    const [low, high] = values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    return (value) => 1 + ((WIDE - 2) * (value - low)) / (high - low || 1);
  };
  return { x: axis(map.x), y: axis(map.y) };
}

function drawing(map, points, box) {
  const dot = (point) => leaven.svg("circle", { class: `dot ${point.verdict}`, cx: scale.x(point.x).toFixed(2), cy: (WIDE - scale.y(point.y)).toFixed(2), r: point.verdict === "kept" ? 0.5 : 0.35 });
  const dropped = points.filter((point) => point.verdict !== "kept"), kept = points.filter((point) => point.verdict === "kept");
  const frame = leaven.svg("rect", { class: "brush" });
  const svg = leaven.svg("svg", { class: "points", id: "map", viewBox: `0 0 ${WIDE} ${WIDE}`, tabindex: 0, role: "group", "aria-label": "Map of the rows. Arrows move the box that marks rows; with Shift they size it." }, dropped.map(dot), kept.map(dot), frame);
  const show = ([left, bottom, right, top]) => { for (const [name, value] of Object.entries({ x: left, y: WIDE - top, width: right - left, height: top - bottom })) frame.setAttribute(name, value); };
  if (box) show(box);
  const at = (event) => {
    const area = svg.getBoundingClientRect(), inside = (value) => Math.min(WIDE, Math.max(0, value));
    return [inside((WIDE * (event.clientX - area.left)) / area.width), inside(WIDE - (WIDE * (event.clientY - area.top)) / area.height)];
  };
  const between = ([x, y], [u, v]) => [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
  let start = null;
  svg.addEventListener("pointerdown", (event) => { start = at(event); svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", (event) => { if (start) show(between(start, at(event))); });
  svg.addEventListener("pointerup", (event) => { if (start) mark(between(start, at(event))); start = null; });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, 2], ArrowDown: [0, -2] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [left, bottom, right, top] = boxOf(leaven.state().box) || [40, 40, 60, 60], [x, y] = step; // keys may come faster than the page is drawn
    mark(event.shiftKey ? [left, bottom, Math.max(left + 2, right + x), Math.max(bottom + 2, top + y)] : [left + x, bottom + y, right + x, top + y]);
  });
  return leaven.el("figure", {}, svg, leaven.el("figcaption", { class: "small" }, ["kept", "dropped"].map((verdict) => leaven.el("span", { class: `key dot-${verdict}` }, verdict))));
}

function mark(box) {
  const [left, bottom, right, top] = box;
  const isClick = right - left < 0.5 && top - bottom < 0.5;
  leaven.go({ box: isClick ? "" : box.map((side) => Number(side.toFixed(1))).join(",") }, true);
}

// What is marked, with whole texts, as a file: a line of JSON for each row.
async function exportRows(points) {
  const lines = [];
  for (let start = 0; start < points.length; start += 200) {
    const part = await leaven.ask("texts", { rows: points.slice(start, start + 200).map((point) => point.row).join(",") });
    lines.push(...part.map((row) => `${JSON.stringify(row)}\n`));
  }
  const link = leaven.el("a", { href: URL.createObjectURL(new Blob(lines, { type: "application/jsonl" })), download: "marked.jsonl" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  leaven.say(`${lines.length} rows are in marked.jsonl`);
}
