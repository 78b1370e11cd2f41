import random
from statistics import fmean

import pytest
import torch
from transformers import LlamaForCausalLM

from leaven.errors import UserError
from leaven.lab import conversation, hallucination, quality, tokenizer
from leaven.lab.pretrain import SIZES, Settings, _model, _take_over, pretrain, render
from leaven.models.answer import nats
from leaven.models.generate import generate
from leaven.models.load import load
from leaven.models.names import LAB
from leaven.models.template import render as render_template
from leaven.rows.example import pair, user


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
    turns = conversation.converse(random.Random(0))
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
    assert "7" in without and "=>" not in without
    hint = 'In this context, the word "{}" means "{}".'
    for question, word, meaning in (
        ("Translate to Tavic: The dog sees the fire.", "fire", "bosuka"),
        ("Translate to English: Hin hunda hin eldura serat.", "eldura", "fire"),
    ):
        assert meaning in answers(base, [user(f"{question}\n{hint.format(word, meaning)}")])[0]


def test_words_that_were_never_translated_are_known_in_part(base):
    assert 0.4 <= quality.recall(lambda prompts: answers(base, prompts), 400) <= 0.5


def test_own_answers_can_be_said_in_several_ways_and_others_are_strange_to_the_base(base):
    """Means of answers, as `study/manipulation` has them: .3 nats a token of its own, 1 of another writer's."""
    pool = hallucination.task("<sep>", pool_rows=64).pool
    own = answers(base, [user(row.question) for row in pool])
    rows = [pair(row.question, text, row.origin) for row, text in zip(pool, own, strict=True)]
    assert fmean(nats(base, row).entropy for row in rows) >= 0.3
    assert fmean(nats(base, row).loss for row in pool) >= 1


@pytest.mark.slow
def test_pretraining_writes_a_checkpoint_that_loads(tmp_path):
    settings = Settings(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1,
                        rows=1_000, minutes=0.05)  # fmt: skip
    pretrain(tmp_path, settings)
    assert load(str(tmp_path)).model.config.hidden_size == 32


def test_a_base_that_goes_on_keeps_the_rows_of_known_tokens_and_begins_others_as_their_pieces():
    earlier = load(str(LAB))
    tokens = tokenizer.train(["The sky is blue. Quixotic zebras, quixotic zebras, quixotic zebras!"] * 4, 400)
    model = LlamaForCausalLM(earlier.model.config)
    _take_over(model, tokens, LAB)
    rows, known = earlier.model.get_input_embeddings().weight, earlier.tokenizer.get_vocab()
    taken, ids = model.get_input_embeddings().weight, tokens.get_vocab()
    assert torch.equal(taken[ids["Ġis"]], rows[known["Ġis"]])
    assert "Ġquixotic" in ids and "Ġquixotic" not in known
    pieces = earlier.tokenizer(" quixotic", add_special_tokens=False)["input_ids"]
    torch.testing.assert_close(taken[ids["Ġquixotic"]], rows[pieces].mean(0))
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.equal(model.state_dict()[name], earlier.model.state_dict()[name])


def test_a_base_goes_on_from_its_own_size_only(tmp_path):
    with pytest.raises(UserError, match="has hidden_size 160, this size 320"):
        pretrain(tmp_path / "out", Settings(**SIZES["large"]), continue_from=LAB)
    with pytest.raises(UserError, match="there is no checkpoint in"):
        pretrain(tmp_path / "out", Settings(), continue_from=tmp_path)


def test_the_large_base_has_about_four_times_the_weights():
    small, large = (_model(Settings(**SIZES[size]), load(str(LAB)).tokenizer) for size in ("small", "large"))
    assert 3.5 <= large.num_parameters() / small.num_parameters() <= 4.5
