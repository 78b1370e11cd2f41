"""What a model answers to a benchmark, item by item: the value of each, and what a guess would have got."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from lm_eval.evaluator import evaluate

from leaven.errors import UserError
from leaven.harness.benchmark import FLEXIBLE, GENERATION, MULTIPLE_CHOICE, Benchmark, quiet
from leaven.harness.lm import LeavenLM
from leaven.models.load import Loaded
from leaven.runs.progress import Progress

SHORTEST = 256
"""An answer may have so many tokens at least: a reasoning that is cut has no result."""
TWO = frozenset({"true", "false", "yes", "no", "valid", "invalid"})
"""Answers of questions that have only two."""
SCHEMA = {
    "item": pl.String, "measure": pl.String, "prompt": pl.String, "reference": pl.String, "answer": pl.String,
    "value": pl.Float64, "chance": pl.Float64,
}  # fmt: skip


def measure(benchmark: Benchmark, loaded: Loaded, max_new_tokens: int, progress: Progress, name: str) -> pl.DataFrame:
    """A row for each item that is asked: its measure (the task's first), value, and the `chance` of a guess.

    Answers are asked for in the model's chat template and have 256 tokens at least; choices are read as plain text,
    as the harness does by default.
    """
    lm = LeavenLM(loaded, max(SHORTEST, max_new_tokens), progress, f"{benchmark.name}: {name}")
    with quiet():
        results = evaluate(
            lm,
            {"tasks": dict(benchmark.tasks), "groups": {}, "group_map": {}},
            samples=dict(benchmark.places),
            bootstrap_iters=0,
            apply_chat_template=benchmark.kind == GENERATION,
        )
    samples = {task: _of_one_filter(rows) for task, rows in results["samples"].items()}
    lines = [line for task, rows in samples.items() for line in _lines(benchmark, task, rows)]
    return pl.DataFrame(lines, schema=SCHEMA, orient="row").sort("item")


def _of_one_filter(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The samples with the answer looked for anywhere, where the task has several ways to look for it."""
    ways = list(dict.fromkeys(sample["filter"] for sample in samples))
    way = FLEXIBLE if FLEXIBLE in ways else ways[0]
    return [sample for sample in samples if sample["filter"] == way]


def _lines(benchmark: Benchmark, task: str, samples: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    measure = _measure(benchmark, samples[0])
    is_choice = benchmark.tasks[task].OUTPUT_TYPE == MULTIPLE_CHOICE
    for sample in samples:
        yield (
            f"{task}/{sample['doc_id']}",
            measure,
            str(sample["arguments"][0][0]),
            _reference(sample),
            _likeliest(sample) if is_choice else str(sample["resps"][0][0]),
            float(sample[measure]),
            1 / len(sample["arguments"]) if is_choice else chance(sample["doc"]),
        )


def _measure(benchmark: Benchmark, sample: Mapping[str, Any]) -> str:
    """The first measure that has a value for each item."""
    for name in sample["metrics"]:
        if isinstance(sample[name], (bool, int, float)):
            return str(name)
    raise UserError(f"the benchmark {benchmark.name} has no value for each item", "Choose another.")


def _reference(sample: Mapping[str, Any]) -> str:
    """The right answer in words; "" where a number stands for one that there is not (IFEval)."""
    target, arguments = sample["target"], sample["arguments"]
    if not isinstance(target, int):
        return str(target)
    return str(arguments[target][1]) if len(arguments) > 1 else ""


def _likeliest(sample: Mapping[str, Any]) -> str:
    """The choice that the model finds likeliest."""
    totals = [response[0][0] for response in sample["resps"]]
    return str(sample["arguments"][totals.index(max(totals))][1])


def chance(doc: Mapping[str, Any]) -> float:
    """How often a guess answers a question of BIG-Bench Hard that lists its options or has two; 0 for any other.

    Half of the guesses at {"input": "not True is", "target": "False"} are right, and none at {"question": "3 + 4?"}.
    """
    options = len(re.findall(r"^\([A-Z]\)", str(doc.get("input", "")), re.MULTILINE))
    return 1 / options if options else 0.5 if str(doc.get("target", "")).strip().lower() in TWO else 0.0
