"""Nearest neighbours: the exact search of ours beside faiss and usearch (pip install faiss-cpu usearch).

    python benchmarks/neighbours.py

Embeddings are made up as in benchmarks/scale.py, 384 wide, and a fifth of the rows are near copies of others. Told are
processor seconds (of one thread), how often the nearest row that is found is the nearest one (recall@1), and the memory
that an index takes. First the nearest of 10,000 kept rows for each of many rows, which the audit looks for; then the
nearest of all rows for each row, as where copies by meaning are looked for, at sizes that grow.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import faiss
import numpy as np
import numpy.typing as npt
from usearch.index import Index

from leaven.lift.neighbours import nearest
from leaven.lift.selectors import semantic
from leaven.lift.vectors import Array, normalised

WIDTH, KEPT, QUERIES = 384, 10_000, 20_000
NEAR = 0.95


def make(rows: int, copies: float = 0.2) -> Array:
    """Rows of length one: 200 groups, a spectrum that falls off, near copies (cosine 0.9 to 1) among them."""
    rng = np.random.default_rng(0)
    spectrum = (1 / np.sqrt(1 + np.arange(WIDTH) / 40)).astype(np.float32)
    centers = rng.standard_normal((200, WIDTH), dtype=np.float32)
    table = (
        0.5 * centers[rng.integers(0, 200, rows)] + rng.standard_normal((rows, WIDTH), dtype=np.float32)
    ) * spectrum
    normalised(table)
    late = np.flatnonzero(rng.random(rows) < copies)[1:]
    noise = normalised(rng.standard_normal((len(late), WIDTH), dtype=np.float32))
    table[late] = table[rng.integers(0, late)] + noise * rng.uniform(0, 0.48, len(late)).astype(np.float32)[:, None]
    return normalised(table)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def held() -> float:
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def among_kept(table: Array, queries: Array) -> None:
    """The nearest kept row of each query, per million queries."""
    scale = 1_000_000 / len(queries)
    seconds, (_, exact) = timed(lambda: nearest(queries, table, 1))
    print(f"nearest of {len(table):,} for a million rows (measured on {len(queries):,}); recall@1\n"
          f"  exact, product of matrices      {seconds * scale:6.0f} s  1.000")  # fmt: skip
    before = held()
    index = faiss.index_factory(WIDTH, "IVF128,Flat", faiss.METRIC_INNER_PRODUCT)
    build, _ = timed(lambda: (index.train(table), index.add(table)))
    for index.nprobe in (4, 8, 16, 32):
        seconds, (_, found) = timed(lambda: index.search(queries, 1))
        tell(
            f"faiss IVF128, nprobe {index.nprobe}", seconds * scale, found[:, 0] == exact[:, 0], build, held() - before
        )
    for depth in (64, 128):
        before = held()
        graph = Index(ndim=WIDTH, metric="ip", dtype="f32", expansion_search=depth)
        build, _ = timed(partial(graph.add, np.arange(len(table)), table, threads=1))
        seconds, matches = timed(partial(graph.search, queries, 1, threads=1))
        same = matches.keys.reshape(-1).astype(np.int64) == exact[:, 0]
        tell(f"usearch HNSW, expansion {depth}", seconds * scale, same, build, held() - before)


def tell(what: str, seconds: float, same: npt.NDArray[np.bool_], build: float, memory: float) -> None:
    print(f"  {what:30s}  {seconds:6.0f} s  {same.mean():.3f}, built in {build:.1f} s, {memory:.0f} MiB")


def among_all(rows: int) -> None:
    """Near copies among rows, by the selector's own search and by cells; each row is looked for among those kept."""
    table = make(rows)
    seconds, (_, cosines) = timed(lambda: semantic.near_copies(table, NEAR))
    exact = cosines >= NEAR
    print(f"near copies among {rows:,} rows: exact {seconds:.1f} s, {exact.sum():,} dropped")
    for semantic.PROBED in (1, 4, 8):
        build, kept_rows = timed(lambda: semantic.InCells(table))
        seconds, (_, cosines) = timed(partial(semantic.near_copies, table, NEAR, None, kept_rows))
        cells = cosines >= NEAR
        found, others = (cells & exact).sum() / exact.sum(), (cells & ~exact).sum()
        what = f"{kept_rows.index.nlist} cells, {semantic.PROBED} looked into"
        print(f"  {what}: learnt in {build:.1f} s, {seconds:.1f} s; "
              f"{found:.4f} of those dropped, {others:,} others")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="*", default=[25_000, 50_000])
    flags = parser.parse_args()
    faiss.omp_set_num_threads(1)
    whole = make(KEPT + QUERIES)
    among_kept(whole[:KEPT], whole[KEPT:])
    for rows in flags.rows:
        among_all(rows)


if __name__ == "__main__":
    main()
