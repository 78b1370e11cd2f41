"""The phrasebook: ways to ask for a format by its name, and ways to rule it out."""

from functools import cache
from pathlib import Path

import yaml

from leaven.errors import UserError, nearest

FILE = Path(__file__).parent / "phrasings.yaml"


def phrasings(kind: str, split: str) -> tuple[str, ...]:
    """Sentences of the book, `kind` follow or negative, each with one `{token}`.

    `split` is train, bare, dev or unseen of the former, and train, contrast or unseen of the latter.
    """
    book = _phrasebook()
    if kind not in book:
        raise UserError(f"the phrasebook has no {kind!r}", nearest(kind, book))
    if split not in book[kind]:
        raise UserError(f"the phrasebook has no {kind}.{split}", nearest(split, book[kind]))
    return tuple(book[kind][split])


@cache
def _phrasebook() -> dict[str, dict[str, list[str]]]:
    book: dict[str, dict[str, list[str]]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return book
