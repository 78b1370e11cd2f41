"""Drop near copies by their words: of rows that share most n-grams (MinHash and banding, then checked), one stays.

Rows that agree in a whole band are compared by the true Jaccard similarity of their n-grams, so that no row goes by
chance; what banding misses stays (`--permutations` makes that rarer). A row without the text that is compared is no
copy. Batches of rows are hashed one by one, and what comes of each lies on disk: in memory are one band of all rows at
a time, and which rows share one.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from leaven.lift.pieces import Archive, StoredArray, in_scratch
from leaven.lift.selection import Context, Scores, not_compared, outcome
from leaven.rows import texts
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.rows.passages import UNSPACED
from leaven.rows.shards import Places
from leaven.rows.texts import Part
from leaven.runs.progress import Advance
from leaven.section import Section

NEEDS = ()
Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int32]
Batches = Iterable[Sequence[str]] | Iterable[pl.Series]
WORD = r"\w+"
_APART = rf"([{UNSPACED}])"
REMEMBERED = 10_000
"""Rows whose n-grams are kept as sets, some 6 kB each, before they are read again."""
_PIECE = 1 << 16  # n-grams hashed at a time: they stay in the processor's cache


class Config(Section):
    """When two rows are near copies."""

    threshold: float = Field(0.7, gt=0, le=1)
    """The Jaccard similarity of n-grams from which a row is a near copy."""
    ngram: int = Field(3, ge=1)
    """Words in an n-gram; a character is one in scripts without spaces (Chinese, Japanese, Thai …)."""
    permutations: int = Field(128, ge=8)
    """Hash functions of a signature."""
    compare: Part = "all"
    """What is compared: all (instruction, input, output), question or answer."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Rows in their order: each is kept unless it is a near copy of one that is kept already."""
    there = [texts.present(batch).to_numpy() for batch in texts.batches(data, config.compare)]
    numbers = np.flatnonzero(np.concatenate(there)) if there else np.zeros(0, np.int64)
    batches = (batch.filter(texts.present(batch)) for batch in texts.batches(data, config.compare))
    with context.crew(_nothing) as workers, context.progress.track("minhash", len(numbers), "rows") as advance:
        found = near_copies(batches, config, advance, workers)
    copies = {int(numbers[row]): (int(numbers[other]), value) for row, (other, value) in found.items()}
    places = texts.places(data)
    similarity = np.full(len(data), np.nan)
    similarity[numbers] = 0
    similarity[list(copies)] = [value for _, value in copies.values()]
    details = {row: f"{places[other]} (Jaccard {value:.2f})" for row, (other, value) in copies.items()}
    kept = np.flatnonzero(~np.isin(np.arange(len(data)), list(copies)))
    columns = {"jaccard": similarity}
    made_by, notes = f"minhash({config.threshold:g})", not_compared(len(data) - len(numbers), config.compare)
    return outcome(data, kept.tolist(), made_by, "a near copy of a kept row", columns, details, notes)


def near_copies(
    batches: Batches, config: Config, advance: Advance | None = None, workers: Archive[None] | None = None
) -> dict[int, tuple[int, float]]:
    """Row → (the kept row that it is a near copy of, their Jaccard similarity); the texts come in batches.

    A batch is hashed by one of the `workers`; none: by this process.
    """
    with nullcontext(workers) if workers else in_scratch(_nothing) as archive:
        hashed = _Hashed.by(archive, config, batches, advance)
        rows, groups = _memberships(hashed)
        return _greedy(rows, groups, lru_cache(REMEMBERED)(hashed.ngrams), config.threshold)


def _nothing() -> None:
    """All that batches have in common."""


def _hash(config: Config, _: None, batch: Sequence[str] | pl.Series) -> tuple[Hashes, Hashes, Places]:
    """The keys of each band's rows (bands, rows), the n-grams row after row, and where each row's begin (rows + 1,)."""
    bands, depth = banding(config.threshold, config.permutations)
    grams, begins = ngrams(list(batch), config.ngram)
    return _band_keys(signatures(grams, begins, bands * depth), bands).T, grams, begins


