"""What IFEval needs beside its rows: two packages, and nltk's table of where English sentences end.

The table lies where nltk looks for it, or in the folder of copies under `nltk_data`; else the harness downloads it.
Where it can't be had, the questions that count sentences or words in capitals are left out, and that is said.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nltk
from huggingface_hub import constants

from leaven import extras

NAME = "ifeval"
TABLE = "punkt_tab"
COUNTING = frozenset({"length_constraints:number_sentences", "change_case:capital_word_frequency"})
"""Instructions that can't be checked without the table."""


@contextmanager
def ready(folder: Path | None) -> Iterator[None]:
    """The harness's import of its checks, which looks for the table: without a print, and offline without a download.

    The guess at a language is drawn at random, unless it has a seed. Raises UserError for a package that is missing.
    """
    extras.require("langdetect", "immutabledict")
    from langdetect import DetectorFactory

    DetectorFactory.seed = 0
    if folder is not None and str(folder / "nltk_data") not in nltk.data.path:
        nltk.data.path.append(str(folder / "nltk_data"))
    download = nltk.download
    nltk.download = lambda table: not constants.HF_HUB_OFFLINE and download(table, quiet=True)
    try:
        yield
    finally:
        nltk.download = download


def possible(docs: Mapping[str, Any]) -> tuple[list[tuple[str, int]], str]:
    """The (task, place) of each question that can be checked here, and a sentence about the others."""
    places = [(task, place) for task, rows in docs.items() for place in range(len(rows))]
    if _has_table():
        return places, ""
    checkable = [
        (task, place) for task, place in places if not COUNTING & set(docs[task][place]["instruction_id_list"])
    ]
    return checkable, (
        f"ifeval: {len(places) - len(checkable)} of {len(places)} questions, which count sentences or words in "
        f"capitals, are left out: nltk's {TABLE} is not here. python -m nltk.downloader {TABLE} gets it."
    )


def _has_table() -> bool:
    try:
        nltk.data.find(f"tokenizers/{TABLE}")
    except LookupError:
        return False
    return True
