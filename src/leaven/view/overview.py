"""What the first page of a run shows: what was found in a sentence, the figure, the table; and what else there is."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from leaven.study import columns, headline
from leaven.task.format import Format
from leaven.view import answers, data_map, forgetting, lift, plain, tables
from leaven.view.answers import Answers


def is_lift(folder: Path) -> bool:
    """Whether the folder is that of a lift, finished or not."""
    return (folder / "audit.parquet").is_file() or (folder / "stages").is_dir()


def is_run(folder: Path) -> bool:
    """Whether the folder is one that leaven runs in."""
    return (folder / "run.json").is_file() or (folder / "summary.json").is_file() or is_lift(folder)


def of_study(folder: Path, replies: Answers, form: Format | None) -> dict[str, Any]:
    """A study: where it is not at its end, what its cells that are done allow to be asked; `form` is its format."""
    finished = (folder / "summary.json").is_file()
    return {
        "kind": "study",
        "name": folder.resolve().name,
        "finished": finished,
        **_environment(folder),
        **(_findings(folder) if finished else _so_far(replies)),
        "ways": sorted(form.extra("")) if form else [],  # measures that say how an answer was read, and are no mark
        **_questions(replies, tables.read_summary(folder) if finished else None),
    }


def _findings(folder: Path) -> dict[str, Any]:
    summary = tables.read_summary(folder)
    best = tables.best(summary)
    summaries = {about["method"]: about.get("method_summary", "") for _, about in tables.cells(folder)}
    return {
        "main": headline.main(summary["methods"]),
        **dict(zip(("claim", "loss"), plain.parts(plain.sentence(summary)), strict=True)),
        "headline": summary["headline"],
        **{name: summary[name] for name in ("findings", "warnings", "cautions", "notes")},
        "columns": [
            {**column, "testable": headline.testable(summary, column["metric"])} for column in summary["columns"]
        ],
        "methods": [
            {"key": key, "name": plain.name(key), "summary": summaries.get(key, "")} for key in summary["methods"]
        ],
        "table": [
            {
                "method": method,
                "size": size,
                "cells": [row and {**row, "best": (method, row["metric"], size) in best} for row in rows],
                "costs": tables.spent(summary, method, size),
            }
            for method, size, rows in tables.lines(summary)
        ],
        "costs": tables.COSTS,
        "ceilings": tables.ceilings(summary),
        "forgotten": {"heads": forgetting.HEADS, "lines": list(forgetting.lines(summary.get("forgotten", ())))},
        "charts": _charts(folder),
        "report": (folder / "report.html").is_file(),
    }


def comparisons(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The comparisons of a finished study, each with the row of its first method."""
    summary = tables.read_summary(folder) if (folder / "summary.json").is_file() else {"comparisons": ()}
    for row in summary["comparisons"]:
        if cell := headline.row_of(summary, row["a"], row["metric"], row["size"]):
            yield row, dict(cell)


def _so_far(replies: Answers) -> dict[str, Any]:
    """Of a study that is running: its methods, and no figure, since half of the seeds bear none."""
    methods = list(dict.fromkeys(about["method"] for _, about in replies.cells))
    return {
        "main": headline.main(methods) if methods else "",
        "claim": "",
        "loss": "",
        "headline": "The study is not at its end: answers of the cells that are done can be read.",
        **{key: [] for key in ("findings", "warnings", "cautions", "notes", "columns", "table", "costs", "ceilings",
                               "charts")},
        "methods": [{"key": key, "name": plain.name(key), "summary": ""} for key in methods],
        "forgotten": {"heads": [], "lines": []},
        "report": False,
    }  # fmt: skip


def _questions(replies: Answers, summary: dict[str, Any] | None) -> dict[str, Any]:
    """What answers can be asked for: sizes, and of each test the measures, the phrasings, the usual opponent."""
    if not replies.cells:
        return {"sizes": [], "tests": []}
    size = max(about["size"] for _, about in replies.cells)
    headlines = summary["headline_metrics"] if summary else []
    low = summary["lower_is_better"] if summary else ()
    methods = [about["method"] for _, about in replies.cells]
    tests = []
    for test, measures in replies.measures().items():
        ordered = sorted(measures, key=lambda measure: (f"{test}/{measure}" not in headlines, measure == "exact"))
        metric = f"{test}/{ordered[0]}"
        tests.append(
            {
                "test": test,
                "name": test.replace("_", " "),
                "measures": [measure_in_words(test, measure, low) for measure in ordered],
                "phrasings": replies.phrasings(test),
                "opponent": answers.opponent(summary, metric, size) if summary else methods[0],
            }
        )
    order = [metric.partition("/")[0] for metric in headlines]
    tests.sort(key=lambda one: order.index(one["test"]) if one["test"] in order else len(order))
    return {"sizes": sorted({about["size"] for _, about in replies.cells}, reverse=True), "tests": tests}


def measure_in_words(test: str, measure: str, low: Collection[str]) -> dict[str, Any]:
    """A measure's name, what it means, and whether less is better; `low` are the metrics of which a summary says so."""
    words = columns.MEASURES.get(measure)
    lower = f"{test}/{measure}" in low or columns.column(f"{test}/{measure}").lower_is_better
    heading, explanation = words or (measure.replace("_", " "), "")
    return {"measure": measure, "name": heading, "explanation": explanation, "lower_is_better": lower}


def of_lift(folder: Path) -> dict[str, Any]:
    """A lift: what the judge is worth, the sets side by side, where rows went; where it is running, nothing yet."""
    finished = (folder / "summary.json").is_file() and (folder / "audit.parquet").is_file()
    base = {"kind": "lift", "name": folder.resolve().name, "finished": finished, **_environment(folder)}
    if not finished:
        return {**base, "headline": "The lift is not at its end: its rows can be read when it is."}
    summary = lift.read(folder)
    return {
        **base,
        "headline": summary["headline"],
        "lines": summary["verdict"]["lines"],
        "sets": {
            "heads": ["set", *(heading for _, heading, _ in lift.COLUMNS)],
            "lines": [[one["set"], *lift.cells(one)] for one in summary["sets"]],
            "about": lift.about_sets(summary),
        },
        "stages": summary["stages"],
        "notes": [f"{note['stage']}: {note['text']}" for note in summary["notes"]],
        "map": data_map.is_there(folder),
        "charts": _charts(folder),
        "report": (folder / "report.html").is_file(),
    }


def _environment(folder: Path) -> dict[str, Any]:
    path = folder / "env.json"
    environment = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {"started": environment.get("started", ""), "model": environment.get("model", "")}


def _charts(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "charts").glob("*.*") if path.suffix in (".svg", ".png"))