@dataclass(frozen=True, slots=True)
class _Hashed:
    """The rows, hashed: of each batch the number of its first row, and in files what `_hash` made of it.

    Where n-grams begin is in memory, batch after batch: one more than it has rows.
    """

    firsts: Sequence[int]
    keys: Sequence[StoredArray]
    grams: Sequence[StoredArray]
    begins: Places

    @classmethod
    def by(cls, archive: Archive[None], config: Config, batches: Batches, advance: Advance | None) -> "_Hashed":
        """The rows of all batches."""
        there = dict[int, Sequence[StoredArray]]()
        rows = 0
        for place, arrays in archive.stored(partial(_hash, config), (batch for batch in batches if len(batch))):
            there[place] = arrays
            rows += arrays[0].shape[1]
            if advance is not None:
                advance(rows)
        keys, grams, begins = zip(*(there[place] for place in sorted(there)), strict=True) if there else ((), (), ())
        firsts = list(accumulate((one.shape[1] for one in keys), initial=0))[:-1]
        return cls(firsts, keys, grams, np.concatenate([np.zeros(0, np.int64), *(one.whole() for one in begins)]))

    @property
    def bands(self) -> int:
        """How many bands there are."""
        return self.keys[0].shape[0] if self.keys else 0

    def band(self, number: int) -> Hashes:
        """The key of this band in each row, (rows,)."""
        ends = ((number * one.shape[1], (number + 1) * one.shape[1]) for one in self.keys)
        return np.concatenate([one.part(*span) for one, span in zip(self.keys, ends, strict=True)])

    def ngrams(self, row: int) -> frozenset[int]:
        """The n-grams of a row as a set."""
        batch = bisect_right(self.firsts, row) - 1
        begin, end = self.begins[row + batch : row + batch + 2].tolist()
        return frozenset(self.grams[batch].part(begin, end).tolist())


def _memberships(hashed: _Hashed) -> tuple[Numbers, Numbers]:
    """(row, group) for every row that shares a band with another, by row; a group is the rows that share one key."""
    rows, groups, count = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], 0
    for number in range(hashed.bands):
        keys = hashed.band(number)
        order = np.argsort(keys, kind="stable")
        same = np.diff(keys[order], prepend=~keys[order[:1]]) == 0  # as the one before
        shared = same | np.append(same[1:], False)
        _, group = np.unique(np.cumsum(~same)[shared], return_inverse=True)
        rows.append(order[shared].astype(np.int32))
        groups.append((group + count).astype(np.int32))
        count += int(group.max(initial=-1)) + 1
    members, shares = np.concatenate(rows), np.concatenate(groups)
    order = np.argsort(members, kind="stable")
    return members[order], shares[order]


def _greedy(
    rows: Numbers, groups: Numbers, ngrams_of: Callable[[int], frozenset[int]], threshold: float
) -> dict[int, tuple[int, float]]:
    """Rows in their order, each beside the kept ones of its groups; those of a group are a chain from the latest."""
    copies: dict[int, tuple[int, float]] = {}
    latest = array("i", [-1]) * (int(groups.max(initial=-1)) + 1)
    kept, before = array("i"), array("i")
    borders = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))
    for begin, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        row, mine = int(rows[begin]), groups[begin:end].tolist()
        others = set[int]()
        for group in mine:
            link = latest[group]
            while link >= 0:
                others.add(kept[link])
                link = before[link]
        best = (0.0, 0)
        for other in others:
            a, b = ngrams_of(row), ngrams_of(other)
            both = len(a & b)
            best = max(best, (both / (len(a) + len(b) - both), -other))
        if best[0] >= threshold:
            copies[row] = (-best[1], best[0])
            continue
        for group in mine:
            before.append(latest[group])
            latest[group] = len(kept)
            kept.append(row)
    return copies


