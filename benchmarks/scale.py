"""A whole lift at scale: dedup, embeddings from a file, variety, marks from the rows, choose, audit and report.

    python benchmarks/scale.py 1000000
    python benchmarks/scale.py 50000 --compare

Rows and embeddings are made up, the same ones each time: an Alpaca file of which a fifth are near copies, with a mark
in each row, and float32 embeddings 384 wide. The lift runs in a process of its own by what `import leaven` offers.
Printed are the seconds of each stage (from when its file was written), processor seconds, peak memory and the rows
kept; beside that, what reading the file takes, and polars' own scan of it into Parquet. `--compare` makes the same
choice by `leaven.select`, selector after selector on rows in memory, and says whether the same rows stay.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS, WIDTH, PIECE, KEPT = 200_000, 384, 10_000, 10_000
COPIES = 0.2
STAGES = [{"minhash": {"as": "dedup"}}, "variety", "marks"]
MARKED = {"field": "quality"}
ASKED = {
    1_000_000: "600 s, 3 GiB; reading: 1.3 times polars' scan",
    5_000_000: "5.5 times the seconds of 1,000,000, 4 GiB; reading: 1.3 times polars' scan",
}
"""What issue 16 asks of two cores."""
FILES = {
    "read": "stages/read.parquet", "answers": "stages/answers.parquet", "dedup": "stages/dedup.parquet",
    "embed": "embeddings.npy", "variety": "stages/variety.parquet", "marks": "stages/marks.parquet",
    "choose": "stages/n.parquet", "audit": "kept.jsonl", "figures": "summary.json", "export": "DONE",
    "report": "report.html",
}  # fmt: skip
"""The file that each part of a lift writes last."""


def make_rows(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    words = np.asarray([f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "en", "ir", "o", "u")
                        for c in ("lt", "m", "nd", "rk", "s", "ty", "va", "xo")], dtype=object)  # fmt: skip
    words = np.concatenate([words, [a + b for a in words for b in words[:40]]])
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, rows, PIECE):
            count = min(PIECE, rows - start)
            lengths = rng.integers(10, 110, count)
            drawn = words[np.minimum(len(words) - 1, rng.pareto(0.6, lengths.sum()) * 8).astype(np.int64)]
            texts = np.split(drawn, np.cumsum(lengths)[:-1])
            for place in np.flatnonzero(rng.random(count) < COPIES)[1:].tolist():
                text = texts[rng.integers(0, place)].copy()
                text[rng.integers(0, len(text), rng.integers(0, 6))] = words[rng.integers(0, len(words))]
                texts[place] = text
            for text, mark in zip(texts, rng.integers(0, 10_000, count).tolist(), strict=True):
                cut = 4 + len(text) // 5
                row = {"instruction": " ".join(text[:cut]), "input": "", "output": " ".join(text[cut:]) + ".",
                       "quality": mark / 100}  # fmt: skip
                file.write(json.dumps(row) + "\n")


def make_embeddings(path: Path, rows: int) -> None:
    """As embeddings are: 200 groups, and a spectrum that falls off."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((200, WIDTH)).astype(np.float32)
    spectrum = (1 / np.sqrt(1 + np.arange(WIDTH) / 40)).astype(np.float32)
    mixing = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))[0].astype(np.float32)
    with path.open("wb") as file:
        about = {"descr": "<f4", "fortran_order": False, "shape": (rows, WIDTH)}
        np.lib.format.write_array_header_2_0(file, about)
        for start in range(0, rows, PIECE):
            count = min(PIECE, rows - start)
            noise = rng.standard_normal((count, WIDTH), dtype=np.float32)
            ((0.5 * centers[rng.integers(0, 200, count)] + noise) * spectrum @ mixing).tofile(file)


