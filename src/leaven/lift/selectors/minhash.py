"""Drop near copies by their words: of rows that share most n-grams (MinHash and banding, then checked), one stays.

Signatures are made for all rows at once. Rows that agree in a whole band are compared by the true Jaccard similarity of
their n-grams, so that no row goes by chance; what banding misses stays (`--permutations` makes that rarer).
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from leaven.lift.embedding import Part, text
from leaven.lift.selection import Context, Scores, outcome
from leaven.rows.dataset import Dataset
from leaven.rows.outcomes import Outcome
from leaven.section import Section

NEEDS = ()
Hashes = npt.NDArray[np.uint64]
WORD = r"\w+"
_PIECE = 1 << 16  # n-grams hashed at a time: they stay in the processor's cache


class Config(Section):
    """When two rows are near copies."""

    threshold: float = Field(0.7, gt=0, le=1)
    """The Jaccard similarity of n-grams from which a row is a near copy."""
    ngram: int = Field(3, ge=1)
    """Words in an n-gram."""
    permutations: int = Field(128, ge=8)
    """Hash functions of a signature."""
    compare: Part = "all"
    """What is compared: all (instruction, input, output), question or answer."""


def choose(data: Dataset, scores: Scores, config: Config, context: Context) -> Outcome:
    """Rows in their order: each is kept unless it is a near copy of one that is kept already."""
    places = [row.origin.place or row.id for row in data]
    texts = [text(row, config.compare) for row in data]
    with context.progress.track("minhash", len(texts), "rows") as advance:
        copies = near_copies(texts, config)
        advance(len(texts))
    similarity = np.zeros(len(texts))
    details = {}
    for row, (other, value) in copies.items():
        similarity[row] = value
        details[row] = f"{places[other]} (Jaccard {value:.2f})"
    kept = [row for row in range(len(texts)) if row not in copies]
    columns = {"jaccard": tuple(similarity)}
    return outcome(data, kept, f"minhash({config.threshold:g})", "a near copy of a kept row", columns, details)


def near_copies(texts: list[str], config: Config) -> dict[int, tuple[int, float]]:
    """Row → (the kept row that it is a near copy of, their Jaccard similarity)."""
    if not texts:
        return {}
    grams, starts = ngrams(texts, config.ngram)
    bands, depth = banding(config.threshold, config.permutations)
    keys = _band_keys(signatures(grams, starts, bands * depth), bands)
    sets: dict[int, frozenset[int]] = {}

    def gram_set(row: int) -> frozenset[int]:
        if row not in sets:
            sets[row] = frozenset(grams[starts[row] : starts[row + 1]].tolist())
        return sets[row]

    copies: dict[int, tuple[int, float]] = {}
    buckets: dict[int, list[int]] = defaultdict(list)
    shared = _shared(keys)
    for row in np.flatnonzero(shared.any(1)).tolist():  # a row that shares no band has no near copy
        mine = keys[row][shared[row]].tolist()
        best = (0.0, 0)
        for other in {other for key in mine for other in buckets.get(key, ())}:
            a, b = gram_set(row), gram_set(other)
            both = len(a & b)
            best = max(best, (both / (len(a) + len(b) - both), -other))
        if best[0] >= config.threshold:
            copies[row] = (-best[1], best[0])
            sets.pop(row, None)
        else:
            for key in mine:
                buckets[key].append(row)
    return copies


def ngrams(texts: list[str], n: int) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The hashes of all word n-grams, row after row, and where each row's begin, (rows + 1,); a row may repeat one.

    A row of fewer than `n` words has one n-gram, all of them; a row without words has its text.
    """
    folded = pl.Series([one.casefold() for one in texts], dtype=pl.String)
    words = folded.str.extract_all(WORD)
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


def _shared(keys: Hashes) -> npt.NDArray[np.bool_]:
    """Which bands a row has in common with another row, (rows, bands)."""
    _, place, count = np.unique(keys, return_inverse=True, return_counts=True)
    common: npt.NDArray[np.bool_] = (count > 1)[place.reshape(keys.shape)]
    return common


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of splitmix64: every bit of the value moves every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
