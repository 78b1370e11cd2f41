"""Who carries out the pieces of a run: this process one after another, or the machines of a cluster side by side.

    with crew(config, folder, partial(Parts.of, recipe, task, folder, progress)) as workers:
        for place, event in workers.each(compute, cells):
            ...

What the pieces share (a model, above all) is made where they are carried out, once a process. What a piece makes lies
in the run's folder, which every machine has to see.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from leaven.runs.progress import Progress
from leaven.scale.settings import ScaleSection

Shared_co = TypeVar("Shared_co", covariant=True)
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Crew(Protocol[Shared_co]):
    """Carries out pieces of work that have something in common."""

    def each(self, work: Callable[[Shared_co, Piece], Result], pieces: Sequence[Piece]) -> Iterator[tuple[int, Result]]:
        """`work(shared, piece)` of each piece, as they end: (the place of the piece, its result).

        What a piece raises ends the whole.
        """


@dataclass(frozen=True)
class Here(Generic[Shared_co]):
    """The process itself, one piece after another."""

    make: Callable[[], Shared_co]

    def each(self, work: Callable[[Shared_co, Piece], Result], pieces: Sequence[Piece]) -> Iterator[tuple[int, Result]]:
        """In the order of the pieces."""
        for place, piece in enumerate(pieces):
            yield place, work(self.shared, piece)

    @cached_property
    def shared(self) -> Shared_co:
        """Made when the first piece needs it."""
        return self.make()


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