def child(data: Path) -> None:
    import leaven
    from leaven.view import lift as reports

    began = time.time()
    lifted = leaven.lift(
        str(data / "rows.jsonl"), n=KEPT, folder=data / "lift", embeddings=str(data / "embeddings.npy"),
        stages=[*STAGES[:2], {STAGES[2]: MARKED}],
    )  # fmt: skip
    reports.write(lifted.folder)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    kept = [row.origin.place for row in lifted.kept]
    print(json.dumps({"began": began, "cpu": usage.ru_utime + usage.ru_stime, "gigabytes": peak(), "kept": kept}))


def peak() -> float:
    """The most memory that this process has held, in GiB; `ru_maxrss` would count its parent's too, before the exec."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def reading(path: Path, folder: Path) -> str:
    """Seconds and processor seconds of reading the file into Parquet, beside those of polars' own scan into Parquet.

    Ours leaves texts unpacked, and has the text of each line beside its messages; polars' is told both ways.
    """
    import polars as pl

    from leaven.rows import jsonl

    told = []
    for who, read in (
        ("leaven", lambda: jsonl.read(path, folder / "rows.parquet")),
        ("polars", lambda: pl.scan_ndjson(path).sink_parquet(folder / "scan.parquet", compression="lz4")),
        (
            "polars, unpacked",
            lambda: pl.scan_ndjson(path).sink_parquet(folder / "a.parquet", compression="uncompressed"),
        ),
    ):
        began, cpu = time.perf_counter(), time.process_time()
        read()
        told.append(f"{who} {time.perf_counter() - began:.1f} s ({time.process_time() - cpu:.1f} s of processor)")
    return ", ".join(told)


def in_memory(data: Path, folder: Path) -> list[str]:
    """The places of the rows that the selectors keep one after the other, on rows and embeddings in memory."""
    import leaven

    rows, vectors = leaven.read(str(data / "rows.jsonl")).kept, np.load(data / "embeddings.npy")
    for selector, own in (("minhash", {}), ("variety", {"embeddings": str(folder / "left.npy")}), (STAGES[2], MARKED)):
        np.save(folder / "left.npy", vectors)
        size = {"n": min(KEPT, len(rows))} if selector == STAGES[2] else {}
        outcome = leaven.select(selector, rows, **own, **size)
        rows, vectors = outcome.kept, vectors[list(outcome.positions)]
    return [row.origin.place for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=ROWS)
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--data", help="a folder to leave everything in")
    parser.add_argument("--run", type=Path)
    flags = parser.parse_args()
    if flags.run:
        return child(flags.run)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(flags.data or temporary)
        data.mkdir(exist_ok=True)
        if not (data / "embeddings.npy").exists():
            make_rows(data / "rows.jsonl", flags.rows)
            make_embeddings(data / "embeddings.npy", flags.rows)
        done = subprocess.run([sys.executable, __file__, "--run", str(data)], stdout=subprocess.PIPE, check=True)
        lift = json.loads(done.stdout)
        last, parts = lift["began"], []
        for part, name in FILES.items():
            now = os.stat(data / "lift" / name).st_mtime
            parts.append(f"{part} {now - last:.1f}")
            last = now
        print(
            f"lift, {flags.rows:,} × {WIDTH}: {last - lift['began']:.1f} s ({lift['cpu']:.0f} s of processor), "
            f"peak {lift['gigabytes']:.2f} GiB, {len(lift['kept']):,} rows kept\n  seconds: {', '.join(parts)}"
        )
        print(f"  asked: {ASKED.get(flags.rows, 'nothing of so many rows')}")
        size = (data / "rows.jsonl").stat().st_size
        print(f"  reading {size / 2**20:,.0f} MiB: {reading(data / 'rows.jsonl', Path(temporary))}")
        if flags.compare:
            same = in_memory(data, Path(temporary)) == lift["kept"]
            print(f"  selector after selector in memory: {'the same rows' if same else 'OTHER ROWS'}")
            if not same:
                sys.exit(1)


if __name__ == "__main__":
    main()
