"""Who carries out the pieces of a run: this process one after another, or the machines of a cluster side by side.

    with crew(config, folder, partial(Parts.of, recipe, task, folder, progress)) as workers:
        for place, event in workers.each(compute, cells):
            ...

What the pieces share (a model, above all) is made where they are carried out, once a process. What a cell makes lies
in the run's folder, which every machine has to see; what comes of a piece of rows comes back to who asked for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from leaven.runs.progress import Progress
from leaven.scale.settings import ScaleSection

Shared = TypeVar("Shared")
Shared_co = TypeVar("Shared_co", covariant=True)
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Crew(Protocol[Shared_co]):
    """Carries out pieces of work that have something in common."""

    def each(self, work: Callable[[Shared_co, Piece], Result], pieces: Iterable[Piece]) -> Iterator[tuple[int, Result]]:
        """`work(shared, piece)` of each piece, as they end: (the place of the piece, its result).

        Pieces are taken when there is somebody for them. What a piece raises ends the whole.
        """


class Hire(Protocol):
    """Finds a crew for pieces that have in common what `make` makes; `gpu` says that they compute with a model."""

    def __call__(self, make: Callable[[], Shared], gpu: bool = False) -> AbstractContextManager[Crew[Shared]]:
        """Those who carry them out, within a `with`."""


@dataclass(frozen=True)
class Here(Generic[Shared_co]):
    """The process itself, one piece after another."""

    make: Callable[[], Shared_co]

    def each(self, work: Callable[[Shared_co, Piece], Result], pieces: Iterable[Piece]) -> Iterator[tuple[int, Result]]:
        """In the order of the pieces."""
        for place, piece in enumerate(pieces):
            yield place, work(self.shared, piece)

    @cached_property
    def shared(self) -> Shared_co:
        """Made when the first piece needs it."""
        return self.make()


def here(make: Callable[[], Shared], gpu: bool = False) -> AbstractContextManager[Crew[Shared]]:
    """The process itself as a crew."""
    return nullcontext(Here(make))


def in_order(results: Iterable[tuple[int, Result]]) -> Iterator[Result]:
    """The results of pieces in the order of the pieces; those that end early wait.

    >>> list(in_order([(1, "b"), (0, "a"), (2, "c")]))
    ['a', 'b', 'c']
    """
    early: dict[int, Result] = {}
    place = 0
    for ready, result in results:
        early[ready] = result
        while place in early:
            yield early.pop(place)
            place += 1


def crew(
    config: ScaleSection,
    folder: Path,
    progress: Progress,
    make: Callable[[], Shared_co],
    needed: Sequence[Path] = (),
) -> AbstractContextManager[Crew[Shared_co]]:
    """Those who carry out the pieces of the run in `folder`, which this process has locked; each has what `make` makes.

    Raises UserError for a cluster that can't be reached, and for a machine of it that does not see the folder, the
    paths that are `needed`, or has another leaven.
    """
    if not config.on:
        return nullcontext(Here(make))
    from leaven.scale import cluster

    return cluster.joined(config, folder, progress, make, needed)
