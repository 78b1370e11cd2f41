"""Drop copies: of rows that say the same, the first stays."""

import hashlib
import re

from leaven.lift.embedding import Part, text
from leaven.lift.selection import Context, Scores, outcome
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.section import Section

NEEDS = ()
_GAP = re.compile(r"[\W_]+")


class Config(Section):
    """When two rows are copies."""

    compare: Part = "all"
    """What has to be the same: all (instruction, input, output), question or answer."""
    normalise: bool = False
    """Whether case, punctuation and blanks make no difference."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """The first row of each kind."""
    first: dict[bytes, int] = {}
    details: dict[int, str] = {}
    places: list[str] = []
    with context.progress.track("exact", len(data), "rows") as advance:
        for number, row in enumerate(data):
            earlier = first.setdefault(_key(text(row, config.compare), config.normalise), number)
            places.append(row.origin.place or row.id)
            if earlier != number:
                details[number] = places[earlier]
            advance(number + 1)
    kept = [number for number in range(len(data)) if number not in details]
    return outcome(data, kept, "exact", "a copy of another row", None, details)


def _key(text: str, normalise: bool) -> bytes:
    """Punctuation alone is not nothing: a text of it is compared as it is."""
    same = (_GAP.sub(" ", text.casefold()).strip() or text) if normalise else text
    return hashlib.sha256(same.encode("utf-8", "surrogatepass")).digest()
