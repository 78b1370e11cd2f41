"""Embeddings in files, whole and broken."""

import numpy as np
import polars as pl
import pytest

from leaven.errors import UserError
from leaven.lift import diversity, neighbours
from leaven.lift import vectors as table
from leaven.lift.components import components

ROWS = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)


@pytest.mark.parametrize("kind", ["array", "list", "npy", "npy16"])
def test_a_table_is_read_in_blocks_from_every_kind_of_file(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(table, "BLOCK_BYTES", 8 * 4 * 7)
    place = tmp_path / ("v.npy" if kind.startswith("npy") else "v.parquet")
    if kind.startswith("npy"):
        np.save(place, ROWS.astype(np.float16) if kind == "npy16" else ROWS)
    else:
        column = pl.Series("e", ROWS, dtype=pl.Array(pl.Float32, 8))
        column = column.arr.to_list() if kind == "list" else column
        pl.DataFrame({"text": ["x"] * 50, "e": column}).write_parquet(place)
    found = table.open_file(f"{place}:e" if kind == "array" else str(place))
    assert (found.rows, found.width) == (50, 8)
    assert max(len(block) for block in found.blocks()) <= 7
    np.testing.assert_allclose(found.array(), ROWS, atol=2e-3)
    np.testing.assert_allclose(found.take([40, 3, 3]).array(), ROWS[[40, 3, 3]], atol=2e-3)
    np.testing.assert_allclose(found.take(range(0, 50, 2)).take([1, 20]).array(), ROWS[[2, 40]], atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(found.unit(), axis=1), 1, atol=1e-6)


def test_a_few_rows_of_a_file_of_numpy_are_read_without_the_others(tmp_path):
    rows = ROWS.copy()
    rows[7] = np.nan
    np.save(tmp_path / "v.npy", rows)
    whole = table.open_file(str(tmp_path / "v.npy"))
    np.testing.assert_array_equal(whole.take([3, 40]).array(), ROWS[[3, 40]])
    with pytest.raises(UserError, match="row 2 holds NaN"):
        whole.take([3, 7]).array()


def test_a_few_rows_of_a_file_of_numpy_map_none_of_it(tmp_path, monkeypatch):
    np.save(tmp_path / "v.npy", ROWS)
    whole = table.open_file(str(tmp_path / "v.npy"))
    monkeypatch.delattr(np, "memmap")  # a kernel may map large pieces of a file around each row that is looked at
    np.testing.assert_array_equal(whole.take([3, 4, 5, 40]).array(), ROWS[[3, 4, 5, 40]])
    assert whole.take([]).array().shape == (0, 8)


def test_pieces_are_the_table_and_a_fault_in_one_has_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "BLOCK_BYTES", 8 * 4 * 3)
    monkeypatch.setattr(table, "PIECE", 2)
    np.save(tmp_path / "v.npy", ROWS)
    whole = table.open_file(str(tmp_path / "v.npy")).take(range(1, 50))
    assert whole.spans()[:2] == [(0, 6), (6, 12)] and whole.spans()[-1] == (48, 49)
    np.testing.assert_array_equal(np.concatenate([whole.part(*span).array() for span in whole.spans()]), ROWS[1:])
    apart, together = components(whole), components(table.of(ROWS[1:]))
    np.testing.assert_allclose(apart.variances, together.variances, rtol=1e-6)
    with np.errstate(invalid="ignore"):
        faulty = table.of(np.where(np.arange(50)[:, None] == 31, np.nan, ROWS))
    with pytest.raises(UserError, match="row 32 holds NaN"):
        list(faulty.part(30, 36).blocks())


def broken(tmp_path, name):
    place = tmp_path / "v.npy"
    if name == "nan":
        rows = ROWS.copy()
        rows[31, 2] = np.nan
        np.save(place, rows)
    elif name == "infinite":
        rows = ROWS.copy()
        rows[3, :2] = np.inf, -np.inf
        np.save(place, rows)
    elif name == "flat":
        np.save(place, ROWS[:, 0])
    elif name == "whole numbers":
        np.save(place, np.ones((3, 3), int))
    elif name == "no npy":
        place.write_text("hello")
    elif name == "objects":
        np.save(place, np.array([{}]), allow_pickle=True)
    elif name == "ragged":
        place = tmp_path / "v.parquet"
        pl.DataFrame({"e": [[1.0, 2.0], [1.0]]}).write_parquet(place)
    elif name == "two columns":
        place = tmp_path / "v.parquet"
        pl.DataFrame({"e": [[1.0, 2.0]], "f": [[1.0, 2.0]]}).write_parquet(place)
    elif name == "no column":
        place = tmp_path / "v.parquet"
        pl.DataFrame({"e": [1.0]}).write_parquet(place)
    elif name in ("null", "empty"):
        place = tmp_path / "v.parquet"
        cells = [None if name == "null" else [], [1.0, 2.0]]
        pl.DataFrame({"e": pl.Series(cells, dtype=pl.List(pl.Float64))}).write_parquet(place)
    elif name == "several arrays":
        np.savez(tmp_path / "v.npz", ROWS)
        place = tmp_path / "v.npz"
    elif name == "no Parquet":
        place = tmp_path / "v.parquet"
        place.write_text("hello")
    return str(place)


@pytest.mark.parametrize(
    ("name", "said"),
    [("nan", "row 32 holds NaN"), ("infinite", "row 4 holds NaN or infinity"), ("flat", r"shape \(50,\)"),
     ("whole numbers", "int"), ("no npy", "not a .npy"), ("objects", "not a .npy"), ("ragged", "2 numbers wide"),
     ("two columns", "which column"), ("no column", "none"), ("no Parquet", "not a Parquet"), ("missing", "not exist"),
     ("null", "first row is empty"), ("empty", "first row is empty"),
     ("several arrays", "not a .npy")],
)  # fmt: skip
def test_a_broken_table_is_said_with_its_place(tmp_path, name, said):
    with pytest.raises(UserError, match=said):
        table.open_file(broken(tmp_path, name)).array()


def test_nearest_is_what_sorting_finds(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 9)
    unit = table.of(ROWS).unit()
    cosines, positions = neighbours.nearest(unit, unit, 4, itself=True)
    everything = unit @ unit.T
    np.fill_diagonal(everything, -2)
    assert (positions == np.argsort(-everything, axis=1)[:, :4]).all()
    np.testing.assert_allclose(cosines, -np.sort(-everything, axis=1)[:, :4], rtol=1e-5)


def test_vendi_counts_rows_that_are_apart_and_copies_once():
    assert diversity.vendi(np.eye(5, dtype=np.float32)) == pytest.approx(5)
    assert diversity.vendi(np.repeat(np.eye(5, dtype=np.float32)[:2], 10, axis=0)) == pytest.approx(2)


def test_novelsum_by_its_definition():
    unit = table.of(ROWS[:20]).unit()
    dense = neighbours.density(unit, None, 3)
    total = 0.0
    for row in range(20):
        away = sorted(max(1 - float(unit[row] @ other), 0) for other in unit)
        weights = [1 / rank for rank in range(1, 21)]
        total += dense[row] * sum(w * d for w, d in zip(weights, away, strict=True)) / sum(weights)
    assert diversity.novelsum(unit, dense) == pytest.approx(total / 20, rel=1e-5)
    assert diversity.redundancy(np.repeat(unit[:1], 2, axis=0)) == pytest.approx([1, 1])
