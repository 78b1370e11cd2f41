"""How strange own and external answers are: against logits read token by token, and beside the verdict."""

import json
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from scipy import stats

from leaven.delia.ledger import Ledger
from leaven.models.base import Base
from leaven.models.load import load
from leaven.models.settings import TuneSection
from leaven.models.template import encode, render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import stderr
from leaven.study import families, manipulation, reproduction
from leaven.study import recipe as recipes
from leaven.study.run import SCHEMA, run
from leaven.study.sources import resolve
from leaven.view import page
from leaven.view import reproduction as pages


def rows(answers, step):
    return Dataset.of(pair(f"one {i}?", text, Origin(step, parents=(f"q{i}",))) for i, text in enumerate(answers))


OWN, EXTERNAL = rows(["two three", "is it model", "six"], "self_sample"), rows(["Paris", "Spain", "Madrid"], "x")


def bench(path, *substitutes):
    settings = SimpleNamespace(tune=TuneSection(max_length=40))
    return SimpleNamespace(model=Base(path), ledger=Ledger(substitutes=[*substitutes]), settings=settings)


def slow(loaded, row):
    """The loss of each token of the answer and the entropy before it, each by a pass of its own."""
    said = encode(loaded.tokenizer, render(loaded.tokenizer, row.prompt, True))
    losses, entropies = [], []
    for token in encode(loaded.tokenizer, f"{row.answer}<|im_end|>"):
        with torch.no_grad():
            shares = torch.softmax(loaded.model(torch.tensor([said])).logits[0, -1].double(), -1)
        losses.append(-float(shares[token].log()))
        entropies.append(stats.entropy(shares.numpy()))
        said.append(token)
    return sum(losses) / len(losses), sum(entropies) / len(entropies)


def test_the_measures_are_those_of_a_slow_computation(tiny_model):
    path = tiny_model("qwen3")
    values = {(one.metric, one.item): one.value for one in manipulation.measure(bench(path, (OWN, EXTERNAL)))}
    assert len(values) == 3 * len(OWN)
    loaded = load(path)
    for own, external in zip(OWN, EXTERNAL, strict=True):
        (query,) = own.origin.parents
        loss, entropy = slow(loaded, own)
        assert values["nats/own", query] == pytest.approx(loss, rel=1e-4)
        assert values["nats/own_entropy", query] == pytest.approx(entropy, rel=1e-4)
        assert values["nats/external", query] == pytest.approx(slow(loaded, external)[0], rel=1e-4)


def test_without_answers_of_others_the_model_is_not_even_lent():
    assert not list(manipulation.measure(bench("nowhere")))


def test_a_query_that_is_asked_in_several_passes_is_measured_once(tiny_model, monkeypatch):
    monkeypatch.setattr(manipulation, "ROWS", 2)
    twice = bench(tiny_model("qwen3"), (OWN + OWN, EXTERNAL + EXTERNAL))
    assert {one.item for one in manipulation.measure(twice)} == {"q0", "q1"}
    assert len(list(manipulation.measure(twice))) == 6


def test_a_query_of_which_an_answer_is_too_long_to_be_trained_on_is_left_out(tiny_model):
    long = rows(["Paris", "Spain " * 60, "Madrid"], "x")
    assert {one.item for one in manipulation.measure(bench(tiny_model("qwen3"), (OWN, long)))} == {"q0", "q2"}


def test_it_is_said_beside_the_verdict_that_rests_on_it_and_beside_no_other(monkeypatch):
    sides = {"own": (0.9, {}), "external": (0.1, {"nats/own": 0.5, "nats/own_entropy": 0.75, "nats/external": 2.0})}
    table = [
        (method, 100, seed, metric, item, value + 0.01 * seed)
        for method, (kept, nats) in {**sides, "masked": (0.2, {})}.items()
        for seed in range(3)
        for metric, value in {"general/kept": kept, **nats}.items()
        for item in ("a", "b")
    ]
    specs = [{"text": b, "a": "own", "b": b, "metric": "general/kept"} for b in ("external", "masked")]
    spec = {"title": "T", "studies": ["s"], "claims": specs, "notes": []}
    monkeypatch.setattr(reproduction, "specification", lambda scale: {"t": spec})
    external, masked = families.judgements("s", pl.DataFrame(table, schema=SCHEMA, orient="row"))
    said = (
        "Nats a token to the untouched model, seeds in brackets: own answers 0.51 (0.50, 0.51, 0.52), entropy along "
        "them 0.76 (0.75, 0.76, 0.77), external answers to the same questions 2.01 (2.00, 2.01, 2.02)."
    )
    assert (external.strangeness, masked.strangeness) == (said, "")
    assert said in pages.markdown(pages.Section("t", spec, [], [], [external, masked], "lab"))


def test_a_study_with_external_answers_measures_them_and_its_page_says_so(tmp_path):
    methods = [{"name": "delia", "ratio": 1, "buffer": buffer, "label": buffer} for buffer in ("own", "external")]
    values = {
        "methods": methods, "sizes": [4], "seeds": [0], "sample": {"max_new_tokens": 8}, "tune": {"preset": "lab"},
        "evaluate": {"max_new_tokens": 4, "limit_test": 2},
    }  # fmt: skip
    recipe, task = resolve(recipes.parse(values, "test"), tmp_path / "study", stderr())
    folder = run(recipe, task, tmp_path / "study", stderr())
    scores = pl.read_parquet(folder / "scores.parquet").filter(pl.col("metric").is_in(manipulation.METRICS))
    assert scores["method"].unique().to_list() == ["external"] and len(scores) == 3 * 4
    cautions = json.loads((folder / "summary.json").read_text())["cautions"]
    (sentence,) = (one for one in cautions if one.startswith("Nats a token"))
    assert sentence in page.write(folder).read_text().replace("&#39;", "'")
