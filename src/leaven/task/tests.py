"""The tests of a task, made from its test rows, the pool, the token and the format that it means.

| test | rows | asks |
|---|---|---|
| task | the task's test rows | as they stand |
| unseen_phrasing | the same | in phrasings of the book that no training uses |
| negation | the same, twice | in unseen phrasings: for the format, and without it |
| transfer | queries set apart from the pool | for the format, in unseen phrasings |
| general | other queries set apart | plainly |

Each with its `ceiling`: some of its questions with the token said in plain words, for the untouched model.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from leaven import plugs
from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin
from leaven.task.format import Format
from leaven.task.phrasebook import phrasings
from leaven.task.scoring import PHRASING, question_of
from leaven.task.settings import EvaluateSection
from leaven.task.test import Test
from leaven.task.token import TokenSection
from leaven.task.wording import names, with_request

POOL_TEST_ROWS = 100
"""Queries of the pool that are set apart to ask for transfer, and as many for `general`."""
FEWEST = 5
"""A test of fewer rows says nothing."""
PLAIN = "in_plain_words"
"""The field of a ceiling's rows that holds the words."""
DEV_PHRASINGS = 3
"""Phrasings in which a row is asked by which settings are chosen."""
SHOWN = ("format", "content")
"""What tables show of new phrasings: the form, and what the references say that an answer should hold."""
WITH_CEILING = ("format", "transfer", "negation", "soft_prompt", "robustness")
"""Metrics whose tests have a ceiling: they ask for the format."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What a study asks, the pool without the queries that its tests took, and notes on what can't be tested."""

    tests: tuple[Test, ...]
    pool: Dataset
    notes: tuple[str, ...] = ()


class Variant(NamedTuple):
    """A row asked otherwise: its last question, fields to add, and whether the row's answer stays right."""

    question: str
    meta: dict[str, object]
    keeps_answer: bool


class Wording(NamedTuple):
    """Plain words: a name that takes the token's place, or a description that takes a sentence of its own."""

    words: str
    is_description: bool


def make_tests(
    rows: Dataset, pool: Dataset, token: TokenSection, form: Format, metric: str = "auto", seed: int = 0
) -> Suite:
    """The tests of these test rows and this pool; `metric` scores the rows as they stand (auto: by the format).

    Raises UserError where there are no test rows, or too few queries for `general`: what a method forgets would not be
    seen. Other tests that can't be made are left out with a sentence.
    """
    needs_format = _needs_format(form, metric)
    if not len(rows):
        raise UserError("no row of the test is left", "Bring test rows that training has not seen.")
    notes = missing_tests(len(rows), len(pool), form, metric)
    count = _general_rows(len(pool))
    if not count:
        raise UserError(
            f"the pool has {len(pool):,} queries, and the test `general` takes {2 * FEWEST} at least",
            f"Bring {4 * FEWEST} or more, so that forgetting and leaks can be seen.",
        )
    is_large = len(pool) >= 4 * FEWEST
    general, pool = pool.split(count, seed)
    tests = [Test("task", rows, metric_of(metric, form))]
    if needs_format:
        tests += [
            Test("unseen_phrasing", _derive(rows, "unseen_phrasing", token.text, _unseen), "format", shown=SHOWN),
            Test("negation", _derive(rows, "negation", token.text, _follow_and_forbid), "negation"),
        ]
        if is_large:
            queries, pool = pool.split(count, seed)
            tests.append(Test("transfer", _derive(_bare(queries), "transfer", token.text, _request), "transfer"))
    tests.append(Test("general", _derive(_bare(general), "general", token.text, _as_it_stands), "general"))
    return Suite(tuple(tests), pool, tuple(notes))


def dev_tests(rows: Dataset, queries: Dataset, token: TokenSection, form: Format) -> tuple[Test, Test]:
    """Two tests by which settings are chosen: these rows, in phrasings that serve nothing else, and plain queries.

    Where the format can't be told the rows are asked as they stand.
    """
    dev = _derive(rows, "dev", token.text, _dev) if form.testable else rows
    return (
        Test("dev", dev, metric_of("auto", form)),
        Test("general", _derive(_bare(queries), "general", token.text, _as_it_stands), "general"),
    )


def metric_of(metric: str, form: Format) -> str:
    """The metric that scores answers, where `auto` leaves it to the format."""
    return metric if metric != "auto" else "format" if form.testable else "text"


def missing_tests(test_rows: int, pool_rows: int, form: Format, metric: str = "auto") -> list[str]:
    """A sentence for each test that can't be made of so many rows; make_tests raises for the last, `general`."""
    sentences = []
    if metric == "auto" and not form.testable:
        sentences.append(
            "The answers are plain text: unseen_phrasing, negation, transfer and the leak, which need a format, are "
            "left out. Name one with --answers where the token stands for a format."
        )
    if test_rows < FEWEST:
        sentences.append(f"There are {test_rows} test rows: too few for any difference to be told from noise.")
    if _needs_format(form, metric) and 2 * FEWEST <= pool_rows < 4 * FEWEST:
        sentences.append(
            f"The test `transfer` is left out: it takes {4 * FEWEST} queries, and the pool has {pool_rows}."
        )
    if pool_rows < 2 * FEWEST:
        sentences.append(f"The test `general` can't be made: it takes {2 * FEWEST} queries, the pool has {pool_rows}.")
    return sentences


