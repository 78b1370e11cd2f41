"""LIFT's variety: scikit-learn as published against `leaven.lift.selectors.variety`, each in a process of its own.

First 60,000 × 1,536 float32 from one .npy file: seconds, peak memory, and whether both keep the same rows. Then 0.25,
0.5 and 1 million × 384 from Parquet, leaven alone: time should grow in proportion, and memory stay under 2 GB.
`--rows 6000` makes the first part smaller, `--scale 0.1` the second, `--rounds 1` both shorter.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS, WIDTH, ROUNDS, SIZES, NARROW = 60_000, 1_536, 3, (250_000, 500_000, 1_000_000), 384
PIECE = 10_000


def published(place: str) -> list[int]:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaled = StandardScaler().fit_transform(np.load(place))
    held = np.cumsum(PCA(svd_solver="full").fit(scaled).explained_variance_ratio_)
    reduced = PCA(n_components=int(np.argmax(held >= 0.95)), svd_solver="full").fit_transform(scaled)
    variances = np.var(reduced, axis=1)
    return np.flatnonzero(variances > np.percentile(variances, 80)).tolist()


def ours(place: str) -> list[int]:
    from leaven.lift import vectors as table
    from leaven.lift.components import components
    from leaven.lift.selectors import variety

    vectors, config = table.open_file(place), variety.Config()
    return variety.above(variety.variances(vectors, components(vectors), config), config)


def measured(which: str, place: Path) -> tuple[float, float, list[int]]:
    """(seconds, peak memory in GB, the rows kept) of one run in a process of its own; imports are not counted."""
    done = subprocess.run([sys.executable, __file__, "--run", which, str(place)], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return found["seconds"], found["gigabytes"], found["kept"]


def child(which: str, place: str) -> None:
    importlib.import_module({"published": "sklearn.decomposition", "ours": "leaven.lift.selectors.variety"}[which])
    began = time.perf_counter()
    kept = {"published": published, "ours": ours}[which](place)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "gigabytes": peak(), "kept": kept}))


def peak() -> float:
    """The most memory that this process has held, in GB; `ru_maxrss` would count its parent's too, before the exec."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def pieces(rows: int, width: int):
    """Rows as embeddings are: 200 groups, and a spectrum that falls off."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((200, width)).astype(np.float32)
    spectrum = (1 / np.sqrt(1 + np.arange(width) / 40)).astype(np.float32)
    mixing = np.linalg.qr(rng.standard_normal((width, width)))[0].astype(np.float32)
    for start in range(0, rows, PIECE):
        count = min(PIECE, rows - start)
        noise = rng.standard_normal((count, width)).astype(np.float32)
        yield (0.5 * centers[rng.integers(0, 200, count)] + noise) * spectrum @ mixing


def parquet(path: Path, rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema({"embedding": pa.list_(pa.float32(), NARROW)})
    with pq.ParquetWriter(path, schema) as writer:
        for piece in pieces(rows, NARROW):
            column = pa.FixedSizeListArray.from_arrays(pa.array(piece.ravel()), NARROW)
            writer.write_table(pa.table({"embedding": column}, schema))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--run", nargs=2)
    flags = parser.parse_args()
    if flags.run:
        return child(*flags.run)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "embeddings.npy"
        table = np.lib.format.open_memmap(place, "w+", np.float32, (flags.rows, WIDTH))
        for number, piece in enumerate(pieces(flags.rows, WIDTH)):
            table[number * PIECE : number * PIECE + len(piece)] = piece
        table.flush()
        del table
        rounds = [(measured("published", place), measured("ours", place)) for _ in range(flags.rounds)]
        theirs, mine = (
            [sorted(one[side][part] for one in rounds)[flags.rounds // 2] for part in (0, 1)] for side in (0, 1)
        )
        differ = len(set(rounds[0][0][2]) ^ set(rounds[0][1][2]))
        print(f"variety, {flags.rows:,} × {WIDTH:,} float32: scikit-learn {theirs[0]:.1f} s, {theirs[1]:.2f} GB · "
              f"leaven {mine[0]:.1f} s, {mine[1]:.2f} GB · {theirs[0] / mine[0]:.1f} times as fast, "
              f"{mine[1] / theirs[1]:.2f} of the memory, {differ} rows differ "
              f"(rounds {', '.join(f'{a[0] / b[0]:.1f}' for a, b in rounds)})")  # fmt: skip
        place.unlink()
        for rows in SIZES:
            place, count = Path(folder) / "embeddings.parquet", round(rows * flags.scale)
            parquet(place, count)
            seconds, gigabytes, kept = measured("ours", place)
            print(f"variety, {count:,} × {NARROW} from Parquet: {seconds:.1f} s, peak {gigabytes:.2f} GB, "
                  f"{1e6 * seconds / count:.1f} s a million rows, {len(kept):,} kept")  # fmt: skip


if __name__ == "__main__":
    main()
