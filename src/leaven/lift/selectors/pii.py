"""Drop rows that hold personal data: addresses, telephone and card numbers, as Presidio's patterns tell them.

Patterns with check digits (cards, IBAN) are sure; telephone numbers are told by their form alone. Names of people are
not looked for: that takes a language model, and most rows that name somebody are fine.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from leaven.lift.selection import Context, Scores, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.section import Section

NEEDS = ()
PACKAGES = ("presidio_analyzer",)
Kind = Literal["email", "phone", "card", "iban", "ip", "ssn"]
RECOGNIZERS = {
    "email": "EmailRecognizer", "phone": "PhoneRecognizer", "card": "CreditCardRecognizer", "iban": "IbanRecognizer",
    "ip": "IpRecognizer", "ssn": "UsSsnRecognizer",
}  # fmt: skip
SURE = 0.4
"""From this score on a match counts; a telephone number has it."""


class Config(Section):
    """What is looked for."""

    kinds: tuple[Kind, ...] = ("email", "phone", "card", "iban", "ssn")
    """email, phone, card, iban, ip, ssn (again for each)."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Every row without a match; the detail of the others says what matched, and not the personal data themselves."""
    details = {}
    for kind in config.kinds:  # they take seconds to load, which are no measure of the rows to come
        recognizer(kind)
    with context.progress.track("pii", len(data), "rows") as advance:
        for place, words in enumerate(texts.strings(data)):
            if kinds := matches(words, config.kinds):
                details[place] = ", ".join(kinds)
            advance(place + 1)
    kept = [place for place in range(len(data)) if place not in details]
    return outcome(data, kept, "pii", "holds personal data", None, details)


def matches(words: str, kinds: Sequence[Kind]) -> list[str]:
    """The kinds of personal data in a text."""
    hits: list[str] = []
    for kind in kinds:
        one = recognizer(kind)
        if any(match.score >= SURE for match in one.analyze(words, one.supported_entities, None)):
            hits.append(kind)
    return hits


@cache
def recognizer(kind: Kind) -> Any:
    """Presidio's recogniser of a kind: patterns alone, for which no model has to be loaded."""
    import tldextract.tldextract
    from presidio_analyzer import predefined_recognizers

    # The list of top-level domains that ships; tldextract would get a newer one from the network.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    return getattr(predefined_recognizers, RECOGNIZERS[kind])()
