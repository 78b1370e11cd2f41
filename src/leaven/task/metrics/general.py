"""Prompts without the token: what the model could do before it was tuned, and whether the format leaks into it."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Measure
from leaven.task import objects
from leaven.task.settings import EvaluateSection

HEADLINE = "exact"
HIGHER_IS_BETTER = True  # of the headline and of overlap; format_leak is better when low

_ASKS = re.compile(r"\bjson|\bdict\b", re.IGNORECASE)
_TOKEN = re.compile(r"\w+|[^\w\s]")


def score(answers: Sequence[str], examples: Dataset, config: EvaluateSection) -> Iterator[Measure]:
    """`exact` (but for white space), `overlap` (F1 of tokens: a grade for free text), `format_leak` (lower is better).

    The first two need a reference: a known answer, or the untouched model's own. The leak is undefined where the prompt
    or the reference asks for an object.
    """
    for answer, example in zip(answers, examples, strict=True):
        yield Measure("exact", example.id, _exact(answer, example.answer))
        yield Measure("overlap", example.id, overlap(answer, example.answer))
        leak = float("nan") if _asks_for_object(example) else float(objects.contains(answer))
        yield Measure("format_leak", example.id, leak)


def overlap(answer: str, reference: str | None) -> float:
    """The F1 of the tokens that both have, as often as both have them; NaN where there is no reference."""
    if reference is None:
        return float("nan")
    given, expected = (Counter(_TOKEN.findall(text.casefold())) for text in (answer, reference))
    if not given and not expected:
        return 1.0
    return 2 * (given & expected).total() / (given.total() + expected.total())


def _exact(answer: str, reference: str | None) -> float:
    return float("nan") if reference is None else float(answer.split() == reference.split())


def _asks_for_object(example: Example) -> bool:
    texts = [message.content for message in example.messages]
    return any(_ASKS.search(text) or objects.contains(text) for text in texts)
