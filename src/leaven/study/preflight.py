"""What can be known to fail is said before anything is paid or trained, all of it at once.

Checked are packages, the engine and its key, plugs and their settings, the model (configuration, tokenizer, chat
template, layers to adapt), the token and its first row, the rows, and the folder: by the code that would fail later.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from leaven import extras, plugs
from leaven.delia.settings import with_changes
from leaven.errors import UserError
from leaven.llm import open as engines
from leaven.rows.example import user
from leaven.runs.preflight import check_writable, examine, together
from leaven.study import forgetting, ratio_pilot, trackers
from leaven.study.cells import cells
from leaven.study.recipe import MethodChoice, Recipe
from leaven.task.task import Task
from leaven.task.test import metric


def check(recipe: Recipe, task: Task, folder: Path) -> None:
    """Raises UserError with everything that would stop the study."""
    if faults := errors(recipe, task, folder):
        raise together(faults)


def errors(recipe: Recipe, task: Task | None, folder: Path) -> list[UserError]:
    """What would stop the study; without a task, what can be told without its rows."""
    checks: list[Callable[[], object]] = [
        partial(_packages, recipe),
        partial(check_writable, folder),
        partial(trackers.check, recipe.report_to),
        partial(_engines, recipe),
        partial(_processes, recipe),
        partial(engines.check, recipe.llm),
        *(
            partial(engines.check, recipe.llm.model_copy(update={"engine": engine}))
            for engine in (recipe.evaluate.judge, recipe.sampler)
        ),
        *(partial(plugs.load, "probes", name) for name in recipe.probes),
        partial(_model, recipe),
        *(partial(forgetting.check, name, recipe.evaluate) for name in recipe.evaluate.benchmarks),
    ]
    if task is not None:
        checks += [partial(cells, recipe, len(task.rows)), partial(ratio_pilot.check, recipe, task)]
        checks += [partial(_method, method, task) for method in recipe.methods]
        checks += [partial(_tests, method, recipe, task) for method in recipe.methods]
        checks += [partial(metric, test.metric) for test in task.tests]
    return examine(checks)


def _packages(recipe: Recipe) -> None:
    more = ("sacrebleu",) if recipe.evaluate.metric in ("translation", "text") else ()
    harness = ("lm_eval",) if recipe.evaluate.benchmarks else ()
    extras.require(*extras.STUDY, *more, *harness, *recipe.scale.packages)


def _engines(recipe: Recipe) -> None:
    """Replies that were paid for lie in a store of one machine, which no other one can write to."""
    paid = [
        engine for engine in (recipe.llm.engine, recipe.evaluate.judge, recipe.sampler) if engine.startswith("openai:")
    ]
    if recipe.scale.on and paid:
        raise UserError(
            f"cells on {recipe.scale.on} can't ask {paid[0]}: its store of replies is this machine's",
            "Leave out --on, or ask no engine: the phrasebook serves in place of --llm.",
        )


def _processes(recipe: Recipe) -> None:
    """Several processes tune one model together, and a cluster several cells apart."""
    from leaven.models import mesh

    if recipe.scale.on and (count := mesh.processes()) > 1:
        raise UserError(
            f"{count} processes tune each cell together, so that --on {recipe.scale.on} has none to hand out",
            "Leave out --on, or begin leaven without a launcher.",
        )


def _method(method: MethodChoice, task: Task) -> None:
    """What the method's own file checks: `check(config, task)`, where it has one."""
    plug = plugs.load("methods", method.name)
    if hasattr(plug, "check"):
        try:
            plug.check(method.settings, task)
        except UserError as error:
            raise UserError(f"methods.{method.label}: {error.problem}", error.hint) from None


def _tests(method: MethodChoice, recipe: Recipe, task: Task) -> None:
    """The tests that the method is asked, where that is not all of them, are tests of the study."""
    names = [*(test.name for test in task.tests), *recipe.evaluate.more_tests]
    if unknown := [name for name in method.tests or () if name not in names]:
        raise UserError(
            f"methods.{method.label}.tests: there is no test {unknown[0]!r}", f"This study has {', '.join(names)}."
        )


def _model(recipe: Recipe) -> None:
    """The model is one, its tokenizer renders a question, the token can be added, the layers to adapt are there."""
    from leaven.models import names, tokens
    from leaven.models.load import load_tokenizer
    from leaven.models.outline import check_targets, outline
    from leaven.models.template import render

    path = names.path(recipe.model)
    model = outline(path, recipe.trust_remote_code)
    tokenizer = load_tokenizer(path, recipe.trust_remote_code)
    render(tokenizer, user("Which model is this?"), True)
    faults = examine(
        [
            partial(tokens.check_text, tokenizer, recipe.token),
            partial(tokens.check_init, tokenizer, recipe.token),
            partial(check_targets, model, recipe.tune.target_modules),
            *(
                partial(check_targets, model, layers, f"methods.{label}.tune.target_modules")
                for label, layers in _own_targets(recipe)
            ),
        ]
    )
    if faults:
        raise together(faults)


def _own_targets(recipe: Recipe) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The label and the layers of each method that adapts others than the recipe."""
    for method in recipe.methods:
        layers = with_changes(recipe.tune, getattr(method.settings, "tune", {})).target_modules
        if layers != recipe.tune.target_modules:
            yield method.label, layers
