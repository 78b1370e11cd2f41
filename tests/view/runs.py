"""Folders of runs whose answers and marks are given, so that what a page says of them is worked by hand."""

import json

import polars as pl

from leaven.study import headline
from leaven.study.columns import column
from leaven.study.statistics import estimates

PHRASED = ("Use the <sep> format.", "Reply as <sep>, please.")
OBJECT = '{"label": "yes"}'


def study(folder, answers, finished=True, prompts=None, comparisons=()):
    """A study of `answers`, method → seed → the answers to the questions of one test; OBJECT alone is right."""
    frames = []
    questions = len(next(iter(next(iter(answers.values())).values())))
    prompts = prompts or [f"Question {number}? {PHRASED[number % 2]}" for number in range(questions)]
    for method, seeds in answers.items():
        for seed, texts in seeds.items():
            place = folder / "cells" / f"{method}-n5-s{seed}"
            place.mkdir(parents=True)
            items = [f"item{number}" for number in range(questions)]
            table = {"test": ["unseen_phrasing"] * questions, "item": items, "prompt": prompts,
                     "reference": [OBJECT] * questions, "answer": texts}  # fmt: skip
            pl.DataFrame(table).write_parquet(place / "answers.parquet")
            marks = [(method, 5, seed, f"unseen_phrasing/{one}", item, float(OBJECT in text))
                     for item, text in zip(items, texts, strict=True) for one in ("format", "value")]  # fmt: skip
            frames.append(pl.DataFrame(marks, ["method", "size", "seed", "metric", "item", "value"], orient="row"))
            frames[-1].write_parquet(place / "scores.parquet")
            about = {"method": method, "size": 5, "seed": seed, "steps": 3, "losses": [2.0, 1.0, 0.5],
                     "seconds": {"all": 4.0}, "notes": [], "mix": [], "method_summary": "A method."}  # fmt: skip
            (place / "cell.json").write_text(json.dumps(about))
            (place / "DONE").write_text("now")
    (folder / "run.json").write_text("{}")
    (folder / "recipe.yaml").write_text("token: {text: <sep>, answers: json}\n")
    (folder / "plan.json").write_text(json.dumps([path.name for path in sorted((folder / "cells").iterdir())]))
    if finished:
        _finish(folder, list(answers), pl.concat(frames), comparisons)
    return folder


def _finish(folder, methods, scores, comparisons):
    rows = [
        {"method": row.method, "size": 5, "metric": row.metric, "mean": row.mean, "low": row.low, "high": row.high,
         "n_items": row.n_items, "n_seeds": row.n_seeds, "by_seed": {str(seed): one for seed, one in row.per_seed}}
        for row in estimates(scores)
    ]  # fmt: skip
    words = column("unseen_phrasing/format")
    columns = [{name: getattr(words, name) for name in words.__slots__}]
    summary = {"headline_metrics": ["unseen_phrasing/format"], "columns": columns, "tests": {}, "methods": methods,
               "rows": rows, "comparisons": list(comparisons), "notes": [], "lower_is_better": []}  # fmt: skip
    told = headline.tell(summary, [])
    (folder / "summary.json").write_text(json.dumps(told))
    (folder / "DONE").write_text("2026-11-21 14:03")
