"""Drop copies: of rows that say the same, the first stays; a row without the text that is compared is no copy."""

import hashlib
import re
import unicodedata
from itertools import chain, takewhile

from leaven.lift.selection import Context, Scores, not_compared, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.rows.texts import Part
from leaven.section import Section

NEEDS = ()
_GAP = re.compile(r"[\W_]+")
_VARIANTS = "\ufe0e\ufe0f"
"""Signs that say how an emoji is drawn."""


class Config(Section):
    """When two rows are copies."""

    compare: Part = "all"
    """What has to be the same: all (instruction, input, output), question or answer."""
    normalise: bool = False
    """Whether case, punctuation and blanks make no difference."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The first row of each kind."""
    first: dict[bytes, int] = {}
    copies: dict[int, int] = {}
    bare = 0
    with context.progress.track("exact", len(data), "rows") as advance:
        for number, text in enumerate(chain.from_iterable(texts.batches(data, config.compare))):
            if text is None or not text.strip():
                bare += 1
            elif (earlier := first.setdefault(_key(text, config.normalise), number)) != number:
                copies[number] = earlier
            advance(number + 1)
    kept = [number for number in range(len(data)) if number not in copies]
    places = texts.places(data)
    details = {number: places[earlier] for number, earlier in copies.items()}
    notes = not_compared(bare, config.compare)
    return outcome(data, kept, "exact", "a copy of another row", None, details, notes)


def _key(text: str, normalise: bool) -> bytes:
    """Punctuation alone is not nothing: a text of it is compared as it is."""
    same = (_GAP.sub(_blank, unicodedata.normalize("NFC", text.casefold())).strip() or text) if normalise else text
    return hashlib.sha256(same.encode("utf-8", "surrogatepass")).digest()


def _blank(gap: re.Match[str]) -> str:
    """A blank; before it stay the vowel signs and accents of the word that ends here, which `re` counts out of it."""
    signs = "".join(takewhile(lambda sign: unicodedata.category(sign) in ("Mn", "Mc"), gap[0]))
    return signs.rstrip(_VARIANTS) + (" " if len(signs) < len(gap[0]) else "")
