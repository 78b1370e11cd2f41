"""The selectors against published labels, with 95 % intervals; every threshold is the default, nothing is tuned.

AUC: how well a score puts the Alpaca rows that a judge kept (AlpaGasus; helpfulness) or that IFD kept (Cherry) before
the others; 0.5 is chance. Pairs: how many of the pairs that dedup calls near copies people call paraphrases
(precision), and how many paraphrases it finds (recall). gpteacher: what dedup drops against what its authors dropped.

    python benchmarks/curation_truth.py FOLDER [--rows 3000] [--model lab]      (the folder of the public sets)
"""

import argparse
import gzip
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from leaven.lift import selection
from leaven.lift import vectors as table
from leaven.lift.components import components
from leaven.lift.embed import lsa
from leaven.lift.neighbours import density
from leaven.lift.selection import Context
from leaven.lift.selectors import exact, ifd, length, minhash, semantic, variety
from leaven.models import names
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.texts import strings
from leaven.runs.progress import Progress

DRAWS, Z = 1000, 1.96
QUIET = Progress(io.StringIO())
_QUOTED = re.compile(r'"(.+?)"(?=[\s?.])')
_LABELLED = re.compile(r"^(?:Sentence|Question|Sent) [12]: (.+)$", re.MULTILINE)
_YES = re.compile(r"yes|duplicates|true|equivalent", re.IGNORECASE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--model", default="lab")
    flags = parser.parse_args()
    print(f"## AUC over {flags.rows:,} Alpaca rows drawn at random, seed 0 (IFD measured by {flags.model})\n")
    aucs(flags.folder, flags.rows, flags.model)
    print("\n## Precision and recall on labelled pairs\n")
    print("| pairs | dedup | called copies | precision | recall |\n|---|---|--:|---|---|")
    for name, pairs in (("msrp", msrp(flags.folder)), ("QQP", prompted(flags.folder, "glue_qqp")),
                        ("PAWS", prompted(flags.folder, "paws_labeled"))):  # fmt: skip
        on_pairs(name, sorted(set(pairs)))
    print("\n## Rows that gpteacher's authors dropped at similarity 0.6\n")
    on_gpteacher(flags.folder)


def aucs(folder: Path, count: int, model: str) -> None:
    whole = files.read(folder / "alpaca_52k/alpaca_data.minus_holdout.jsonl.gz").kept
    draw = [place for place in whole.permutation(0) if whole[place].answer][:count]
    rows = whole.rows(draw)
    labels = {
        "AlpaGasus (Claude ≥ 4.5)": members(rows, folder / "alpagasus/claude_t45.minus_holdout.jsonl"),
        "AlpaGasus (helpfulness)": members(rows, folder / "alpagasus/helpfulness_t45.minus_holdout.jsonl"),
        "Cherry (IFD, 5 %)": members(rows, folder / "cherry_alpaca/cherry_alpaca_5_percent.minus_holdout.jsonl.gz"),
    }
    print("| score | " + " | ".join(f"{name}, {label.sum():,} rows" for name, label in labels.items()) + " |")
    print("|---|" + "---|" * len(labels))
    for name, values in measured(rows, folder, draw, model).items():
        there = np.isfinite(values)
        found = (
            f"{auc(values[there], label[there])} {interval(values[there], label[there])}" for label in labels.values()
        )
        print(f"| {name} ({there.sum():,} rows) | " + " | ".join(found) + " |")


def measured(rows: Dataset, folder: Path, draw: list[int], model: str) -> dict[str, np.ndarray]:
    context = Context(model=names.path(model), progress=QUIET)
    vectors = {"LSA": table.of(lsa.load("")([*strings(rows)]))}
    place = folder / "alpaca_minilm" / "embeddings.f16.npy"
    if place.is_file():
        vectors["MiniLM"] = table.open_file(str(place)).take(draw)
    found = {
        "IFD, ratio of losses": ifd.score(rows, ifd.Config(formula="loss"), context).columns["ifd"],
        "IFD, ratio of perplexities": ifd.score(rows, ifd.Config(), context).columns["ifd"],
        "length of the answer": [len(row.answer or "") for row in rows],
        "length score (LIFT)": length.length_scores(rows),
    }
    for name, one in vectors.items():
        parts = components(one)
        for compat in ("paper", "exact"):
            found[f"variety, {compat}, {name}"] = variety.variances(one, parts, variety.Config(compat=compat))
        found[f"distance to the neighbours, {name}"] = -density(one.unit())
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def members(rows: Dataset, place: Path) -> np.ndarray:
    known = {row.messages for row in files.read(place).kept}
    return np.asarray([row.messages in known for row in rows])


def auc(values: np.ndarray, label: np.ndarray) -> str:
    return f"{_auc(values, label):.3f}"


def _auc(values: np.ndarray, label: np.ndarray) -> float:
    """The chance that a labelled row has the larger value; ties count half."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = label.sum()
    return float((ranks[label].sum() - positive * (positive + 1) / 2) / (positive * (len(label) - positive)))


def interval(values: np.ndarray, label: np.ndarray) -> str:
    """The middle 95 % of the AUC of rows drawn anew."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(values), len(values))
        drawn.append(_auc(values[rows], label[rows]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"({low:.3f} to {high:.3f})"


def msrp(folder: Path) -> Iterator[tuple[str, str, bool]]:
    lines = (folder / "msrp/msr_paraphrase_train.txt").read_text(encoding="utf-8-sig").split("\n")[1:]
    for label, _, _, first, second in (line.rstrip("\r").split("\t") for line in lines if line.strip()):
        yield first, second, label == "1"


def prompted(folder: Path, template: str) -> Iterator[tuple[str, str, bool]]:
    """The pairs in the labelled prompts of P3, without the templates around them."""
    with gzip.open(folder / "t0_train/t0_per_template_40.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    for row in rows:
        pair = _pair(row["prompt"]) if row["template"].startswith(template) else ()
        if len(pair) == 2:
            yield *pair, _YES.match(row["completion"]) is not None


def _pair(prompt: str) -> tuple[str, ...]:
    if found := _LABELLED.findall(prompt):
        return tuple(found[:2])
    if " Question: " in prompt:
        return tuple(part.removesuffix("True or False?\n").removesuffix("Paraphrase or not?\n").strip()
                     for part in prompt.split(" Question: "))  # fmt: skip
    if "paraphrase of the following" in prompt:
        first, _, second, *_ = prompt.split("\n")
        return first, second.removesuffix("?")
    if "Pick one" in prompt:
        return tuple(prompt.split("\n")[:2])
    return tuple(_QUOTED.findall(prompt)[:2])


def on_pairs(name: str, pairs: list[tuple[str, str, bool]]) -> None:
    label = np.asarray([same for *_, same in pairs])
    both = [[first, second] for first, second, _ in pairs]
    unit = lsa.load("")([one for pair in both for one in pair])
    calls = {
        "exact, normalised": [exact._key(a, True) == exact._key(b, True) for a, b in both],
        "minhash": [bool(minhash.near_copies([pair], minhash.Config())) for pair in both],
        "semantic, LSA": np.einsum("ij,ij->i", unit[::2], unit[1::2]) >= semantic.Config().threshold,
    }
    for dedup, verdicts in calls.items():
        called = np.asarray(verdicts)
        hits = int((called & label).sum())
        print(f"| {name}, {label.sum():,} of {len(label):,} | {dedup} | {called.sum():,} | "
              f"{share(hits, int(called.sum()))} | {share(hits, int(label.sum()))} |")  # fmt: skip


def on_gpteacher(folder: Path) -> None:
    rows = files.read(folder / "gpteacher/toolformer-dedupe-only-dataset.json.gz").kept
    kept = {row.messages for row in files.read(folder / "gpteacher/toolformer-similarity-0.6-dataset.json").kept}
    truth = {place for place, row in enumerate(rows) if row.messages not in kept}
    context = Context(progress=QUIET, vectors=lambda data: table.of(lsa.load("")([*strings(data)])))
    print(f"{len(rows):,} rows, of which the authors dropped {len(truth):,}.\n")
    print("| dedup | dropped | precision | recall |\n|---|--:|---|---|")
    runs = (("exact, normalised", exact, exact.Config(normalise=True)), ("minhash", minhash, minhash.Config()),
            ("semantic, LSA", semantic, semantic.Config()))  # fmt: skip
    for name, module, config in runs:
        gone = set(range(len(rows))) - set(
            selection.choose(module, rows, selection.score(module, rows, config, context), config, context).positions
        )
        hits = len(gone & truth)
        print(f"| {name} | {len(gone):,} | {share(hits, len(gone))} | {share(hits, len(truth))} |")


def share(hits: int, total: int) -> str:
    """A share with its Wilson interval."""
    if not total:
        return "–"
    middle = (hits + Z**2 / 2) / (total + Z**2)
    half = Z * np.sqrt(hits * (total - hits) / total + Z**2 / 4) / (total + Z**2)
    return f"{hits / total:.3f} ({max(0, middle - half):.3f} to {min(1, middle + half):.3f})"


if __name__ == "__main__":
    sys.exit(main())
