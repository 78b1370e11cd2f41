"""Plain questions without the token: whether its format leaks into them, and what the model still says as before."""

import re
from collections.abc import Iterator, Sequence

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure
from leaven.task.format import Format
from leaven.task.metrics.text import overlap
from leaven.task.scoring import Scoring

HEADLINE = ("leak", "kept", "exact")
LOWER_IS_BETTER = frozenset({"leak"})
UNTOUCHED = "untouched"
"""The field of a row that holds the untouched model's own answer."""
ACCEPTS = "accepts"
"""The field of a row that may hold a regular expression of every right answer, where there are several."""


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`leak` (answered in the format), `kept` (F1 of tokens with the untouched model's own answer), `exact`.

    `exact` needs a known answer (white space does not count); where several are right, the row's field `accepts`, a
    regular expression, decides. Raises UserError for one that can't be read. The leak is undefined where the format
    is right: the prompt asks for it by name or has it, or the known answer or the untouched model's own has it.
    """
    for answer, row in zip(answers, rows, strict=True):
        own = row.meta.get(UNTOUCHED)
        leaks = float(scoring.format.detect(answer)) if is_plain(row, scoring.format) else float("nan")
        yield Measure("leak", row.id, leaks)
        yield Measure("kept", row.id, float("nan") if own is None else overlap(answer, str(own)))
        yield Measure("exact", row.id, _exact(answer, row))


def is_plain(row: Example, form: Format) -> bool:
    """Whether an answer in the format would be a leak: neither the prompt nor an answer that is known calls for it."""
    texts = [message.content for message in row.messages]
    own = row.meta.get(UNTOUCHED)
    calls = re.compile(rf"(?<!\w){re.escape(form.word())}(?!\w)", re.IGNORECASE)
    in_format = any(form.detect(text) for text in (*texts, *([] if own is None else [str(own)])))
    return form.testable and not in_format and not any(calls.search(text) for text in texts)


def _exact(answer: str, row: Example) -> float:
    if row.answer is None:
        return float("nan")
    if accepts := row.meta.get(ACCEPTS):
        try:
            return float(re.fullmatch(str(accepts), " ".join(answer.split())) is not None)
        except re.error as error:
            raise UserError(
                f"field {ACCEPTS} of row {row.id} is no regular expression: {error}", "Mend or rename the field."
            ) from error
    return float(answer.split() == row.answer.split())
