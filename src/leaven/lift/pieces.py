"""What comes of the pieces of a stage: arrays, in a file each until the stage is whole, so that none is computed twice.

    with until_whole(folder, "variety", made_from, hire) as crew, crew(lambda: vectors) as workers:
        for place, (values,) in workers.each(variances, vectors.spans()):
            ...

A lift that is killed meanwhile goes on with the pieces that have no file.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from leaven.runs import content, journal
from leaven.runs import folder as runs
from leaven.scale.crew import Crew, Here, Hire

FOLDER = "pieces"
"""In a run's folder, what is there of the stages that are not whole yet."""
Shared = TypeVar("Shared")
Piece = TypeVar("Piece")
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array in a file, of which a part can be read by itself."""

    path: Path
    kind: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    def part(self, start: int, end: int) -> Array:
        """Its numbers from `start` on and before `end`, row after row, (end - start,)."""
        size = self.kind.itemsize
        file = os.open(self.path, os.O_RDONLY)
        try:
            return np.frombuffer(os.pread(file, (end - start) * size, self.offset + start * size), self.kind)
        finally:
            os.close(file)

    def whole(self) -> Array:
        """All of it."""
        return self.part(0, math.prod(self.shape)).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Archive(Generic[Shared]):
    """A crew whose results, tuples of arrays, lie in the folder: what is there is given to nobody.

    Each pass over the pieces has a folder of its own, by its number.
    """

    folder: Path
    workers: Crew[Shared]
    passes: Iterator[int] = field(default_factory=count)

    def each(self, work: Callable[[Shared, Piece], Any], pieces: Iterable[Piece]) -> Iterator[tuple[int, Any]]:
        """(the place of a piece, its result): those that are there, then the others as they end."""
        return ((place, tuple(one.whole() for one in arrays)) for place, arrays in self.stored(work, pieces))

    def stored(
        self, work: Callable[[Shared, Piece], Any], pieces: Iterable[Piece]
    ) -> Iterator[tuple[int, Sequence[StoredArray]]]:
        """The same, with the arrays left where they lie."""
        folder = self.folder / str(next(self.passes))
        return ((place, _stored(path)) for place, path in _files(folder, self.workers, work, pieces))


class Archives(Protocol):
    """Finds a crew, as `Hire` does, of which the results lie in files."""

    def __call__(self, make: Callable[[], Shared], gpu: bool = False) -> AbstractContextManager[Archive[Shared]]:
        """Those who carry out pieces, within a `with`."""


@contextmanager
def until_whole(folder: Path, stage: str, made_from: str, hire: Hire) -> Iterator[Archives]:
    """Those whom `hire` finds, for a stage of the run in `folder`; left without an error, the stage is whole.

    Pieces of another beginning of the stage are not taken up: of one that was `made_from` something else, or of a run
    that was something else by its journal.
    """
    known_by = content.key(made_from, (journal.read(folder / journal.NAME) or {}).get("identity"))
    passes = count()

    @contextmanager
    def crew(make: Callable[[], Shared], gpu: bool = False) -> Iterator[Archive[Shared]]:
        with hire(make, gpu) as workers:
            yield Archive(folder / FOLDER / stage / known_by, workers, passes)

    yield crew
    shutil.rmtree(folder / FOLDER / stage, ignore_errors=True)
    with suppress(OSError):  # another stage is not whole yet
        (folder / FOLDER).rmdir()


@contextmanager
def in_scratch(make: Callable[[], Shared], gpu: bool = False) -> Iterator[Archive[Shared]]:
    """For what is no stage of a run: this process, and a temporary folder for results as long as the `with` lasts."""
    with tempfile.TemporaryDirectory(prefix="leaven-") as folder:
        yield Archive(Path(folder), Here(make))


def _files(
    folder: Path, workers: Crew[Shared], work: Callable[[Shared, Piece], Any], pieces: Iterable[Piece]
) -> Iterator[tuple[int, Path]]:
    """(the place of a piece, the file of its result): those that are there, then the others as they end."""
    there = {int(path.stem): path for path in folder.glob("*.npy")}
    yield from sorted(there.items())
    left: list[int] = []

    def unknown() -> Iterator[Piece]:
        for place, piece in enumerate(pieces):
            if place not in there:
                left.append(place)
                yield piece

    for number, arrays in workers.each(work, unknown()):
        path = folder / f"{left[number]}.npy"
        runs.write(path, partial(_save, arrays=arrays))
        yield left[number], path


def _save(path: Path, arrays: Sequence[Array]) -> None:
    with path.open("wb") as file:
        for array in arrays:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def _stored(path: Path) -> tuple[StoredArray, ...]:
    """The arrays that `_save` wrote, one behind the other."""
    arrays = []
    with path.open("rb") as file:
        end = path.stat().st_size
        while file.tell() < end:
            np.lib.format.read_magic(file)
            shape, _, kind = np.lib.format.read_array_header_1_0(file)
            arrays.append(StoredArray(path, kind, shape, file.tell()))
            file.seek(kind.itemsize * math.prod(shape), os.SEEK_CUR)
    return tuple(arrays)
