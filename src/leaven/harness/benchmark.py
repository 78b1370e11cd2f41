"""A benchmark that is open: the tasks of lm-evaluation-harness that ask it, and which of its items are asked.

Its rows come from the user's own copy where there is one, else from the hub. Prompts and measures are the harness's.
From a copy, questions are asked without examples: those would come from another split.
"""

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import datasets
import lm_eval.tasks
from lm_eval.tasks import TaskManager

from leaven.errors import UserError, first_line, nearest
from leaven.harness import copies, ifeval

MULTIPLE_CHOICE, GENERATION = "multiple_choice", "generate_until"
SERVED = (MULTIPLE_CHOICE, GENERATION, "loglikelihood")
"""Kinds of tasks of the harness; the fourth, perplexity, has no value for each item that could be paired."""
FLEXIBLE = "flexible-extract"
"""The harness's filter that looks for the answer anywhere in what was said, not only where an example has put it."""
FROM_A_COPY: Mapping[str, Any] = {
    "training_split": None,
    "validation_split": None,
    "test_split": "test",
    "fewshot_split": None,
    "fewshot_config": None,
    "num_fewshot": 0,
    "dataset_kwargs": None,
}
"""What a task's configuration says otherwise where its rows are those of a copy."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Tasks of the harness by name, the places of the items to ask in each, and what to say about it ("" mostly)."""

    name: str
    tasks: Mapping[str, Any]
    places: Mapping[str, list[int]]
    note: str = ""

    @property
    def kind(self) -> str:
        """What its tasks ask of a model: likelihoods of choices, or an answer."""
        return str(next(iter(self.tasks.values())).OUTPUT_TYPE)

    @property
    def items(self) -> int:
        """How many items are asked."""
        return sum(map(len, self.places.values()))


def open_benchmark(name: str, data: str = "", limit: int | None = None) -> Benchmark:
    """The benchmark called `name`, from its copy in the folder `data` or from the hub; `limit` items drawn at random.

    The same items are drawn each time. Raises UserError for a name that nobody knows, a copy that is none, and where
    there is neither a copy nor a hub.
    """
    folder = _folder(data)
    path = copies.find(name, folder) if folder else None
    with quiet(), ifeval.ready(folder) if name == ifeval.NAME else nullcontext():
        tasks = _of_copy(name, path) if path else _of_hub(name, folder)
        docs = {label: task.eval_docs for label, task in sorted(tasks.items())}
    if odd := [task for task in tasks.values() if task.OUTPUT_TYPE not in SERVED]:
        raise UserError(f"the benchmark {name} measures {odd[0].OUTPUT_TYPE}", "It has no value for each item.")
    places, note = [(label, place) for label, rows in docs.items() for place in range(len(rows))], ""
    if name == ifeval.NAME:
        places, note = ifeval.possible(docs)
    items = _drawn(places, limit)
    return Benchmark(name, {label: task for label, task in tasks.items() if label in items}, items, note)


@contextmanager
def quiet() -> Iterator[None]:
    """The harness's bars, warnings and prints off; leaven's own progress, which holds its stream, goes on."""
    level = logging.getLogger("lm_eval").level
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    try:
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            yield
    finally:
        logging.getLogger("lm_eval").setLevel(level)


def _folder(data: str) -> Path | None:
    """The folder of copies. Raises UserError where it is named and not there."""
    if not data:
        return None
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise UserError(f"the folder of benchmarks {data} does not exist", "It holds a file for each: mmlu.jsonl, …")
    return folder


def _drawn(places: Sequence[tuple[str, int]], limit: int | None) -> dict[str, list[int]]:
    """The places of the items to ask, in order, by task."""
    draw = places if limit is None or limit >= len(places) else random.Random(0).sample(places, limit)
    items: dict[str, list[int]] = {}
    for task, place in sorted(draw):
        items.setdefault(task, []).append(place)
    return items


def _of_copy(name: str, path: Path) -> dict[str, Any]:
    """The harness's tasks over the rows of a copy."""
    parts = copies.rows(name, path)
    manager = _manager(copies.of(name).folder)
    if unknown := [task for task in parts if task not in manager.all_subtasks]:
        raise UserError(f"{path.name} has rows of {unknown[0]}, which is no task", nearest(unknown[0], parts))
    specification = {
        "group": name,
        "task": [
            {"task": task, **FROM_A_COPY, "custom_dataset": _dataset(rows)} for task, rows in sorted(parts.items())
        ],
    }
    return dict(manager.load(specification)["tasks"])


def _dataset(rows: list[copies.Row]) -> Any:
    """What the harness calls for a task's data."""
    splits = {"test": datasets.Dataset.from_list(rows)}
    return lambda **_: splits


def _of_hub(name: str, folder: Path | None) -> dict[str, Any]:
    """The harness's own tasks of this name, whose rows it downloads."""
    layout = copies.of(name)
    manager = _manager(layout.folder)
    if layout.task not in manager.all_tasks:
        raise UserError(f"there is no benchmark called {name!r}", _near(name, manager.all_tasks))
    try:
        return dict(manager.load(layout.task)["tasks"])
    except (OSError, ValueError, RuntimeError) as error:  # what datasets raises for a hub that it can't reach
        here = f"in {folder}" if folder else "here (no folder of copies is named)"
        raise UserError(
            f"the benchmark {name} is neither {here} nor to be had from the hub: {first_line(error)}",
            f"Put a copy called {name}.jsonl into a folder and name that: evaluate.benchmark_data, or --data.",
        ) from error


def _near(name: str, others: Sequence[str]) -> str:
    """The nearest name, of those with a layout here first; all 14,000 are listed by the harness."""
    for names in (copies.LAYOUTS, others):
        if (sentence := nearest(name, names)).startswith("Did"):
            return sentence
    return f"{nearest(name, copies.LAYOUTS)} Others: lm-eval ls tasks"


@cache
def _manager(folder: str) -> TaskManager:
    """The tasks in a folder of the harness; all, where none is named: reading 14,000 takes some seconds."""
    root = Path(lm_eval.tasks.__file__).parent
    return TaskManager(include_defaults=False, include_path=root / folder)
