"""Small tasks that ship, for a newcomer to see what a task row is."""

from pathlib import Path

from leaven.errors import UserError, nearest
from leaven.lab import hallucination
from leaven.rows import files
from leaven.rows.dataset import Dataset

FOLDER = Path(__file__).parent.parent / "task" / "examples"
LAB_ROWS = 100


def names() -> list[str]:
    """The examples: three for any model, and one in the words that the lab's model knows."""
    return [*sorted(path.stem for path in FOLDER.glob("*.jsonl")), "lab"]


def rows(name: str) -> Dataset:
    """The rows of an example. Raises UserError for an unknown one."""
    if name not in names():
        raise UserError(f"there is no example {name!r}", nearest(name, names()))
    if name == "lab":
        return hallucination.task("<sep>").rows.take(LAB_ROWS, seed=0)
    return files.read(FOLDER / f"{name}.jsonl").kept
