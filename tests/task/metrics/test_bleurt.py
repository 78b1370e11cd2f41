"""The port against a hand-made tiny checkpoint, in every layout of its weights."""

import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, RemBertConfig, RemBertForSequenceClassification

from leaven.errors import UserError
from leaven.task.metrics import _bleurt as bleurt

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"a b c d e f g h".split()]
SHAPE = {"vocab_size": len(WORDS), "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
         "intermediate_size": 16, "max_position_embeddings": 16, "hidden_act": "gelu"}  # fmt: skip


def tokenizer(folder):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)


def written(folder, model, config, rename):
    folder.mkdir()
    save_file(
        {rename(name): value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer(folder)
    return str(folder)


def port_name(name):
    """As the published port calls it."""
    name = (
        name.replace("rembert.", "bleurt.", 1) if name.startswith("rembert.") else name.replace("bert.", "bleurt.", 1)
    )
    return name.replace("embedding_hidden_mapping_in", "embedding_projection")


@pytest.fixture(params=["wide", "narrow"])
def layouts(request, tmp_path):
    """(the reference model, folders of its weights in the layouts that they come in)."""
    torch.manual_seed(0)
    if request.param == "narrow":
        config = RemBertConfig(**SHAPE, input_embedding_size=4, num_labels=1, initializer_range=0.5)
        model, own = RemBertForSequenceClassification(config).eval(), {"input_embedding_size": 4}
    else:
        config = BertConfig(**SHAPE, num_labels=1, initializer_range=0.5)
        model, own = BertForSequenceClassification(config).eval(), {}
    port = {"embedding_size": 4} if own else {"embedding_size": None}
    folders = [
        written(tmp_path / "transformers", model, {**SHAPE, **own}, lambda name: name),
        written(tmp_path / "port", model, {**SHAPE, **port, "model_type": "bleurt", "num_labels": 1}, port_name),
    ]
    return model, folders


def test_every_layout_gives_the_reference_models_scores(layouts):
    model, folders = layouts
    references, candidates = ["a b c", "d"], ["a b", "d e f"]
    with torch.no_grad():
        expected = [
            float(model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([kinds])).logits)
            for ids, kinds in [
                ([2, 4, 5, 6, 3, 4, 5, 3], [0] * 5 + [1] * 3),
                ([2, 7, 3, 7, 8, 9, 3], [0] * 3 + [1] * 4),
            ]
        ]
    for folder in folders:
        assert bleurt.load(folder).scores(references, candidates) == pytest.approx(expected, abs=1e-5)


def test_a_score_does_not_depend_on_its_batch(layouts):
    found = bleurt.load(layouts[1][0])
    pairs = (["a", "a b c d e", "f"], ["b c", "g h", "a b c d"])
    assert found.scores(*pairs, batch_size=3) == pytest.approx(found.scores(*pairs, batch_size=1), abs=1e-5)


def test_the_longer_text_is_cut_and_the_candidate_where_they_are_even(layouts):
    found = bleurt.load(layouts[1][0])  # reads 16 sub-words, 3 of them its own
    ids, kinds = found.encode("a " * 10, "b " * 5)
    assert (ids.count(4), ids.count(5), len(ids), len(kinds)) == (8, 5, 16, 16)
    ids, _ = found.encode("a " * 10, "b " * 10)
    assert (ids.count(4), ids.count(5)) == (7, 6)


def test_the_published_shapes_are_those_of_the_port():
    with torch.device("meta"):
        config = {"vocab_size": 250_300, "hidden_size": 1152, "embedding_size": 256, "num_hidden_layers": 32,
                  "num_attention_heads": 18, "intermediate_size": 4608, "max_position_embeddings": 512}  # fmt: skip
        model = bleurt._model(config, {"bleurt.encoder.embedding_projection.weight": torch.empty(0)})
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert model.rembert.encoder.embedding_hidden_mapping_in.weight.shape == (1152, 256)
    assert millions == pytest.approx(579, rel=0.01)


def test_a_folder_that_is_none_is_told(tmp_path):
    with pytest.raises(UserError, match=r"config\.json"):
        bleurt.load(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(SHAPE))
    save_file({"other": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match="not those of BLEURT"):
        bleurt.load(str(tmp_path))
