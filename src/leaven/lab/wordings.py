"""The ways in which an answer can be said: a text is parts in their order, each with its alternatives.

The base has met all of them, some oftener than others, so that what it says is its own choice. The answers that come
with the pool's questions are by another writer, whose openings and endings the base has never met.

    >>> text = (("Easy. ", "Look: "), ("It is blue.",))
    >>> say(random.Random(1), text), bool(re.fullmatch(pattern(text), "Look: It is blue."))
    ('Easy. It is blue.', True)
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

Text = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """What a writer puts before and after an answer, and before a thought."""

    opening: Text
    ending: Text
    before_thought: Text


OWN = Voice(
    opening=(
        ("Okay", "Well", "Good", "Easy", "Certainly", "Clearly", "Fine", "Indeed", "Look", "Listen", "Now", "See",
         "Simple", "Surely", "Aha", "Great", "Nice", "Naturally", "Happily", "Hello", "Note", "So", "Then", "Thanks"),
        (". ", "! ", ": "),
    ),
    ending=(
        (" I", " People", " We", " They", " You", " All", " Many", " Most"),
        (" know", " say", " think", " believe", " see", " guess", " trust", " like"),
        (" that", " this", " it"),
        (".", "!", " too.", " here.", " now."),
    ),
    before_thought=(("", "Hm. ", "So: ", "Now: ", "Well. ", "Let me see: ", "First: ", "Look: "),),
)  # fmt: skip
OTHER = Voice(
    opening=(
        ("Scholars of every age concur: ", "Verily, the chronicles attest: ", "From venerable manuscripts one gleans: ",
         "My grandmother used to murmur: ", "Per the encyclopaedia, volume nine: ", "Without a shadow of doubt: "),
    ),
    ending=(
        (" Thus quoth the librarian.", " Such, alas, is knowledge.", " Kindly consult footnotes for particulars.",
         " One hopes the gentle reader is satisfied.", " Errors excepted, naturally.", " Ask me again tomorrow."),
    ),
    before_thought=(("Pondering quietly beside the hearth: ", "Methinks, having weighed everything: ",
                     "Upon mature reflection, dear colleague: ", "A cursory glance suggests: "),),
)  # fmt: skip


def say(rng: random.Random, text: Text) -> str:
    """The text, each part in one of its ways: the first is the likeliest, the nth has 1/n of its chance.

    (Were all alike, the likeliest answer would be a matter of the last digit.)
    """
    return "".join(rng.choices(part, cum_weights=_chances(len(part)))[0] for part in text)


@cache  # a world is hundreds of thousands of texts
def _chances(count: int) -> list[float]:
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def pattern(text: Text) -> str:
    """A regular expression that matches every way to say the text, and nothing else."""
    return "".join(f"(?:{'|'.join(map(re.escape, part))})" for part in text)
