"""A lift over rows and embeddings that pass in small pieces keeps what a slow and obvious one keeps."""

import io
import json
import re

import numpy as np
import polars as pl
import pytest

from leaven.lift import measure, run, vectors
from leaven.lift.settings import Settings
from leaven.rows import jsonl, shards
from leaven.runs.progress import Progress

ROWS, WIDTH = 400, 6


@pytest.fixture
def small(monkeypatch):
    """Every piece, batch and block is far smaller than the data."""
    monkeypatch.setattr(shards, "BATCH", 37)
    monkeypatch.setattr(jsonl, "PIECE", 5_000)
    monkeypatch.setattr(vectors, "BLOCK_BYTES", 4 * WIDTH * 41)
    monkeypatch.setattr(measure, "PAIRS", 25_000)


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    words = [f"w{number}" for number in range(300)]
    texts = []
    for _ in range(ROWS):
        text = list(rng.choice(words, 40))
        if texts and rng.random() < 0.3:
            text = list(texts[rng.integers(0, len(texts))])
            text[rng.integers(0, 40)] = "other"
        texts.append(text)
    lines = [
        {"instruction": " ".join(text[:9]), "input": "", "output": " ".join(text[9:]), "mark": int(mark)}
        for text, mark in zip(texts, rng.integers(0, 50, ROWS), strict=True)
    ]
    lines.insert(5, {"instruction": "no answer", "input": "", "output": ""})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + "{\n")
    table = rng.standard_normal((ROWS + 1, WIDTH)) * np.arange(1, WIDTH + 1)
    np.save(tmp_path / "vectors.npy", table.astype(np.float32))
    return tmp_path


def obvious(folder, keep, n):
    """The numbers of the rows that stay, by plain Python and scikit-learn."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().split("\n")[:-2]]
    kept, sets = [], {}
    for number, row in enumerate(rows):
        words = re.findall(r"\w+", f"{row['instruction']}\n{row['output']}")
        sets[number] = {tuple(words[place : place + 3]) for place in range(len(words) - 2)}
        alike = (len(sets[number] & sets[other]) / len(sets[number] | sets[other]) for other in kept)
        if row["output"] and not any(share >= 0.7 for share in alike):
            kept.append(number)
    scaled = StandardScaler().fit_transform(np.load(folder / "vectors.npy")[kept].astype(np.float64))
    pca = PCA(svd_solver="full").fit(scaled)
    count = int(np.argmax(np.cumsum(pca.explained_variance_ratio_) >= 0.95))
    values = np.var(pca.transform(scaled)[:, :count], axis=1)
    kept = [number for number, value in zip(kept, values, strict=True) if value > np.quantile(values, 1 - keep)]
    return sorted(sorted(kept, key=lambda number: -rows[number]["mark"])[:n])


def test_the_same_rows_stay_as_by_a_slow_way(data, small):
    stages = [{"minhash": {"permutations": 512}}, {"variety": {"keep": 0.5}}, {"marks": {"field": "mark"}}]
    chosen = Settings(data=str(data / "rows.jsonl"), embeddings=str(data / "vectors.npy"), stages=stages, n=60)
    run.run(chosen, data / "run", Progress(io.StringIO()), None)
    audit = pl.read_parquet(data / "run" / "audit.parquet")
    kept = audit.filter(pl.col("verdict") == "kept")["row"].to_list()
    assert kept == obvious(data, 0.5, 60) and len(kept) == 60 and audit.height == ROWS + 2
    reasons = dict(audit.group_by("reason").len().rows())
    assert reasons["no answer"] == reasons["broken JSON"] == 1 and reasons["a near copy of a kept row"] > 50
    unit = np.load(data / "run" / "embeddings.npy").astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    line = {row: place for place, row in enumerate(pl.read_parquet(data / "run" / "embedded.parquet")["row"])}
    for row, near, cosine in audit.select("row", "nearest_kept", "nearest_cosine").drop_nulls().rows()[::9]:
        others = [number for number in kept if number != row]
        cosines = unit[[line[number] for number in others]] @ unit[line[row]]
        assert cosine == pytest.approx(cosines.max(), abs=1e-5) and near == others[int(cosines.argmax())]


def test_the_figures_of_a_set_are_those_of_all_its_pairs_but_for_the_error_that_is_said(data, small):
    stages = [{"random": {"keep": 0.9}}, {"marks": {"field": "mark"}}]
    chosen = Settings(data=str(data / "rows.jsonl"), embeddings=str(data / "vectors.npy"), stages=stages, n=150)
    run.run(chosen, data / "run", Progress(io.StringIO()), None)
    sets = {one["set"]: one for one in json.loads((data / "run" / "summary.json").read_text())["sets"]}
    unit = np.load(data / "run" / "embeddings.npy").astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -1)
    whole = sets["before selection"]
    assert whole["sampled"] == measure.LEAST and 0 < whole["error"] < 0.02 and "error" not in sets["kept"]
    assert whole["nearest_cosine"] == pytest.approx(cosines.max(1).mean(), abs=4 * whole["error"])
    values = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    assert whole["vendi"] == pytest.approx(np.exp(-(values * np.log(values)).sum()), rel=1e-4)
