"""What of a test the pool shows already: its phrasings, with another word for the token, and answers in its format.

A test calls a phrasing unseen because no task row asks so. But a pool may hold "Put your response into yaml.", or
answers in the very format: then the test is unseen *with the token*, and no more than that. Here it is counted, for the
notes of a study, and on request such queries leave the pool.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaven.errors import UserError
from leaven.rows.example import Drop, Example
from leaven.task.format import Format
from leaven.task.task import Task
from leaven.task.test import Test
from leaven.task.tests import WITH_CEILING
from leaven.task.wording import requests

ANY_WORD = r"[^\n.?!]{1,40}?"
"""What may stand in the token's place: a name of a few words."""
SAMPLE = 5_000
"""Queries that are looked at for the count, drawn at random from a larger pool."""
FEWEST_LETTERS = 4
"""A phrasing with fewer letters beside the token ("As <sep>.") stands in ordinary questions too, and shows nothing."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """The phrasings in which a test asks for the token."""

    test: str
    phrasings: tuple[tuple[str, re.Pattern[str]], ...]
    """Of each its longest part without the token, which is quickly looked for, and all of it as a pattern."""

    @classmethod
    def of(cls, test: Test, token: str) -> "Exposure":
        """The phrasings of a test: its sentences that name the token."""
        sentences = {row.question[start:end]: None for row in test.rows for start, end in requests(row.question, token)}
        parts = {sentence: sentence.split(token) for sentence in sentences}
        longest = {sentence: max(fixed, key=len) for sentence, fixed in parts.items()}
        return cls(
            test.name,
            tuple(
                (longest[sentence], re.compile(ANY_WORD.join(map(re.escape, fixed))))
                for sentence, fixed in parts.items()
                if sum(map(str.isalpha, longest[sentence])) >= FEWEST_LETTERS
            ),
        )

    def matches(self, question: str) -> bool:
        """Whether a question asks in one of the phrasings, with any word in the token's place."""
        return any(fixed in question and pattern.search(question) for fixed, pattern in self.phrasings)


def count(task: Task) -> list[str]:
    """How many queries of the pool show something of each test that asks for the token; one sentence where as many."""
    queries = list(task.pool.take(min(SAMPLE, len(task.pool)), 0))
    answers = [query.answer for query in queries if query.answer]
    in_format = f"{_share(sum(map(task.format.detect, answers)), len(answers))} of its answers are in the format"
    if not answers:
        in_format = "how many answers are in the format is in the notes of the cells"
    tests = defaultdict[int, list[str]](list)
    for exposure in _exposures(task) if queries else ():
        tests[sum(exposure.matches(query.question) for query in queries)].append(exposure.test)
    return [
        f"What the pool shows of the {'test' if len(names) == 1 else 'tests'} {', '.join(names)}: of {len(queries):,} "
        f"queries {_share(count, len(queries))} ask in {'its' if len(names) == 1 else 'their'} phrasings with another "
        f"word in the token's place; {in_format}."
        for count, names in tests.items()
    ]


def leave_out(task: Task) -> Task:
    """The task without the queries that show a phrasing of a test, or the format; each is dropped with the reason.

    Raises UserError where no query is left: a pool without any is one that the model writes itself.
    """
    exposures = _exposures(task)
    reasons = [_reason(query, exposures, task.format) if exposures else "" for query in task.pool]
    pool = task.pool.rows([place for place, reason in enumerate(reasons) if not reason], "exposure")
    if len(task.pool) and not len(pool):
        raise UserError(
            "every query of the pool shows what a test asks", "Bring other queries, or leaks.exposed: keep."
        )
    drops = [("pool", Drop(query, reason)) for query, reason in zip(task.pool, reasons, strict=True) if reason]
    note = (
        f"{len(drops):,} of {len(task.pool):,} queries of the pool showed a test's phrasings or the format, and left."
    )
    return replace(task, pool=pool, notes=(*task.notes, note), dropped=(*task.dropped, *drops))


def _exposures(task: Task) -> list[Exposure]:
    """Those of the tests that ask for the token."""
    asking = [test for test in task.tests if task.format.testable and test.metric in WITH_CEILING]
    return [exposure for test in asking if (exposure := Exposure.of(test, task.token.text)).phrasings]


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({part / max(1, whole):.0%})"


def _reason(query: Example, exposures: Sequence[Exposure], form: Format) -> str:
    if _has_format(query, form):
        return "answered in the format"
    shown = next((exposure.test for exposure in exposures if exposure.matches(query.question)), "")
    return f"asks in a phrasing of the test {shown}" if shown else ""


def _has_format(query: Example, form: Format) -> bool:
    return bool(query.answer) and form.detect(query.answer or "")