def ngrams(texts: list[str], n: int) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The hashes of all word n-grams, row after row, and where each row's begin, (rows + 1,); a row may repeat one.

    A row of fewer than `n` words has one n-gram, all of them; a row without words has its text.
    """
    folded = pl.Series([one.casefold() for one in texts], dtype=pl.String)
    words = _spaced(folded).str.extract_all(WORD)
    ids = words.explode(empty_as_null=True).hash().to_numpy().copy()
    lengths = np.maximum(words.list.len().to_numpy().astype(np.int64), 1)
    wordless = np.flatnonzero(words.list.len().to_numpy() == 0)
    ids[(np.cumsum(lengths) - lengths)[wordless]] = folded.gather(wordless).hash().to_numpy()
    ids, lengths = _filled(ids, lengths, n)
    hashes = np.zeros(max(0, len(ids) - n + 1), np.uint64)
    for place in range(n):
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes += ids[place : place + len(hashes)]
    inside = np.ones(len(hashes), bool)
    ends = np.cumsum(lengths)[:-1]
    for place in range(1, n):
        inside[ends - place] = False  # an n-gram doesn't cross into the next row
    return _mixed(hashes[inside]), np.concatenate([[0], np.cumsum(lengths - n + 1)])


def _spaced(texts: pl.Series) -> pl.Series:
    """The texts with blanks around each character of a script without spaces; others stay, and cost a look."""
    unspaced = texts.str.contains(_APART).arg_true()
    return texts.scatter(unspaced, texts.gather(unspaced).str.replace_all(_APART, " $1 ")) if len(unspaced) else texts


def _filled(ids: Hashes, lengths: npt.NDArray[np.int64], n: int) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Short rows filled up to `n` words, so that each has an n-gram."""
    short = np.flatnonzero(lengths < n)
    places = np.repeat(np.cumsum(lengths)[short], n - lengths[short])
    return np.insert(ids, places, 0), np.maximum(lengths, n)


def signatures(grams: Hashes, starts: npt.NDArray[np.int64], permutations: int) -> npt.NDArray[np.uint32]:
    """The smallest hash of each row under each hash function, (rows, permutations).

    A function is a product and a sum modulo 2^32 of an n-gram's hash, half of which are bits enough: a chance agreement
    only makes two rows be compared.
    """
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 1 << 31, permutations, np.uint32) * np.uint32(2) + np.uint32(1)
    terms = rng.integers(0, 1 << 32, permutations, np.uint32)
    short = (grams >> np.uint64(32)).astype(np.uint32)
    smallest = np.empty((permutations, len(starts) - 1), np.uint32)
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + _PIECE, "right")) - 1)
        piece = short[starts[first] : starts[last]]
        begins = starts[first:last] - starts[first]
        hashed = np.empty_like(piece)
        for number in range(permutations):
            np.multiply(piece, factors[number], out=hashed)
            np.add(hashed, terms[number], out=hashed)
            smallest[number, first:last] = np.minimum.reduceat(hashed, begins)
        first = last
    return np.ascontiguousarray(smallest.T)


def banding(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, their depth) with the least chance to miss a near copy or to compare in vain, over all similarities.

    Two rows of similarity s agree in a band of r rows with the chance s^r, in one of b with 1 - (1 - s^r)^b. Comparing
    in vain costs time alone, so a miss weighs nine times as much.
    """
    below, over = np.linspace(0, threshold, 101), np.linspace(threshold, 1, 101)
    best = (np.inf, 1, 1)
    for depth in range(1, permutations + 1):
        bands = permutations // depth
        vain = (1 - (1 - below**depth) ** bands).mean() * threshold
        missed = ((1 - over**depth) ** bands).mean() * (1 - threshold)
        best = min(best, (0.1 * vain + 0.9 * missed, bands, depth))
    return best[1], best[2]


def _band_keys(signatures: npt.NDArray[np.uint32], bands: int) -> Hashes:
    """One number for each band of each row, (rows, bands); other bands have other numbers."""
    rows, depth = signatures.reshape(len(signatures), bands, -1), signatures.shape[1] // bands
    keys = np.broadcast_to(np.arange(1, bands + 1, dtype=np.uint64), (len(signatures), bands))
    for place in range(depth):
        keys = _mixed(keys * np.uint64(0x9E3779B97F4A7C15) + rows[:, :, place])
    return keys


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: every bit of the value moves every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
