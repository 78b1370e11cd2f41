"""Drop copies: of rows that say the same, the first stays; a row without the text that is compared is no copy."""

import hashlib
import re
import unicodedata
from itertools import chain, takewhile

from leaven.lift.selection import Context, Scores, not_compared, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.rows.passages import visible
from leaven.rows.texts import Part
from leaven.section import Section

NEEDS = ()
_GAP = re.compile(r"[\W_]+")


class Config(Section):
    """When two rows are copies."""

    compare: Part = "all"
    """What has to be the same: all (instruction, input, output), question or answer."""
    normalise: bool = False
    """Whether case, punctuation, blanks and signs that nobody sees make no difference."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The first row of each kind."""
    first: dict[bytes, int] = {}
    copies: dict[int, int] = {}
    bare = 0
    with context.progress.track("exact", len(data), "rows") as advance:
        for number, text in enumerate(chain.from_iterable(texts.batches(data, config.compare))):
            if text is None or not text.strip():
                bare += 1
            elif (earlier := first.setdefault(key(text, config.normalise), number)) != number:
                copies[number] = earlier
            advance(number + 1)
    kept = [number for number in range(len(data)) if number not in copies]
    places = texts.places(data)
    details = {number: places[earlier] for number, earlier in copies.items()}
    notes = not_compared(bare, config.compare)
    return outcome(data, kept, "exact", "a copy of another row", None, details, notes)


def key(text: str, normalise: bool) -> bytes:
    """What a text says, as a hash; where it is normalised, as `Config.normalise` says."""
    return hashlib.sha256((_normal(text) if normalise else text).encode("utf-8", "surrogatepass")).digest()


def _normal(text: str) -> str:
    """Punctuation alone is not nothing: a text of it is compared as it is."""
    return _GAP.sub(_blank, unicodedata.normalize("NFC", visible(text).casefold())).strip() or text


def _blank(gap: re.Match[str]) -> str:
    """A blank; before it stay the vowel signs and accents of the word that ends here, which `re` counts out of it."""
    signs = "".join(takewhile(lambda sign: unicodedata.category(sign) in ("Mn", "Mc"), gap[0]))
    return signs + (" " if len(signs) < len(gap[0]) else "")
