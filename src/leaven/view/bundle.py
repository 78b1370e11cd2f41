"""The page of a run as a folder to send: it opens from disk, offline, with all that it shows beside it.

A page that was opened from disk may fetch nothing, so its data are scripts that it loads. They hold a sample where the
run is large, since a browser would have to read all of it at once: of a study's questions, or of a lift's rows, as many
as `LIMIT` bytes hold, drawn at random. The counts beside filters are those of the sample then, and the page says so;
intervals are those of all. `leaven view RUN` pages through everything.
"""

import json
import random
import shutil
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from leaven.errors import UserError
from leaven.view import data_map, overview, rows
from leaven.view.answers import Answers, Query
from leaven.view.marking import mark
from leaven.view.server import BROWSER, files
from leaven.view.source import Source

LIMIT = 1_200_000
"""Bytes of answers, or of rows, in a folder."""
WATCHED = 12
"""Cells of which a folder holds what was said in training."""
PIECE = 100
"""Questions that are read at a time."""
SEED = 0
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; base-uri 'none'; "
    "form-action 'none'"
)
"""That of the server; from disk no origin is 'self' to every browser, so that files are named."""
POLICY_PLACE, DATA_PLACE = "<!-- policy -->\n", "<!-- data -->\n"
"""Where index.html takes the policy, which a server sends as a header, and the scripts of the data."""


def write(folder: Path, out: Path) -> Path:
    """Write the page of a run as a folder; the page's path. Raises UserError for a folder that holds something else."""
    source = Source(folder)
    if out.exists() and any(out.iterdir()) and not (out / "data" / "run.js").is_file():
        raise UserError(f"{out} is not empty, and no page of leaven's", "Name a new folder: --out FOLDER.")
    for name, path in files(folder).items():
        if path.suffix == ".png":
            continue  # drawn from the SVG, and the largest files of a run
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out / name)
    run = source.run()
    run["charts"] = [name for name in run.get("charts", ()) if name.endswith(".svg")]
    data: dict[str, Any] = {"run": run, "live": source.live()}
    if source.is_lift:
        data["lift"] = _lift(source) if run["finished"] else None
    else:
        data["answers"] = _answers(source, run)
        data["watch"] = _watch(source)
    (out / "data").mkdir(exist_ok=True)
    for name, value in data.items():
        text = json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
        (out / "data" / f"{name}.js").write_text(f'"use strict";\nleaven.data.{name} = {text};\n', "utf-8", "replace")
    scripts = "".join(f'<script src="data/{name}.js" defer></script>\n' for name in data)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
    page = (BROWSER / "index.html").read_text(encoding="utf-8")
    page = page.replace(POLICY_PLACE, policy).replace(DATA_PLACE, scripts)
    (out / "index.html").write_text(page, encoding="utf-8")
    return out / "index.html"


def _watch(source: Source) -> dict[str, Any]:
    """What models said as they learnt, of as many cells as a reader can want to compare."""
    cells = (source.watch({}) or {"cells": []})["cells"][:WATCHED]
    return {cell: {**(source.watch({"cell": cell}) or {}), "cells": cells} for cell in cells}


def _answers(source: Source, run: dict[str, Any]) -> dict[str, Any]:
    """A sample of the questions, and the paired differences of all of them, of the main method and every other."""
    answers = source.answers
    everything = answers.questions["question"].to_list() if answers.cells else []
    order = random.Random(SEED).sample(everything, len(everything))
    lines = (
        {"size": each["size"], "test": each["test"], "number": each["question"], **mark(each, source.detector)}
        for start in range(0, len(order), PIECE)
        for each in answers.texts(order[start : start + PIECE])
    )
    sample = sorted(_within_limit(lines), key=lambda line: line["number"])
    return {"total": len(everything), "seed": SEED, "questions": sample, "differences": _differences(source, run),
            "phrasings": _phrasings(answers, run, {line["number"] for line in sample})}  # fmt: skip


def _differences(source: Source, run: dict[str, Any]) -> list[dict[str, Any]]:
    """The main method beside every other on each test's first measure: those of the summary, and what it left out."""
    lines = [
        {**row, "a": row["b"], "b": row["a"], "items": cell["n_items"], "seeds": cell["n_seeds"]}
        for row, cell in overview.comparisons(source.folder)
    ]
    there = {(line["metric"], line["size"], line["a"]) for line in lines}
    others = [method["key"] for method in run["methods"] if method["key"] != run["main"]]
    for size, test, other in product(run["sizes"], run["tests"], others):
        query = Query(test["test"], test["measures"][0]["measure"], size, other, run["main"])
        if (query.metric, size, other) not in there and (gap := source.answers.difference(query)):
            lines.append({"metric": query.metric, "size": size, "a": other, "b": run["main"], **gap})
    return lines


def _phrasings(answers: Answers, run: dict[str, Any], sample: set[int]) -> dict[int, str]:
    """Question → its phrasing, of those that can be filtered by."""
    lines: dict[int, str] = {}
    for test in run["tests"]:
        filters = set(test["phrasings"])
        for number, phrasing in answers.phrasing_of(test["test"]).iter_rows() if filters else ():
            if number in sample and phrasing in filters:
                lines[number] = phrasing
    return lines


def _lift(source: Source) -> dict[str, Any]:
    """Rows of a lift with their stories: as many as there is room for, drawn at random, with equal chance."""
    facets = source.facets()
    total = sum(count for _, count in facets["verdict"])
    order = random.Random(SEED).sample(range(total), min(total, 2_000))
    audit = rows.Rows(pl.read_parquet(source.folder / "audit.parquet").lazy())
    stories = sorted(_within_limit(filter(None, map(audit.story, order))), key=lambda story: story["row"])
    numbers = {story["row"] for story in stories}
    points = data_map.points(source.folder, numbers) if data_map.is_there(source.folder) else None
    return {"total": total, "seed": SEED, "facets": facets, "stories": stories, "map": points}


def _within_limit(lines: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The first lines, up to the one by which they fill `LIMIT` bytes; none after it is read."""
    room = LIMIT
    for line in lines:
        yield line
        room -= len(json.dumps(line, ensure_ascii=False, default=str).encode("utf-8", "replace"))
        if room < 0:
            return
