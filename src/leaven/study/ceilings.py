"""What the untouched model says: to plain questions, and to each test's questions in plain words (its ceiling).

A token can't elicit what its own meaning, said in plain words, does not: where neither the words nor any trained method
of the study reaches a half, a test tells nothing of the token, and no verdict is given for it. A method that does reach
it keeps the test: training may teach what words could not elicit.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure, Prompt
from leaven.task import tests
from leaven.task.format import Format
from leaven.task.metrics.general import UNTOUCHED
from leaven.task.scoring import question_of
from leaven.task.test import Test, headline, lower_is_better, score

REACHED = 0.5
"""The least that the words or a trained method must reach on a test's first headline measure."""

Respond = Callable[[Sequence[Prompt]], list[str]]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The untouched model's measures on a test in the plain wording that serves it best, by name: `transfer/format`."""

    test: str
    wording: str
    questions: int
    values: Mapping[str, float]


def with_own_answers(test: Test, respond: Respond) -> Test:
    """The test with the untouched model's own answer in a field of each row, for metrics that compare with it."""
    if test.metric != "general":
        return test
    texts = respond([row.prompt for row in test.rows])
    rows = (replace(row, meta={**row.meta, UNTOUCHED: text}) for row, text in zip(test.rows, texts, strict=True))
    return replace(test, rows=Dataset.of(rows, (*test.rows.made_by, "untouched model")))


def answer(test: Test, respond: Respond) -> pl.DataFrame:
    """The untouched model's answers to a test's questions in plain words, one row each, with the words."""
    rows = list(test.ceiling or ())
    texts = respond([row.prompt for row in rows])
    columns = ("wording", "item", "prompt", "answer")
    lines = [(row.meta[tests.PLAIN], row.id, row.question, text) for row, text in zip(rows, texts, strict=True)]
    return pl.DataFrame(lines, orient="row", schema=dict.fromkeys(columns, pl.String))


def ceiling(test: Test, answers: Sequence[str], form: Format) -> Ceiling | None:
    """The best of the plain wordings by the test's first headline measure; None for a test without a ceiling."""
    rows = list(test.ceiling or ())
    ceilings = []
    for wording in dict.fromkeys(str(row.meta[tests.PLAIN]) for row in rows):
        places = [place for place, row in enumerate(rows) if row.meta[tests.PLAIN] == wording]
        part = replace(test, rows=Dataset.of(rows[place] for place in places))
        values = means(score(part, [answers[place] for place in places], form))
        ceilings.append(Ceiling(test.name, wording, len({*map(question_of, part.rows)}), values))
    return max(ceilings, key=lambda one: one.values.get(headline(test)[0], 0.0), default=None)


def verdicts(
    test_list: Sequence[Test], ceilings: Mapping[str, Ceiling], best: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """By test: its ceiling, whether the test can tell anything of this model, and the sentence that says so.

    `best` is the highest mean of any trained method, by measure. `out_of_reach` names the measures that neither the
    words nor training reach: nothing can be told by them. A test without a ceiling is left out: it can always be told.
    """
    return {test.name: _verdict(test, ceilings[test.name], best) for test in test_list if test.name in ceilings}


def _verdict(test: Test, ceiling: Ceiling, best: Mapping[str, float]) -> dict[str, Any]:
    main = headline(test)[0]
    words, trained = ceiling.values.get(main, 0.0), best.get(main, 0.0)
    testable = max(words, trained) >= REACHED
    out_of_reach = [
        name
        for name, value in ceiling.values.items()
        if max(value, best.get(name, 0.0)) < REACHED and name not in lower_is_better(test)
    ]
    reached = f"said in plain words ({ceiling.wording!r}), the untouched model reaches {words:.0%}"
    return {
        "testable": testable,
        "reason": "" if testable else f"{reached}, and no trained method more than {trained:.0%}",
        "taught": f"{reached}; training taught what the words did not elicit" if testable and words < REACHED else "",
        "ceiling": {name.removeprefix(f"{test.name}/"): value for name, value in ceiling.values.items()},
        "out_of_reach": out_of_reach,
        "wording": ceiling.wording,
        "questions": ceiling.questions,
    }


def means(measures: Iterable[Measure]) -> dict[str, float]:
    """The mean of each measure over what has one, by its name; NaN is left out."""
    values: dict[str, list[float]] = {}
    for measure in measures:
        if not math.isnan(measure.value):
            values.setdefault(measure.metric, []).append(measure.value)
    return {name: sum(each) / len(each) for name, each in values.items()}
