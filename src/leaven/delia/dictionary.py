"""A dictionary's hints for the words of a sentence, as lines of the prompt (DiPMT, arXiv 2302.07856).

    Translate to Tavic: The fire sees the man.
    In this context, the word "fire" means "eldura".

A file of the dictionary has a word and its meaning on each line, separated by a tab; lines that start with # are
comments. Where a header names a column `direction`, as Apertium's export does (isl, eng, …), an entry counts in that
direction alone: is-en, en-is or both.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from leaven.errors import UserError

HINT = 'In this context, the word "{word}" means {meanings}.'
MEANINGS = 3  # more would say less
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Lower-cased words with their meanings, in both directions: of the first column, and of the second."""

    forward: Mapping[str, tuple[str, ...]]
    backward: Mapping[str, tuple[str, ...]]


def read(place: str) -> Dictionary:
    """The dictionary in a TSV file; `lab` is the lab's own. Raises UserError for a file that is none."""
    rows = list(csv.reader(_text(place).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    header = rows[0] if rows and "direction" in rows[0] else []
    sides: tuple[dict[str, dict[str, None]], ...] = ({}, {})
    for number, row in enumerate(rows, 1):
        if not row or row is header or row[0].startswith("#"):
            continue
        if len(row) < max(2, len(header)) or not row[0].strip() or not row[1].strip():
            raise UserError(f"{place}:{number} is no entry: {row!r}", "An entry is a word, a tab and its meaning.")
        only = row[header.index("direction")][:2] if header else "both"
        for side, (word, meaning) in enumerate((row[:2], row[1::-1])):
            if only == "bo" or not header or header[side].startswith(only):
                sides[side].setdefault(word.strip().lower(), {})[meaning.strip()] = None
    return Dictionary(*({word: tuple(meanings) for word, meanings in side.items()} for side in sides))


def hints(sentence: str, meanings: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """A line for each word that has an entry, each word once, in the order of the sentence; others are left out."""
    for word in dict.fromkeys(match.group().lower() for match in _WORD.finditer(sentence)):
        if entry := meanings.get(word):
            words = " or ".join(f'"{meaning}"' for meaning in entry[:MEANINGS])
            yield HINT.format(word=word, meanings=words)


def hint(question: str, dictionary: Dictionary) -> str:
    """The question with hints after its sentence, which is what follows the first colon (or all of it).

    The direction is the one in which more of its words have an entry.
    """
    sentence = question.partition(":")[2].strip() or question
    sides = [list(hints(sentence, side)) for side in (dictionary.forward, dictionary.backward)]
    return "\n".join([question, *max(sides, key=len)])


def _text(place: str) -> str:
    try:
        if place == "lab":
            return files("leaven.lab").joinpath("tavic.tsv").read_text(encoding="utf-8")
        return Path(place).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the dictionary {place} can't be read: {error}", "A dictionary is a TSV file.") from error
