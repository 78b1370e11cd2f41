"""Plain text against its reference: the same, alike in letters (chrF) and in order of words (ROUGE-L), and judged."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Measure
from leaven.rows.passages import UNSPACED
from leaven.task.scoring import Scoring

HEADLINE = ("chrf", "judge")
LOWER_IS_BETTER: frozenset[str] = frozenset()

_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
_TOKEN = re.compile(rf"{_WORD.pattern}|[^\w\s]")


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`exact`, `chrf` (Popović 2015), `rouge_l` (F1 of the longest common subsequence of words, Lin 2004), `judge`.

    All are fractions. `judge` is the mark of a language model, where the study names one: it sees no reference.
    """
    from leaven.task.metrics.translation import sacrebleu

    chrf, _ = sacrebleu(word_order=0)
    for answer, row in zip(answers, rows, strict=True):
        yield Measure("exact", row.id, exact(answer, row.answer))
        if row.answer is not None:
            yield Measure("chrf", row.id, chrf.sentence_score(answer, [row.answer]).score / 100)
            yield Measure("rouge_l", row.id, rouge_l(answer, row.answer))
    if scoring.judge is not None:
        marks = scoring.judge([(row.prompt, answer) for answer, row in zip(answers, rows, strict=True)])
        for mark, row in zip(marks, rows, strict=True):
            yield Measure("judge", row.id, mark)


def exact(answer: str, reference: str | None) -> float:
    """Whether the answer is the reference but for space around it; NaN where there is no reference."""
    return float("nan") if reference is None else float(answer.strip() == reference.strip())


def overlap(answer: str, reference: str) -> float:
    """The F1 of the words and signs that both have, as often as both have them; in UNSPACED scripts of characters."""
    own, expected = (Counter(_TOKEN.findall(text.casefold())) for text in (answer, reference))
    if not own and not expected:
        return 1.0
    return 2 * (own & expected).total() / (own.total() + expected.total())


def rouge_l(answer: str, reference: str) -> float:
    """The F1 of the longest common subsequence of words, whatever their case and punctuation."""
    words, expected = (_WORD.findall(text.casefold()) for text in (answer, reference))
    if not words and not expected:
        return 1.0
    lengths = [0] * (len(expected) + 1)  # of the longest common subsequence with each prefix of the reference
    for word in words:
        diagonal = 0
        for place, other in enumerate(expected, 1):
            diagonal, lengths[place] = (
                lengths[place],
                diagonal + 1 if word == other else max(lengths[place], lengths[place - 1]),
            )
    return 2 * lengths[-1] / (len(words) + len(expected))
