"""Keep rows in the languages that are wanted, as py3langid tells them: some 140, in this process, offline.

Short rows can't be told and stay: a few words, a number, a line of code say little of their language.
"""

from functools import cache
from typing import Any

from pydantic import Field, field_validator

from leaven import extras
from leaven.errors import nearest
from leaven.lift.selection import Context, Scores, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.rows.texts import Part
from leaven.section import Section

NEEDS = ()
PACKAGES = ("py3langid",)


class Config(Section):
    """Which languages, and from where on a row is long enough to tell."""

    only: tuple[str, ...] = ("en",)
    """The languages that are kept, by their codes, as en, de or yue (again for each)."""
    shortest: int = Field(40, ge=0)
    """Rows of fewer characters stay, whatever they seem to be."""
    least: float = Field(0.9, ge=0, le=1)
    """A row goes only where its language is told with this probability."""
    compare: Part = "all"
    """What is looked at: all (instruction, input, output), question or answer."""

    @field_validator("only")
    @classmethod
    def _known(cls, only: tuple[str, ...]) -> tuple[str, ...]:
        codes = classifier().nb_classes if extras.installed(*PACKAGES) else only
        if unknown := [code for code in only if code not in codes]:
            raise ValueError(f"no language is called {unknown[0]!r}. {nearest(unknown[0].lower(), set(codes))}")
        return only


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Every row but those that are told to be in another language; `probability` is that of the language it is in."""
    lengths = texts.lengths(data, config.compare)
    languages = [classifier().classify(words) for words in texts.strings(data, config.compare)]
    details = {
        place: f"{name} ({chance:.2f})"
        for place, (name, chance) in enumerate(languages)
        if name not in config.only and chance >= config.least and lengths[place] >= config.shortest
    }
    kept = [place for place in range(len(data)) if place not in details]
    columns = {"probability": [float(chance) for _, chance in languages]}
    return outcome(data, kept, "language", "in another language", columns, details)


@cache
def classifier() -> Any:
    """py3langid's own model, with probabilities."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
