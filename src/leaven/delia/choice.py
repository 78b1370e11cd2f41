"""A buffer that is chosen: of several times as many rows as it holds, a selector keeps its part.

    methods: [{name: delia, ratio: 4, choose: {selector: k_center, of: 5}}]

Selectors are those of `leaven curate` (LIFT's), and two that look at the task: `near` keeps the rows whose questions
are most like one of the task's, and `far` those that are like none: domain-specific diverse data (2408.10841, future
work) and its opposite. The control is `random`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from leaven import plugs
from leaven.lift import embedding, neighbours, select
from leaven.llm.protocol import LLM
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Origin, user
from leaven.runs.progress import stderr
from leaven.section import Section
from leaven.task.wording import content

BY_TASK = ("near", "far")
"""The selectors that compare rows with those of the task."""


class Choice(Section):
    """Which rows the buffer holds."""

    selector: str
    """A selector (leaven ls selectors), or near or far: by the likeness of questions to the nearest one of the task."""
    of: float = Field(5, ge=1)
    """Rows that are chosen from, for each that the buffer holds; fewer where the pool has no more."""
    rows: Literal["samples", "queries"] = "samples"
    """What is chosen. samples: all are sampled, and embedded with their answers; queries: only what is chosen is."""
    embedder: str = embedding.AUTO
    """What embeds the rows, for selectors that look at embeddings."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the selector's own."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a choice may look at besides the rows: the task's questions, and what selectors need."""

    task: Dataset
    token: str
    seed: int
    model: str
    llm: LLM | None = None


def check(choice: Choice) -> None:
    """Raises UserError for a selector or an embedder that there is not, before anything is sampled."""
    if choice.selector in BY_TASK:
        embedding.check(choice.embedder)
        return
    plug = plugs.load("selectors", choice.selector, also=BY_TASK)
    if "vectors" in getattr(plug, "NEEDS", ()):
        select.check_embedder(plug, choice.embedder)


def choose(rows: Dataset, n: int, choice: Choice, around: Circumstances) -> Dataset:
    """The `n` rows that are kept (all, where there are no more), in their order."""
    n = min(n, len(rows))
    if n in (0, len(rows)):
        buffer_rows = rows.rows(list(range(n)))
    elif choice.selector in BY_TASK:
        buffer_rows = rows.rows(sorted(_by_likeness(rows, choice, around)[:n]))
    else:
        plug = plugs.load("selectors", choice.selector)
        buffer_rows = select.select(
            plug, rows, {**_needed(plug, n, choice, around), **choice.settings}, around.llm
        ).kept
    buffer_rows = buffer_rows.rows(list(range(min(n, len(buffer_rows)))))
    return Dataset(
        buffer_rows.frame, (*rows.made_by, f"{choice.selector}({len(buffer_rows)} of {len(rows)} {choice.rows})")
    )


def _by_likeness(rows: Dataset, choice: Choice, around: Circumstances) -> list[int]:
    """The positions of the rows, those that are kept first: by the cosine to the nearest question of the task."""
    contents = [content(row.question, around.token) for row in (*rows, *around.task)]
    questions = Dataset.of(Example(user(text), Origin("question")) for text in contents)
    unit = embedding.vectors_of(questions, choice.embedder, "question", stderr()).unit()
    cosines, _ = neighbours.nearest(unit[: len(rows)], unit[len(rows) :], 1)
    likeness = cosines[:, 0] if choice.selector == "near" else -cosines[:, 0]
    order: list[int] = np.argsort(-likeness, kind="stable").tolist()
    return order


def _needed(plug: Any, n: int, choice: Choice, around: Circumstances) -> dict[str, Any]:
    """Of what a choice says, the settings that this selector has."""
    values = {"n": n, "seed": around.seed, "embedder": choice.embedder, "model": around.model}
    needs = [setting for need in getattr(plug, "NEEDS", ()) for setting in select.NEEDS[need]]
    return {name: value for name, value in values.items() if name in needs or name in plug.Config.model_fields}
