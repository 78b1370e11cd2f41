"""What the scores of a study depend on: data, plugs, model, settings, versions; not its folder, nor what calls cost."""

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leaven.errors import UserError
from leaven.harness import copies
from leaven.rows.dataset import Dataset
from leaven.runs import content, journal
from leaven.runs import folder as runs
from leaven.study import recipe as recipes
from leaven.study.recipe import PYTHON_QUERIES, PYTHON_TEST, Recipe
from leaven.task.settings import EvaluateSection
from leaven.task.task import Task

LATER = (
    ("evaluate", "judge_temperature", 0.0),
    ("evaluate", "judge_max_new_tokens", 512),
    ("diversify", "top_p", 1.0),
    ("token", "reuse", ""),
)
"""Settings that an earlier leaven did not have, and the values that it worked by: with these it is the same study."""
PACKAGES = ("torch", "transformers", "peft", "numpy", "polars")


def claim(
    recipe: Recipe,
    task: Task,
    folder: Path,
    continue_anyway: bool = False,
    *,
    finished: bool = False,
    dtype: str = "",
) -> None:
    """Write into the folder what the study is, or make sure that the one that is there is the same.

    A study may grow by seeds and by methods, and its cells stay; in what numbers a `finished` one would run is not
    looked up. `dtype` are those of the machine that computes it; "": of this one. Raises UserError that names all that
    differs, and for a folder of an earlier leaven.
    """
    journal.refuse_others(folder, "seeds")
    path = folder / journal.NAME
    before = journal.read(path)
    settings = before["identity"]["settings"] if before else {"seeds": [], "methods": {}}
    seeds = settings["seeds"]
    if not set(seeds) <= set(recipe.seeds):
        raise UserError(
            f"seeds were {seeds} and are {list(recipe.seeds)}: a study may grow by seeds, but lose none",
            "Name the seeds of before too, or start anew with another --out.",
        )
    if before and finished:
        dtype = settings["tune"]["dtype"]
    dtype = dtype or dtype_here(recipe)
    new = [f"methods.{method.label}" for method in recipe.methods if method.label not in settings["methods"]]
    journal.claim(path, identity(recipe, task, dtype), since=_last_cell(folder), free=("seeds", *new),
                  continue_anyway=continue_anyway)  # fmt: skip
    runs.write(folder / "recipe.yaml", lambda partial: recipes.write(recipe, partial))
    if not (folder / "env.json").exists():
        runs.write_json(folder / "env.json", _environment(recipe.model, dtype))


def identity(recipe: Recipe, task: Task, dtype: str) -> dict[str, Any]:
    """Settings with the contents of the files that they name; rows that come from no file; versions."""
    settings = recipe.model_dump(mode="json", exclude={"out", "llm", "methods", "scale", "strict", "report_to"})
    settings["llm"] = {"engine": recipe.llm.engine}
    if not recipe.sampler:
        del settings["sampler"]  # an earlier leaven had none
    del settings["evaluate"]["watch"]  # who looks on changes nothing
    if not recipe.needs_pilot:
        del settings["pilot"]
    settings["tune"]["dtype"] = dtype
    settings["methods"] = {
        method.label: {"name": method.name, "sizes": method.sizes, **method.part(), **method.config}
        for method in recipe.methods
    }
    for section, name, default in LATER:
        if settings.get(section, {}).get(name) == default:
            del settings[section][name]
    settings["evaluate"]["benchmark_data"] = copies_of(recipe.evaluate)
    return {
        "settings": content.named(settings),
        "rows": dict(_rows(recipe, task)),
        "versions": content.versions(*PACKAGES, *(["lm_eval"] if recipe.evaluate.benchmarks else [])),
    }


def copies_of(config: EvaluateSection) -> dict[str, str]:
    """By benchmark the path of the user's copy, which `content.named` turns into its content; "" without one."""
    if not config.benchmark_data:
        return dict.fromkeys(config.benchmarks, "")
    folder = Path(config.benchmark_data).expanduser()
    return {name: str(copies.find(name, folder) or "") for name in config.benchmarks}


def _rows(recipe: Recipe, task: Task) -> Iterator[tuple[str, Any]]:
    """The content of the rows that come from no file; of all of them, where the task's are among these."""
    is_file = Path(recipe.task).is_file()
    data = {} if is_file else {"the task's data": task.rows}
    if not is_file or recipe.queries == PYTHON_QUERIES:
        data["the pool"] = task.pool
    if not is_file or recipe.test == PYTHON_TEST:
        data |= {f"the test {test.name}": test.rows for test in task.tests}
    for name, rows in data.items():
        yield name, content.leaf(name, content.rows(_lines(rows)))


def _lines(rows: Dataset) -> list[str]:
    """The rows without their origin: the same rows from elsewhere are the same rows."""
    return rows.frame.select("messages", "meta").write_ndjson().split("\n")


def _last_cell(folder: Path) -> str:
    finished = list(dict.fromkeys(event["name"] for event in runs.events(folder, "cell")))
    return f"cell {len(finished)} ({finished[-1]})" if finished else ""


def dtype_here(recipe: Recipe) -> str:
    """The dtype that the model runs in here: what "auto" stands for is a matter of the machine."""
    from leaven.models.load import dtype_name

    return dtype_name(recipe.model, recipe.tune.dtype, recipe.trust_remote_code)


def _environment(model: str, dtype: str) -> dict[str, Any]:
    import torch

    from leaven.models import names

    versions = content.versions(*PACKAGES)
    return {
        "leaven": versions.pop("leaven"),
        "model": names.weights(model),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "dtype": dtype,
        "packages": versions,
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
