"""Pieces of rows that a model has measured: each lies in a file until its stage is whole, and is measured once."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from leaven.runs import folder as runs
from leaven.scale.crew import Crew, Hire

Shared = TypeVar("Shared")
Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class Archive(Generic[Shared]):
    """A crew that reads what lies in the folder, and gives the other pieces to its workers; JSON holds the results."""

    folder: Path
    workers: Crew[Shared]

    def each(self, work: Callable[[Shared, Piece], Any], pieces: Iterable[Piece]) -> Iterator[tuple[int, Any]]:
        """Those that are there, then the others as they end."""
        places = {int(path.stem) for path in self.folder.glob("*.json")}
        for place in sorted(places):
            yield place, json.loads(self._file(place).read_text(encoding="utf-8"))
        left: list[int] = []

        def unknown() -> Iterator[Piece]:
            for place, piece in enumerate(pieces):
                if place not in places:
                    left.append(place)
                    yield piece

        for number, result in self.workers.each(work, unknown()):
            runs.write_json(self._file(left[number]), result)
            yield left[number], result

    def _file(self, place: int) -> Path:
        return self.folder / f"{place}.json"


def with_archive(folder: Path, hire: Hire) -> Hire:
    """Those whom `hire` finds; what they compute with a model is kept in the folder."""

    @contextmanager
    def crew(make: Callable[[], Shared], gpu: bool = False) -> Iterator[Crew[Shared]]:
        with hire(make, gpu) as workers:
            yield Archive(folder, workers) if gpu else workers

    return crew
