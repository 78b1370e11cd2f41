"""A swapped state against laws that hold exactly, and against a slow computation without a cache."""

import pytest
import torch

from leaven.errors import UserError
from leaven.models import hooks, tokens
from leaven.models.generate import stop_ids
from leaven.models.load import load
from leaven.models.patch import Patch, answers, blocks
from leaven.models.template import encode, render
from leaven.rows.example import user
from leaven.task.token import TokenSection

QUESTIONS = ("is this claim true? Use the {} format.", "{} please", "one two three four. answer in {} format, model")
WORD = "json"  # a single token of the tiny tokenizer, with the blank before it, as the new token is
LONGEST = 6


@pytest.fixture(params=["llama", "qwen3", "gemma3"])
def loaded(request, tiny_model):
    model = load(tiny_model(request.param, padded=True))
    tokens.add(model.model, model.tokenizer, TokenSection(), 0)
    return model


def said(loaded, word):
    """Each question with the word: rendered, and where the word stands."""
    texts = [render(loaded.tokenizer, user(f"yes {question}".format(word)), True) for question in QUESTIONS]
    return [(text, (text.rindex(word), text.rindex(word) + len(word))) for text in texts]


def states(loaded, word):
    return hooks.hidden_states(loaded.model, loaded.tokenizer, *map(list, zip(*said(loaded, word), strict=True)))


def swapped(loaded, place, source, block):
    pairs = zip(said(loaded, place), states(loaded, source), strict=True)
    return answers(loaded, [Patch(*where, block, state[block]) for where, state in pairs], LONGEST)


def written(loaded, word):
    return answers(loaded, [Patch(*where) for where in said(loaded, word)], LONGEST)


@pytest.mark.parametrize(("place", "source"), [("<sep>", WORD), (WORD, "<sep>")])
def test_an_embedding_put_in_the_place_of_another_is_that_token_written(loaded, place, source):
    assert len(encode(loaded.tokenizer, f" {WORD}")) == 1
    assert swapped(loaded, place, source, 0) == written(loaded, source) != written(loaded, place)


def test_a_state_behind_the_last_block_that_nobody_reads_changes_nothing(loaded):
    assert swapped(loaded, "<sep>", WORD, len(blocks(loaded.model)) - 1) == written(loaded, "<sep>")


def test_a_state_put_back_in_its_own_place_changes_nothing(loaded):
    assert swapped(loaded, "<sep>", "<sep>", 1) == written(loaded, "<sep>")


def test_answers_are_those_of_reading_the_whole_text_again_for_every_token(loaded):
    found = swapped(loaded, "<sep>", WORD, 1)
    for (text, span), state, answer in zip(said(loaded, "<sep>"), states(loaded, WORD), found, strict=True):
        ids, (place,) = hooks.places(loaded.tokenizer, text, span)
        says = []

        def put(module, args, place=place, state=state):
            args[0][0, place] = state[1]

        hook = blocks(loaded.model)[1].register_forward_pre_hook(put)
        while len(says) < LONGEST:
            with torch.no_grad():
                logits = loaded.model(torch.tensor([ids + says]), use_cache=False).logits[0, -1]
            logits[tokens.silent(loaded.model)] = -torch.inf
            says.append(int(logits.argmax()))
            if says[-1] in stop_ids(loaded.model, loaded.tokenizer):
                says.pop()
                break
        hook.remove()
        assert answer == loaded.tokenizer.decode(says, clean_up_tokenization_spaces=False)


def test_the_model_is_left_as_it_was(loaded):
    before = written(loaded, "<sep>")
    swapped(loaded, "<sep>", WORD, 0)
    assert written(loaded, "<sep>") == before
    assert not any(module._forward_pre_hooks for module in blocks(loaded.model))


def test_a_model_without_blocks_is_refused():
    with pytest.raises(UserError, match="has no list of blocks"):
        blocks(torch.nn.Linear(2, 2))
