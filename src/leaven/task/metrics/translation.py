"""Translations against their references: chrF++ and BLEU by sacrebleu, BLEURT with a checkpoint.

A document is scored by segment: line by line where both have as many lines, else as one. What a model says before its
translation ("Sure, here is the Icelandic translation:") is taken off both sides, or all would share an easy prefix.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from leaven.errors import UserError
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure
from leaven.task.scoring import Scoring

HEADLINE = ("chrf",)
LOWER_IS_BETTER: frozenset[str] = frozenset()

# Only what names the translation, or hands it over, announces one: "Here is the problem: …" may be what is translated.
_POLITE = r"(?:sure|certainly|of course|absolutely|okay|ok)\b"
_SOME = r"[^\n:]{0,120}"
_ANNOUNCEMENTS = (
    # "Sure, I'd be happy to help! Here's the sentence you gave, translated into Lao:", "Here is the text in French:"
    rf"(?:{_POLITE}{_SOME}?\b)?(?:here|below)(?: is| are|'s|’s)\b{_SOME}?"
    rf"\b(?:translat\w+|text in|sentence in)\b{_SOME}:",
    rf"(?:{_POLITE}{_SOME}?\b)?here (?:it is|they are|you are|you go):",
    # "Translation:", "The Icelandic translation of this text is:"
    rf"(?:{_POLITE}[,.!]?\s+)?(?:(?:the|a|my) )?(?:(?!(?:his|her|their|our|its) )(?-i:[A-Z])\w+ )?translation"
    rf"(?: (?:of|for) (?:the|this|that|your)\b{_SOME}? (?:text|sentence|passage|words?))?"
    r"(?: (?:in|into|to) (?-i:[A-Z])\w+)?(?: is| reads| would be)?:",
    # "Certainly, I can translate that:" on a line of its own
    rf"{_POLITE}{_SOME}\b(?:translat\w+|i can|i will|i'll|i’ll|let me)\b{_SOME}:[ \t]*\n",
)
_OPENING = re.compile(rf"[\s*_#]*(?:{'|'.join(_ANNOUNCEMENTS)})[*_]*\s*", re.IGNORECASE)


def score(answers: Sequence[str], rows: Dataset, scoring: Scoring) -> Iterator[Measure]:
    """`chrf` (chrF++), `exact`, and `bleurt` with a checkpoint, all fractions; `bleu` is over the whole set.

    The setting `bleurt` is the folder of a checkpoint. Rows whose field `direction` says so also have `chrf_en-is` and
    its like, and a `bleu_en-is` of their own.
    """
    checkpoint = str(scoring.settings.get("bleurt", ""))
    references = [(answer, row) for answer, row in zip(answers, rows, strict=True) if row.answer is not None]
    pairs = [segments(answer, row.answer or "") for answer, row in references]
    yield from _measures("", references, pairs, checkpoint)
    for direction in sorted({str(row.meta["direction"]) for _, row in references if row.meta.get("direction")}):
        places = [place for place, (_, row) in enumerate(references) if row.meta.get("direction") == direction]
        suffix = f"_{direction}"
        yield from _measures(
            suffix, [references[place] for place in places], [pairs[place] for place in places], checkpoint
        )


def segments(answer: str, reference: str) -> list[tuple[str, str]]:
    """Pairs of (translation, reference): lines where there are as many, else both texts whole."""
    ours, theirs = (_lines(stripped(text)) for text in (answer, reference))
    if len(ours) == len(theirs) > 0:
        return list(zip(ours, theirs, strict=True))
    return [(" ".join(ours), " ".join(theirs))]


def stripped(text: str) -> str:
    """The text without what announces a translation."""
    opening = _OPENING.match(text)
    return text[opening.end() :] if opening else text


def _measures(
    suffix: str, rows: Sequence[tuple[str, Example]], pairs: Sequence[list[tuple[str, str]]], checkpoint: str
) -> Iterator[Measure]:
    chrf, bleu = sacrebleu()
    for (answer, row), lines in zip(rows, pairs, strict=True):
        values = [chrf.sentence_score(ours, [theirs]).score / 100 for ours, theirs in lines]
        yield Measure(f"chrf{suffix}", row.id, sum(values) / len(values))
        exact = stripped(answer).split() == stripped(row.answer or "").split()
        yield Measure(f"exact{suffix}", row.id, float(exact))
    flat = [pair for lines in pairs for pair in lines]
    if flat:
        corpus = bleu.corpus_score([ours for ours, _ in flat], [[theirs for _, theirs in flat]])
        yield Measure(f"bleu{suffix}", "", corpus.score / 100)
    if checkpoint:
        yield from _bleurt(suffix, rows, pairs, checkpoint)


def _bleurt(
    suffix: str, rows: Sequence[tuple[str, Example]], pairs: Sequence[list[tuple[str, str]]], checkpoint: str
) -> Iterator[Measure]:
    from leaven.task.metrics import _bleurt as bleurt

    flat = [pair for lines in pairs for pair in lines]
    values = iter(bleurt.load(checkpoint).scores([theirs for _, theirs in flat], [ours for ours, _ in flat]))
    for (_, row), lines in zip(rows, pairs, strict=True):
        yield Measure(f"bleurt{suffix}", row.id, sum(next(values) for _ in lines) / len(lines))


def sacrebleu(word_order: int = 2) -> tuple[Any, Any]:
    """Sacrebleu's chrF (chrF++ with words in pairs) and BLEU."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise UserError(
            "translations are scored by sacrebleu, and it is not installed", "pip install 'leaven[evaluate]'"
        ) from None
    return CHRF(word_order=word_order), BLEU()


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
