"""The benchmark "Does LIFT work?" in miniature: made-up rows, a tiny random model, every arm."""

import gzip
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from leaven.errors import UserError
from leaven.runs.progress import Progress

FILE = Path(__file__).parents[2] / "benchmarks" / "lift_works.py"
WORDS = ("red", "cat", "runs", "home", "two", "blue", "dogs", "sleep")


@pytest.fixture(scope="module")
def works():
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("lift_works", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(number):
    return " ".join(WORDS[(number + place) % 8] for place in range(1 + number % 5))


@pytest.fixture
def data(tmp_path, works):
    """The public sets, in their layouts: 40 rows, of which Claude marks the even ones well and IFD the first ten."""
    folder = tmp_path / "data"
    rows = [{"instruction": f"Say {number}.", "input": "", "output": answer(number)} for number in range(40)]
    lima = [{"instruction": f"Tell {number}.", "input": "", "output": answer(number)} for number in range(4)]
    revised = [{"Raw Instruction": f"SAY {number}", "Raw Input": "", "Revised Instruction": f"Say it: {number}",
                "Revised Input": "now", "Revised Response": answer(number)} for number in (36, 37, 38, 39)]  # fmt: skip
    texts = {"alpaca": "\n".join(map(json.dumps, rows)), "claude": "\n".join(map(json.dumps, rows[::2])),
             "cherry": "\n".join(map(json.dumps, rows[:10])), "lima": json.dumps(lima),
             "revised": "\n".join(map(json.dumps, revised))}  # fmt: skip
    for name, text in texts.items():
        path = folder / works.PARTS[name]
        path.parent.mkdir(parents=True)
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    (folder / "alpaca_minilm").mkdir()
    np.save(folder / works.PARTS["minilm"], np.random.default_rng(0).standard_normal((40, 8)).astype(np.float16))
    return folder


@pytest.fixture
def run(works, data, tmp_path, tiny_model):
    def made(*words, rows=8):
        flags = ("--model", tiny_model(), "--rows", rows, "--items", 3, "--step-rows", 4, "--longest", 40, *words)
        said = io.StringIO()
        works.main([str(data), str(tmp_path / "run"), *map(str, flags)], Progress(said, every=0))
        return said.getvalue()

    return made


def test_what_arms_choose_and_what_is_held_out(works, data):
    pool = works.read_pool(data, Progress(io.StringIO()))
    assert len(pool.rows) == 36  # four questions are CoachLM's, in another spelling
    chosen = {arm: choose(pool, 8, 0) for arm, choose in works.ARMS.items()}
    assert all(pool.claude[chosen["LIFT"]]) and all(pool.claude[chosen["AlpaGasus"]])
    least = pool.variety[chosen["LIFT"]].min()
    assert not any((pool.variety > least) & pool.claude & ~np.isin(np.arange(36), chosen["LIFT"]))
    assert all(pool.cherry[chosen["Cherry"]])
    assert pool.lengths[chosen["longest"]].min() >= np.sort(pool.lengths)[-8]
    lengths = [sorted(pool.lengths[chosen[arm]]) for arm in ("LIFT", "random, as long as LIFT's")]
    assert np.mean(lengths[0]) == pytest.approx(np.mean(lengths[1]), rel=0.2)
    assert len(chosen["all"]) == 36 and all(len(set(places)) == 8 for arm, places in chosen.items() if arm != "all")


def test_passes_go_on_until_the_tokens_are_spent(works):
    sizes = np.asarray([10**9, 10, 20])
    places = works.spent([1, 2], sizes, 65, 0)
    assert sorted(places[:2]) == [1, 2] and sorted(places[2:4]) == [1, 2]
    assert sizes[places].sum() >= 65 > sizes[places[:-1]].sum()
    assert works.spent([1, 2], sizes, 30, 0) == places[:2]


def test_every_arm_gets_the_same_tokens_and_a_stop_costs_the_cell_in_flight(works, run, tmp_path, monkeypatch):
    fit, begun = works.train.fit, []

    def stopped(*args, **settings):
        begun.append(settings["folder"].name)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return fit(*args, **settings)

    monkeypatch.setattr(works.train, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        run("--seeds", 1)
    said = run("--seeds", 1)
    assert begun.count(begun[3]) == 2 and len(set(begun)) == len(works.ARMS) == len(begun) - 1
    assert f"{len(works.ARMS) + 1} of {len(works.ARMS) + 1} cells" in said
    cells = [json.loads(path.read_text()) for path in (tmp_path / "run/cells").glob("*.json")]
    tokens = {cell["arm"]: cell["tokens"] for cell in cells if "tokens" in cell}
    assert set(tokens) == set(works.ARMS) and max(tokens.values()) - min(tokens.values()) < 60  # a row
    page = (tmp_path / "run/results.md").read_text()
    assert page.count("\n| random |") == 3  # a row of the table, and one of each test
    run("--seeds", 2, "--arms", "random")
    assert "2 seeds" in (tmp_path / "run/results.md").read_text()
    with pytest.raises(UserError, match="rows was 8 and is 9"):
        run("--seeds", 2, rows=9)


def test_the_loss_is_that_of_the_first_tokens_of_the_answer(works, run, data, tmp_path, tiny_model):
    run("--seeds", 1, "--arms", "LIFT", "--answer-tokens", 2)
    import torch

    from leaven.models import mask
    from leaven.models.load import load

    loaded, row = load(tiny_model()), works.read_tests(data, 3)["lima"][0]
    encoded = mask.encode(loaded.tokenizer, row)
    first = encoded.completion_mask.index(1)
    with torch.inference_mode():
        shares = loaded.model(torch.tensor([encoded.input_ids])).logits[0].log_softmax(-1)
    by_hand = -np.mean([float(shares[at - 1, encoded.input_ids[at]]) for at in (first, first + 1)])
    scores = pl.read_parquet(tmp_path / "run/cells/untouched-s0.parquet")
    stored = scores.filter(pl.col("metric") == "token_loss/lima", pl.col("item") == "0")["value"].item()
    assert stored == pytest.approx(by_hand, rel=1e-4)