def tests_of_study(tests: Sequence[Test], config: EvaluateSection, token: TokenSection) -> list[Test]:
    """The tests as a study asks them: none longer than `limit_test`, and beside them those on request."""
    limited = [test.limited(config.limit_test) for test in tests]
    return [*limited, *more_tests(config.more_tests, limited, token)]


def more_tests(wanted: Sequence[str], tests: Sequence[Test], token: TokenSection) -> Iterator[Test]:
    """Tests on request, which their metrics make of the others: robustness, soft_prompt, or your own with `rows`.

    Raises UserError where the tests that it is made of are not there.
    """
    by_name = {test.name: test.rows for test in tests}
    for name in wanted:
        try:
            rows = plugs.load("metrics", name).rows(by_name, token.text)
        except KeyError as error:
            raise UserError(
                f"evaluate.more_tests: {name} is made of the test {error.args[0]}, which this study has not",
                f"Leave {name} out, or choose a task whose answers have a format.",
            ) from None
        yield Test(name, rows, name)


def with_ceiling(test: Test, token: TokenSection, form: Format, questions: int | None = None) -> Test:
    """The test with its questions (so many at most) in plain words, where they name the token and a format can be told.

    Each question is there once in every wording, which is in the field `in_plain_words` of its rows: the format's name
    in place of the token, with capitals and without; "Answer as" what the format is, and what the token `means`. The
    soft prompt's own sentences are what it tests, so that there only a name can stand in the token's place.
    """
    if not form.testable or test.metric not in WITH_CEILING:
        return test
    rows = [row for row in test.limited(questions).rows if names(row.question, token.text)]
    plain = [
        _in_place(row, _plainly(row, token.text, wording), {PLAIN: wording.words, "question": question_of(row)})
        for wording in wordings(token, form)
        if test.metric != "soft_prompt" or not wording.is_description
        for row in rows
    ]
    return replace(test, ceiling=Dataset.of(plain, ("in plain words",))) if plain else test


def wordings(token: TokenSection, form: Format) -> tuple[Wording, ...]:
    """Plain words for the token, each once."""
    named = dict.fromkeys((form.word(), form.word().lower()))
    described = dict.fromkeys((form.describe(), token.means))
    return (*(Wording(text, False) for text in named if text), *(Wording(text, True) for text in described if text))


def _plainly(row: Example, token: str, wording: Wording) -> str:
    if not wording.is_description:
        return row.question.replace(token, wording.words)
    frame = "Answer as {}." if row.meta.get("follow", True) else "Do not answer as {}."
    return with_request(row.question, token, frame.format(wording.words))


def _needs_format(form: Format, metric: str) -> bool:
    return form.testable and metric not in ("text", "translation")


def _general_rows(pool_rows: int) -> int:
    """Queries that `general` takes of a pool: a tenth, within bounds; none of a pool that is too small."""
    return 0 if pool_rows < 2 * FEWEST else min(POOL_TEST_ROWS, max(FEWEST, pool_rows // 10))


Vary = Callable[[Example, str, random.Random], Iterator[Variant]]


def _derive(rows: Dataset, name: str, token: str, vary: Vary) -> Dataset:
    """The variants of all rows, each once, with the row that it is made of as its parent."""
    rng = random.Random(f"tests {name}")
    examples: dict[str, Example] = {}
    for row in rows:
        for variant in vary(row, token, rng):
            example = _in_place(row, *variant)
            example = replace(example, origin=Origin(name, row.origin.place, (row.id,)))
            examples.setdefault(example.id, example)
    return Dataset.of(examples.values(), (name,))


def _in_place(row: Example, question: str, meta: dict[str, object], keeps_answer: bool = True) -> Example:
    """The row with another last question and more fields, and with its answer where that stays right."""
    answer = row.messages[len(row.prompt) :] if keeps_answer else ()
    return replace(row, messages=(*row.prompt[:-1], Message("user", question), *answer), meta={**row.meta, **meta})


def _bare(rows: Dataset) -> Dataset:
    """Queries alone: what a pool answers them is no reference."""
    return Dataset.of((replace(row, messages=row.prompt, meta={}) for row in rows), rows.made_by)


def _unseen(row: Example, token: str, rng: random.Random) -> Iterator[Variant]:
    phrasing = rng.choice(phrasings("follow", "unseen"))
    yield Variant(with_request(row.question, token, phrasing), {PHRASING: phrasing}, True)


def _dev(row: Example, token: str, rng: random.Random) -> Iterator[Variant]:
    for phrasing in rng.sample(phrasings("follow", "dev"), DEV_PHRASINGS):
        yield Variant(with_request(row.question, token, phrasing), {"question": row.id, PHRASING: phrasing}, True)


def _follow_and_forbid(row: Example, token: str, rng: random.Random) -> Iterator[Variant]:
    for follow, kind in ((True, "follow"), (False, "negative")):
        phrasing = rng.choice(phrasings(kind, "unseen"))
        meta: dict[str, object] = {"follow": follow, "question": row.id, PHRASING: phrasing}
        yield Variant(with_request(row.question, token, phrasing), meta, follow)


def _request(row: Example, token: str, rng: random.Random) -> Iterator[Variant]:
    phrasing = rng.choice(phrasings("follow", "unseen"))
    yield Variant(f"{row.question}\n{phrasing.format(token=token)}", {PHRASING: phrasing}, False)


def _as_it_stands(row: Example, token: str, rng: random.Random) -> Iterator[Variant]:
    yield Variant(row.question, {}, False)
