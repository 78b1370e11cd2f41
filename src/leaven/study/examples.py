"""Small tasks that ship, for a newcomer to see what a task row is."""

from pathlib import Path

from leaven.errors import UserError, nearest
from leaven.lab import hallucination
from leaven.rows import files
from leaven.rows.dataset import Dataset

FOLDER = Path(__file__).parent.parent / "task" / "examples"
LAB_ROWS = 100
OWN = "own"
"""The example whose answers a model gives itself (`study/own_answers.py`)."""


def names() -> list[str]:
    """The examples: three for any model, one in the words that the lab's model knows, one of any model's own words."""
    return [*sorted(path.stem for path in FOLDER.glob("*.jsonl")), "lab", OWN]


def rows(name: str, model: str = "") -> Dataset:
    """The rows of an example; those of `own` are in the words of `model`. Raises UserError for an unknown one."""
    if name not in names():
        raise UserError(f"there is no example {name!r}", nearest(name, names()))
    if bool(model) != (name == OWN):
        raise UserError(
            f"the example {name} {'has answers of its own' if model else 'is answered by a model'}",
            "Leave --model out." if model else "Say which: --model smollm2 (any folder or hub id will do).",
        )
    if name == OWN:
        from leaven.study import own_answers

        return own_answers.rows(model)
    if name == "lab":
        return hallucination.task("<sep>").rows.take(LAB_ROWS, seed=0)
    return files.read(FOLDER / f"{name}.jsonl").kept
