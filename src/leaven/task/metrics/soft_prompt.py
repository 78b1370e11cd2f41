"""The token as a soft prompt (the paper's demonstration): told to follow it, and told not to, on tasks never seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure, Message, Origin
from leaven.task.metrics.negation import does
from leaven.task.phrasebook import phrasings
from leaven.task.scoring import PHRASING, Scoring, question_of
from leaven.task.wording import with_request

HEADLINE = ("controlled",)
LOWER_IS_BETTER: frozenset[str] = frozenset()

FOLLOW, REFRAIN = "You must follow {token}.", "You must NOT follow {token}."
"""The paper's wording. A format's own name fails the second (one can hardly be told not to follow JSON), so that a
token that means just that has to fail it too: the ceiling, the name in the token's place, says what can be passed."""


def rows(tests: Mapping[str, Dataset], token: str) -> Dataset:
    """Each question of `transfer` three times: told to follow the token, not to, and so in other words."""
    book = phrasings("negative", "unseen")
    return Dataset.of(
        (
            _variant(row, token, phrasing, wording)
            for number, row in enumerate(each for each in tests["transfer"] if each.meta.get("follow", True))
            for phrasing, wording in ((FOLLOW, "follow"), (REFRAIN, "paper"), (book[number % len(book)], "phrasebook"))
        ),
        ("soft_prompt",),
    )


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`follow`, `refrain` (the phrasebook's prohibition) and `refrain_paper`; `controlled` and `controlled_paper`.

    The last two are of questions: told to follow it has the format, and told not to, in either wording, it has not.
    """
    results: dict[str, dict[str, bool]] = {}
    for answer, row in zip(answers, rows, strict=True):
        wording = str(row.meta.get("wording", "follow"))
        right = does(answer, wording == "follow", scoring)
        yield Measure({"follow": "follow", "paper": "refrain_paper"}.get(wording, "refrain"), row.id, float(right))
        results.setdefault(question_of(row), {})[wording] = right
    for question, outcomes in results.items():
        for name, wording in (("controlled", "phrasebook"), ("controlled_paper", "paper")):
            if {"follow", wording} <= set(outcomes):
                yield Measure(name, question, float(outcomes["follow"] and outcomes[wording]))


def _variant(row: Example, token: str, phrasing: str, wording: str) -> Example:
    question = Message("user", with_request(row.question, token, phrasing, "end"))
    about = {"follow": wording == "follow", "wording": wording, "question": row.id, PHRASING: phrasing}
    meta = {**row.meta, **about}
    answer = row.messages[len(row.prompt) :] if wording == "follow" else ()
    return replace(
        row, messages=(*row.prompt[:-1], question, *answer), origin=Origin("soft_prompt", parents=(row.id,)), meta=meta
    )
