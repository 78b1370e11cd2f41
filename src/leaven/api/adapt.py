"""A model adapted from few examples, without the proof beside it: `leaven.delia`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from leaven import plugs, section
from leaven.api import keywords
from leaven.api.place import Place
from leaven.delia.bench import Fitted, fit
from leaven.errors import UserError
from leaven.models import adapter as adapters
from leaven.models import names
from leaven.rows import files, leaks
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop
from leaven.rows.outcomes import Outcome
from leaven.runs.progress import Progress, one_run, stderr
from leaven.study import defaults, questions, ratio_pilot
from leaven.study import recipe as recipes
from leaven.study.parts import Parts
from leaven.study.search import Search, with_settings
from leaven.study.sources import QUESTIONS, SELF, answered
from leaven.task.format import choose, refuse_none
from leaven.task.insertion import insert
from leaven.task.task import Task
from leaven.task.wording import content


@dataclass(frozen=True, slots=True)
class Adapted:
    """An adapted model in memory, its adapter in a folder; a temporary folder goes with it.

    `notes` say what was done to the rows; `dropped` rows have their reasons; `fitted` has weights, steps and losses.
    """

    fitted: Fitted
    place: Place
    notes: tuple[str, ...] = ()
    dropped: tuple[Drop, ...] = ()

    def answer(self, prompts: Sequence[Any]) -> list[str]:
        """Greedy answers to prompts: texts, or lists of messages."""
        if isinstance(prompts, str):
            raise UserError("answer takes a list of prompts", "answer([prompt])[0] is the answer to one.")
        return (
            self.fitted.respond([row.prompt for row in files.read(prompts, strict=True).kept]) if len(prompts) else []
        )

    def save(self, folder: str | Path) -> Path:
        """Copy the adapter, which `peft` loads beside the base model; its README says how."""
        return adapters.copy_to(Path(folder), self.place.path / "adapter")


@one_run()
def delia(
    rows: Any,
    *,
    model: str,
    token: str = keywords.NEW_TOKEN,
    reuse: str = "",
    means: str = "",
    answers: str = "auto",
    init: str = "",
    ratio: float | Literal["auto"] | None = None,
    test: Any = None,
    queries: Any = None,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Adapted:
    """Adapt a model to task rows with DELIA: instructions said in many ways, buffered with its own diverse rows.

    `ratio="auto"` is the smallest that a pilot finds sufficient. How `answers` show what the token means is told by the
    rows, where no format is named.
    `rows` and `queries` are whatever `leaven.read` takes; `queries="questions"` are those that ship, and without any
    the model writes them. `reuse` names a special token that the model has, in place of a new one. `test` rows are not
    trained on: they keep overlapping queries out of the buffer. `settings` are further keys of a recipe (`tune`, …).

        adapted = delia("task.jsonl", model="lab", token="<list>")
        adapted.answer(["Name a bird. Use the <list> format."])
    """
    about = keywords.token(token, reuse, means, answers, init)
    config = _recipe(model, about, defaults.ratio(model) if ratio is None else ratio, seed, settings)
    task = answered(files.read(rows, config.format, columns=config.columns, strict=config.strict), "rows")
    train, note = insert(task.kept, config.token.text, seed)
    texts = [row.answer for row in train if row.answer is not None]
    form, told = choose(config.token.answers, config.token.answer_settings, texts)
    refuse_none(form, texts)
    place, progress = Place(folder), progress or stderr()
    pool = _guarded(train, test, _pool(queries, config, len(train), place, progress), config)
    whole = Task(train, (), pool.kept, form, config.token)
    parts = Parts.of(config, whole, place.path, progress)
    ratio_pilot.check(config, whole)
    config, ratio_notes = ratio_pilot.with_ratio(config, whole, place.path, parts)
    (choice,), bench = config.methods, parts.bench(seed, place.path, name="the model")
    search = Search.of(parts, whole, place.path / "search") if config.tune.trials else None
    values = with_settings(choice.config, search.settings(choice)) if search else choice.config
    method = plugs.load("methods", choice.name)
    fitted = fit(method, train, bench, values)
    for llm in parts.engines.asked():
        progress.say(f"{llm.name}: {llm.spend.sentence()}")
    sentences = [note, told, files.left_out(task.dropped), *ratio_notes, search.note if search else ""]
    notes = (*task.notes, *filter(None, sentences), *pool.notes, *bench.ledger.notes)
    dropped = (*task.dropped, *pool.dropped, *bench.ledger.dropped, *fitted.dropped)
    return Adapted(fitted, place, notes, dropped)


def _recipe(
    model: str, token: dict[str, str], ratio: float | Literal["auto"], seed: int, settings: dict[str, Any]
) -> recipes.Recipe:
    if several := sorted({"methods", "sizes", "seeds"} & set(settings)):
        raise UserError(
            f"delia takes no {' and no '.join(several)}: it adapts one model, by DELIA, to all the rows",
            f"leaven.compare(rows, {several[0]}=[…], …) sets several side by side; of one, say seed=1.",
        )
    fields = set(recipes.Recipe.model_fields) - {"methods", "sizes", "seeds"}
    keywords.check(delia, settings, fields, section.parts(recipes.Recipe, without=("token",)))
    values = {
        **settings,
        "methods": [{"name": "delia", "ratio": ratio}],
        "model": names.path(model),
        "token": token,
        "sizes": [0],
        "seeds": [seed],
        "tune": {"preset": defaults.preset(model), **settings.get("tune", {})},
    }
    config = recipes.parse(values, "delia")
    asked = [f"evaluate.{name}" for name in sorted(config.evaluate.model_fields_set - {"max_new_tokens"})]
    if asked := [*asked, *sorted({"probes", "report_to", "scale"} & set(settings))]:
        raise UserError(
            f"delia takes no {' and no '.join(asked)}: it adapts a model, and does not test it",
            "leaven.compare(rows, …) tests it, beside others.",
        )
    return config


def _pool(queries: Any, config: recipes.Recipe, task_rows: int, place: Place, progress: Progress) -> Outcome:
    """The caller's queries, those that ship, or those that the model writes itself."""
    name = queries if isinstance(queries, str) else None  # a frame is compared cell by cell
    if queries is None or name == SELF:
        return questions.write(config, task_rows, place.path, progress, tested=False)
    if name == QUESTIONS:
        return Outcome(questions.shipped())
    return files.read_beside(queries, config.format, config.columns, config.strict)


def _guarded(train: Dataset, test: Any, pool: Outcome, config: recipes.Recipe) -> Outcome:
    """The pool without queries that overlap with a test row, or are a training row's."""
    tests = {} if test is None else {"test": files.read_beside(test, config.format, config.columns).kept}
    guarded = leaks.guard(train, tests, pool.kept, config.leaks, partial(content, token=config.token.text))
    drops = tuple(drop for where, drop in guarded.dropped if where == "pool")
    return replace(pool, kept=pool.kept if guarded.pool is None else guarded.pool, dropped=(*pool.dropped, *drops))
