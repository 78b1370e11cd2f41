"""Methods side by side on a task: `leaven.compare`, which `leaven delia` and `leaven study` call too."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from leaven import section
from leaven.api import keywords
from leaven.api.place import Place
from leaven.errors import UserError
from leaven.rows import files
from leaven.runs.preflight import together
from leaven.runs.progress import Progress, one_run, stderr
from leaven.study import defaults, preflight
from leaven.study import recipe as recipes
from leaven.study.recipe import Recipe
from leaven.study.run import run
from leaven.study.sources import SELF, PythonRows, resolve
from leaven.view import page, tables

if TYPE_CHECKING:
    from rich.console import RenderableType

WITH_RATIO = ("common_equal_steps", "delia")


@dataclass(frozen=True, slots=True)
class Proof:
    """What a study found, read from its folder; a temporary folder goes with the proof.

    `left_out` says which rows could not be read; "" where all could.
    """

    place: Place
    left_out: str = ""

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        return self.place.path

    @property
    def summary(self) -> dict[str, Any]:
        """Every mean with its interval, the comparisons, and the headline in a sentence."""
        return tables.read_summary(self.folder)

    @property
    def scores(self) -> pl.DataFrame:
        """Every measured value: method, size, seed, metric, item (of a row; "" for the whole test), value."""
        return pl.read_parquet(self.folder / "scores.parquet")

    def table(self) -> str:
        """Methods down, headline metrics across, as text; `rich.print(proof)` shows it in colour."""
        from rich.console import Console

        text = StringIO()
        Console(file=text, width=120).print(tables.terminal(self.summary))
        return text.getvalue()

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML page that opens offline, to this path or into the folder; return where it is."""
        page_path, summary = self.folder / "report.html", self.folder / "summary.json"
        if not page_path.is_file() or page_path.stat().st_mtime < summary.stat().st_mtime:
            page.write(self.folder)
        if path is None:
            return page_path
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(page_path, path))

    def __rich__(self) -> "RenderableType":
        return tables.terminal(self.summary)


def compare(
    rows: Any,
    methods: Sequence[str | Mapping[str, Any]] = (),
    *,
    model: str,
    token: str = keywords.NEW_TOKEN,
    reuse: str = "",
    means: str = "",
    answers: str = "auto",
    init: str = "",
    test: Any = None,
    queries: Any = None,
    ratio: float | Literal["auto"] | None = None,
    size: int = 0,
    seeds: int | Sequence[int] = 1,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Proof:
    """Adapt the model by each method on these rows, test all of them, and say what can be told apart.

    `rows`, `test` and `queries` are whatever `leaven.read` takes. Without `test` some rows are held out;
    `queries="questions"` are those that ship, and without any the model writes them. Without `methods` and `ratio` they
    are those of `leaven delia`; `ratio="auto"` is the smallest that a pilot finds sufficient. `reuse` names a special
    token that the model has, in place of a new one.
    `settings` are further keys of a recipe, such as `tune` and `evaluate` (`leaven schema` prints them). The same call
    with the same `folder` goes on where it was stopped.

        proof = compare(rows, ["original", "delia"], model="lab", ratio=20)
        print(proof.table())
    """
    keywords.check(compare, settings, Recipe.model_fields, section.parts(Recipe, without=("token",)))
    python_rows = PythonRows(*(None if isinstance(each, (str, Path)) else each for each in (rows, test, queries)))
    ratio = defaults.ratio(model) if ratio is None else ratio
    tune = {"preset": defaults.preset(model), **settings.get("tune", {})}
    values = {
        "model": model,
        "task": _named(rows) or "rows",
        "test": _named(test) or (None if test is None else recipes.PYTHON_TEST),
        "queries": _named(queries) or (SELF if queries is None else recipes.PYTHON_QUERIES),
        "methods": [_with_ratio(method, ratio) for method in methods] or defaults.methods(ratio, tune),
        "sizes": [size],
        "seeds": list(range(seeds)) if isinstance(seeds, int) else list(seeds),
        "out": str(folder or ""),
        **settings,
        "tune": tune,
        "token": keywords.token(token, reuse, means, answers, init),
    }
    return prove(recipes.parse(values, "compare"), folder, progress, python_rows=python_rows)


@one_run()
def prove(
    recipe: Recipe,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    *,
    split: str = "test",
    continue_anyway: bool = False,
    python_rows: PythonRows | None = None,
) -> Proof:
    """Run or continue the study of a recipe in the folder, or in a temporary one."""
    place, progress = Place(folder), progress or stderr()
    try:
        recipe, task = resolve(recipe, place.path, progress, split, python_rows)
    except UserError as error:  # the rows are at fault: what else is?
        others = preflight.errors(recipe, None, place.path)
        raise together([error, *(other for other in others if other.problem not in str(error))]) from None
    run(recipe, task, place.path, progress, continue_anyway=continue_anyway)
    return Proof(place, files.left_out(drop for _, drop in task.dropped))


def _named(source: Any) -> str | None:
    return str(source) if isinstance(source, (str, Path)) else None


def _with_ratio(method: str | Mapping[str, Any], ratio: float | Literal["auto"]) -> str | Mapping[str, Any]:
    """The method at the call's ratio, unless it has its own."""
    if isinstance(method, str):
        return {"name": method, "ratio": ratio} if method in WITH_RATIO else method
    return {"ratio": ratio, **method} if method.get("name") in WITH_RATIO else method
