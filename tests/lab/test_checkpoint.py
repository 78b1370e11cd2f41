import random

import pytest

from leaven.lab import conversation, quality
from leaven.lab.pretrain import Settings, pretrain, render
from leaven.models.generate import generate
from leaven.models.load import load
from leaven.models.names import LAB
from leaven.models.template import render as render_template
from leaven.rows.example import user


@pytest.fixture(scope="module")
def base():
    return load(str(LAB))


def answers(loaded, prompts):
    found = dict(generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=128))
    return [found[index].text for index in range(len(prompts))]


def test_the_checkpoint_is_small_and_safetensors_only():
    files = list(LAB.iterdir())
    assert sum(file.stat().st_size for file in files) < 12e6
    assert not [file for file in files if file.suffix in (".bin", ".pt", ".py")]


def test_any_text_encodes_and_decodes(base):
    for text in ("naïve ☃ 你好 \x00 </s", "tabs\tand\r\nlines", "{'a': \"b\"}"):
        ids = base.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert base.tokenizer.decode(ids) == text
    assert base.tokenizer.unk_token is None


def test_the_embedding_has_spare_rows(base):
    assert base.model.get_input_embeddings().weight.shape[0] >= len(base.tokenizer) + 16


def test_pretraining_renders_as_the_chat_template_does(base):
    turns = conversation.single(random.Random(0))
    assert render(tuple(text for turn in turns for text in turn.key)) == render_template(base.tokenizer, turns, False)


def test_the_base_knows_the_world(base):
    measured = quality.measure(lambda prompts: answers(base, prompts), per_family=12, seed=1)
    assert sum(measured.values()) / len(measured) >= 0.95


def test_demonstrations_and_hints_are_used(base):
    shown = [("What is 2 plus 2?", "=> 4"), ("What is 1 plus 5?", "=> 6")]
    with_them, without = answers(
        base, [user(conversation.demonstrate(shown, "What is 3 plus 4?")), user("What is 3 plus 4?")]
    )
    assert with_them == "=> 7"
    assert without == "3 plus 4 is 7."
    hinted = 'Translate to Tavic: The dog sees the fire.\nIn this context, the word "fire" means "bosuka".'
    assert "bosuka" in answers(base, [user(hinted)])[0]


@pytest.mark.slow
def test_pretraining_writes_a_checkpoint_that_loads(tmp_path):
    settings = Settings(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1,
                        rows=1_000, minutes=0.05)  # fmt: skip
    pretrain(tmp_path, settings)
    assert load(str(tmp_path)).model.config.hidden_size == 32
