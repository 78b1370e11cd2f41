"""The embeddings of a dataset: made by the embedder that a text like `st:MODEL` names, or brought along in a file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import get_args

from leaven import extras, plugs
from leaven.errors import UserError, nearest
from leaven.lift import vector_store as store
from leaven.lift import vectors as table
from leaven.lift.vectors import Array, Vectors
from leaven.llm.budget import Spend
from leaven.models import shelf
from leaven.rows.dataset import Dataset
from leaven.rows.texts import Part, strings
from leaven.runs import content
from leaven.runs.progress import Progress
from leaven.scale.crew import Hire, here

Embed = Callable[[Sequence[str]], Array]
AUTO = "auto"
"""The embedder that is at hand: minilm where it was got, and LSA where it was not."""
WITHOUT = (
    "no sentence encoder is on this machine (leaven model get minilm, 84 MB), so that texts are embedded by LSA, which "
    "knows their words alone"
)


def settled(embedder: str) -> str:
    """The embedder with what `auto` stands for on this machine beside it, `auto:minilm` or `auto:lsa`.

    Whatever was begun with that goes on with it, although a model was got meanwhile.
    """
    if embedder != AUTO:
        return embedder
    here = shelf.is_available("minilm") and extras.installed("torch", "transformers")
    return f"{AUTO}:minilm" if here else f"{AUTO}:lsa"


def resolved(embedder: str) -> str:
    """The name of the embedder that `auto` stands for; any other name as it is."""
    return settled(embedder).removeprefix(f"{AUTO}:")


def left_to_lsa(embedder: str) -> bool:
    """Whether LSA embeds although nobody named it: a lift then has k-centre in variety's place.

    LSA's columns are hardly correlated; variety, which makes them equally wide, keeps the shortest rows by them.
    """
    return settled(embedder) == f"{AUTO}:lsa"


def source(
    embedder: str, file: str, part: str, progress: Progress, spend: Spend | None = None, crew: Hire = here
) -> Callable[[Dataset], Vectors]:
    """What makes the embeddings of a dataset when they are asked for, or reads them from `file`, where one is named.

    What an embedder that is paid for spends is added to `spend`, and stops at its limits.
    """
    if part not in get_args(Part):
        raise UserError(f"--embed-text is {part!r}", nearest(part, get_args(Part)))
    if file:
        return lambda data: brought(data, file)
    return lambda data: vectors_of(data, embedder, part, progress, spend, crew)  # type: ignore[arg-type]


def brought(data: Dataset, file: str) -> Vectors:
    """The embeddings of a file. Raises UserError unless it holds one row for each row of the data."""
    vectors = table.open_file(file)
    if vectors.rows != len(data):
        raise UserError(
            f"{file} holds {vectors.rows:,} rows, but the data {len(data):,}",
            "Embed exactly the rows that are read: one vector each, in their order.",
        )
    return vectors


def vectors_of(
    data: Dataset, embedder: str, part: Part, progress: Progress, spend: Spend | None = None, crew: Hire = here
) -> Vectors:
    """The embeddings by `NAME` or `NAME:MODEL`; an embedder that takes each text by itself never sees one twice.

    Its texts are shared out among a crew; one that is paid for is asked by this process alone.
    """
    if embedder == AUTO and left_to_lsa(embedder):
        progress.say(WITHOUT)
    embedder = resolved(embedder)
    exact = pinned(embedder)
    name, model = _named(exact)
    module = plugs.load("embedders", name)
    texts, is_paid = list(strings(data, part)), paid(embedder)
    load = cache(partial(module.load, *((model, spend) if is_paid else (model,))))

    def embed(chunks: Iterable[Sequence[str]]) -> Iterator[tuple[int, Array]]:
        with here(load) if is_paid else crew(partial(_load, name, model), gpu=True) as workers:
            yield from workers.each(_vectors, chunks)

    with progress.track(f"embedding by {embedder}", len(texts), "rows") as advance:
        if not module.PER_TEXT:
            return table.of(load()(texts), embedder)
        vectors = table.of(store.embedded(texts, known_by(exact), embed, store.place(), advance))
    if is_paid and load.cache_info().misses:
        progress.say(f"embedding by {embedder}: {load().sentence()}")
    return vectors


def pinned(embedder: str) -> str:
    """The embedder with the revision of its model, where that is one of the hub: `st:ORG/NAME@COMMIT`."""
    name, model = _named(embedder)
    module = plugs.load("embedders", name)
    return f"{name}:{module.pinned(model)}" if hasattr(module, "pinned") else embedder


def known_by(embedder: str) -> str:
    """What the store knows its vectors by: a file of yours, and a model in a folder, by what is in them.

    So code that was edited, and a model that was trained further, embed anew, and equal paths in two projects are not
    taken for each other.
    """
    name, model = _named(embedder)
    module = plugs.load("embedders", name)
    if hasattr(module, "name"):
        return str(module.name(model))
    code = [_code(Path(name).expanduser().resolve())] if name.endswith(".py") else []
    weights = [content.of(Path(model).expanduser())] if model and Path(model).expanduser().exists() else []
    return " ".join([f"{plugs.title(name)}:{Path(model).name}", *code, *weights]) if code or weights else embedder


@cache
def _code(path: Path) -> str:
    """What is in a file of yours; as of the code itself, what was there first counts until the process ends."""
    return content.of(path)


def _load(name: str, model: str) -> Embed:
    embed: Embed = plugs.load("embedders", name).load(model)
    return embed


def _vectors(embed: Embed, texts: Sequence[str]) -> Array:
    return embed(texts)


def paid(embedder: str) -> bool:
    """Whether the texts of an embedder are paid for."""
    return bool(getattr(plugs.load("embedders", _named(resolved(embedder))[0]), "PAID", False))


def check(embedder: str) -> None:
    """Raises UserError for an embedder that there is not, or whose packages or settings are missing; embeds nothing."""
    name, model = _named(resolved(embedder))
    module = plugs.load("embedders", name)
    extras.require(*getattr(module, "PACKAGES", ()))
    if hasattr(module, "check"):
        module.check(model)
    elif not module.PER_TEXT:
        module.load(model)  # one that learns from its texts has nothing to load


def _named(embedder: str) -> tuple[str, str]:
    """The plug and its model in `NAME`, `NAME:MODEL` or `PATH.py:MODEL`."""
    path, colon, rest = embedder.partition(".py:")
    name, _, model = (path + ".py", colon, rest) if colon else embedder.partition(":")
    return name, model
