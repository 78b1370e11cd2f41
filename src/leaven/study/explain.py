"""What each part of DELIA is worth on a task: a small study of all 32 ways to switch five parts on and off.

| part | on | off |
|---|---|---|
| phrasings | instructions said in many ways | all rows ask in one and the same phrasing |
| buffer | self-sampled rows at the ratio | none |
| token rate | a learning rate of the token's own | that of the adapter |
| step size | few task rows in a step, so many steps | 16 task rows in a step |
| exposures | several passes over the task rows | one |
"""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from leaven.delia.settings import AUTO, with_changes
from leaven.errors import UserError
from leaven.study import shapley
from leaven.study.recipe import DELIA, MethodChoice, Recipe
from leaven.study.shapley import Coalition, Worth

PARTS = ("phrasings", "buffer", "token rate", "step size", "exposures")
NONE, ALL = "none of them", "all of them"
LARGEST_RATIO, STEP_TASK_ROWS, PASSES = 2.5, 4, 3
"""What is on where the recipe says nothing: those of the preset `small`; a larger ratio would be no small scale."""
LARGE_STEP = 16
"""Task rows in a step, where the part is off: that of the paper's common tuning."""
QUESTIONS, TOKENS = 24, 64
"""Questions of a test, and tokens of an answer and of a self-sample, at most."""
MEASURES = (
    "unseen_phrasing/format", "transfer/format", "negation/controlled", "general/leak", "general/kept"
)  # fmt: skip
"""What is explained, where the study has it."""


def labels() -> dict[Coalition, str]:
    """What the method of each cell of the grid is called."""
    names = {some: " + ".join(part for part in PARTS if part in some) for some in shapley.subsets(PARTS)}
    return {**names, frozenset(): NONE, frozenset(PARTS): ALL}


def worths(scores: pl.DataFrame) -> dict[str, list[Worth]]:
    """The share of each part in each measure that the scores of the grid have."""
    measures = [measure for measure in MEASURES if not scores.filter(pl.col("metric") == measure).is_empty()]
    return {measure: shapley.worth(scores, labels(), measure) for measure in measures}


def mean(scores: pl.DataFrame, label: str, measure: str) -> float:
    """The mean of a cell over seeds and items."""
    values = scores.filter(pl.col("method") == label, pl.col("metric") == measure)["value"].drop_nans()
    return float(values.mean())  # type: ignore[arg-type]


def lines(scores: pl.DataFrame, measures: Mapping[str, list[Worth]]) -> Iterator[tuple[str, list[str]]]:
    """Each part and its share in each measure, then what none of them and all of them reach; points of a hundred."""
    for part in PARTS:
        yield part, [_points(next(row for row in rows if row.part == part)) for rows in measures.values()]
    for label in (NONE, ALL):
        yield label, [f"{100 * mean(scores, label, measure):.0f}" for measure in measures]


def _points(share: Worth) -> str:
    """A share, with its interval."""
    if share.low is None or share.high is None:
        return f"{100 * share.mean:+.0f}"
    return f"{100 * share.mean:+.0f} ({100 * share.low:+.0f} to {100 * share.high:+.0f})"


def grid(recipe: Recipe) -> Recipe:
    """The recipe with the 32 cells of the grid as its methods, at small scale: DELIA as the recipe has it, and less."""
    choice = next((one for one in recipe.methods if one.name == DELIA and one.config.get("ratio", 1)), None)
    if choice is None:
        raise UserError("the recipe has no delia with a buffer", "Add `delia` to its methods.")
    tests = tuple(dict.fromkeys(measure.split("/")[0] for measure in MEASURES))
    methods = tuple(
        MethodChoice(name=DELIA, label=label, config=_config(recipe, choice.config, some), tests=tests)
        for some, label in labels().items()
    )
    limit = min(recipe.evaluate.limit_test or QUESTIONS, QUESTIONS)
    tokens = min(recipe.evaluate.max_new_tokens, TOKENS)
    return recipe.model_copy(
        update={
            "methods": methods,
            "probes": (),
            "tune": recipe.tune.model_copy(update={"trials": 0}),
            "sample": recipe.sample.model_copy(update={"max_new_tokens": min(recipe.sample.max_new_tokens, TOKENS)}),
            "evaluate": recipe.evaluate.model_copy(
                update={"limit_test": limit, "max_new_tokens": tokens, "ceiling_questions": 1, "benchmarks": ()}
            ),
        }
    )


def _config(recipe: Recipe, config: dict[str, Any], on: Coalition) -> dict[str, Any]:
    """The settings of DELIA where these parts are on, and the others off."""
    tune, ratio = with_changes(recipe.tune, config.get("tune", {})), config.get("ratio", LARGEST_RATIO)
    passes = int(tune.num_train_epochs) if tune.num_train_epochs > 1 else PASSES
    changes = {
        "token_learning_rate": tune.token_learning_rate if "token rate" in on else tune.learning_rate,
        "step_task_rows": (tune.step_task_rows or STEP_TASK_ROWS) if "step size" in on else LARGE_STEP,
        "num_train_epochs": passes if "exposures" in on else 1,
    }
    return {
        **config,
        "ratio": (LARGEST_RATIO if ratio == AUTO else min(ratio, LARGEST_RATIO)) if "buffer" in on else 0,
        "diversify": config.get("diversify", True) if "phrasings" in on else {"on": False, "one_phrasing": True},
        "tune": {**config.get("tune", {}), **changes},
    }
