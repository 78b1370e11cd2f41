"""What the commands that train share: resolve the sources, run the study, write the report, say what was made."""

import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from leaven.errors import UserError, nearest
from leaven.models import names
from leaven.runs.progress import stderr
from leaven.study.recipe import Recipe
from leaven.task.task import Task

if TYPE_CHECKING:
    from rich.table import Table

    from leaven.lift.selection import Context
    from leaven.llm.protocol import LLM

S = TypeVar("S", bound=BaseModel)
RECIPES = Path(__file__).parent.parent / "study" / "recipes"


def shipped(name: str) -> Path:
    """The path of a recipe: a file, or the name of one that ships."""
    names = [path.stem for path in RECIPES.glob("*.yaml")]
    if name in names:
        return RECIPES / f"{name}.yaml"
    if not name.endswith((".yaml", ".yml")) and not Path(name).exists():
        raise UserError(f"there is no recipe called {name!r}", nearest(name, names))
    return Path(name)


def carry_out(recipe: Recipe, folder: Path, split: str = "test", continue_anyway: bool = False) -> None:
    """Run the study and end with a small table, the report, and the next command."""
    from rich.console import Console

    from leaven import extras
    from leaven.rows import files
    from leaven.runs.preflight import together
    from leaven.study import preflight

    extras.require(*extras.STUDY)
    from leaven.study.run import run
    from leaven.view import page, tables

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    began = time.perf_counter()
    try:
        recipe, task = resolve(recipe, split)
    except UserError as error:  # the rows are at fault: what else is?
        raise together([error, *preflight.errors(recipe, None, folder)]) from None
    try:
        run(recipe, task, folder, stderr(), continue_anyway=continue_anyway)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        raise SystemExit(130) from None
    report = folder / "report.html"
    if not report.is_file() or report.stat().st_mtime < (folder / "summary.json").stat().st_mtime:
        page.write(folder)
    # In a file or a pipe rich takes the width for 80 columns; the table fits those, its sentences take more.
    summary = tables.read_summary(folder)
    Console(width=None if sys.stdout.isatty() else 120).print(tables.terminal(summary))
    if said := files.left_out(drop for _, drop in task.dropped):
        print(said)
    print(tables.ending(folder, summary, time.perf_counter() - began))


def resolve(recipe: Recipe, split: str = "test") -> tuple[Recipe, Task]:
    """The recipe with the lab's model in its place, and the rows that it names, without leaks."""
    from leaven.lab import hallucination, translation
    from leaven.study import sources

    if split not in ("test", "dev"):
        raise UserError(f"--split is {split!r}", "Known: test, dev.")
    if recipe.task == "lab-translation":
        if recipe.queries != "lab":
            raise UserError("task: lab-translation goes with queries: lab", "Leave `queries` out of the recipe.")
        return with_model(recipe), replace(translation.task(split), token=recipe.token)
    lab = [name for name in ("task", "queries") if getattr(recipe, name) == "lab"]
    rows = hallucination.task(recipe.token.text, split) if lab else None
    if rows is not None and recipe.task == "lab":
        found = rows if recipe.queries == "lab" else sources.with_pool(rows, recipe)
    else:
        found = sources.read(recipe, rows.pool if rows else None)
    return with_model(recipe), replace(sources.guarded(found, recipe), token=recipe.token)


def with_model(recipe: Recipe) -> Recipe:
    """The recipe with the path of its model in place of `lab`."""
    return recipe.model_copy(update={"model": model_path(recipe.model)})


def model_path(model: str) -> str:
    """The path of a model; `lab` is the one that ships."""
    return names.path(model)


def checked(section: type[S], flags: Mapping[str, Any], **more: Any) -> S:
    """The section of a command's flags. Raises UserError that names each flag that can't be."""
    try:
        return section.model_validate({**flags, **more})
    except ValidationError as error:
        faults = [f"--{str(e['loc'][0]).replace('_', '-')} is {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise UserError("; ".join(faults), "--help tells what each flag takes.") from None


def mix_table(title: str, found: dict[str, Any]) -> "Table":
    """What each source brings to a mixture."""
    from rich.table import Table

    columns = ("rows", "tokens", "trained_tokens", "row_share", "token_share", "steps_touched")
    table = Table(title=title, title_justify="left")
    table.add_column("source")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for part in found["mix"]:
        values = (part[column] for column in columns)
        table.add_row(part["source"], *(f"{v:.1%}" if isinstance(v, float) else f"{v:,}" for v in values))
    return table


def selection(flags: Mapping[str, Any], llm: "LLM | None" = None) -> "Context":
    """What a selector may use, from the flags of its command."""
    from leaven.lift import embedding
    from leaven.lift.selection import Context, no_vectors

    progress = stderr()
    return Context(
        seed=flags.get("seed", 0),
        vectors=embedding.source(flags["embedder"], flags["embeddings"], flags["embed_text"], progress)
        if "embedder" in flags
        else no_vectors,
        llm=llm,
        model=model_path(flags["model"]) if flags.get("model") else "",
        progress=progress,
    )
