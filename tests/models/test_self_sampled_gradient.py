"""The expected gradient of self-sampled tokens is zero, token by token, so also of answers that were cut.

Worked exactly: of a model with seven tokens every possible answer of at most two tokens is enumerated, with its
probability, and goes through the mask and the loss that training uses.
"""

import itertools

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from leaven.models import mask
from leaven.models.batches import Batch
from leaven.models.losses import cross_entropy
from leaven.rows.example import Origin, pair

WORDS = ["user", "says", "a", "b", "c", "d", "<end>"]
END = len(WORDS) - 1
LONGEST = 2


@pytest.fixture(scope="module")
def tokenizer():
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="d"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ 'user ' if m['role'] == 'user' else '' }}{{ m['content'] }}"
        "{{ ' says ' if m['role'] == 'user' else ' <end>' }}{% endfor %}"
    )
    return tokenizer


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(WORDS), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                         num_attention_heads=2, initializer_range=0.5)  # fmt: skip
    return LlamaForCausalLM(config).double().eval()


def answers():
    """Every answer as its tokens, and whether it was cut: at most LONGEST tokens, and none after the end."""
    for length in range(LONGEST):
        yield from (((*words, END), False) for words in itertools.product(range(END), repeat=length))
    yield from ((words, True) for words in itertools.product(range(END), repeat=LONGEST))


def expected_gradient(model, tokenizer, marked):
    """(the sum of probabilities, the norm of the expected gradient of the training loss)."""
    model.zero_grad()
    total = 0.0
    for tokens, cut in answers():
        text = " ".join(WORDS[token] for token in tokens if token != END)
        row = pair("a b", text, Origin("x"), {"truncated": True} if cut and marked else {})
        encoded = mask.encode(tokenizer, row)
        if not cut or marked:
            assert encoded.trained == list(tokens)
        with torch.no_grad():
            ids = torch.tensor([[*encoded.input_ids[: -len(encoded.trained)], *tokens]])
            shares = model(input_ids=ids).logits[0].log_softmax(-1)
            start = ids.shape[1] - len(tokens)
            chance = float(sum(shares[start + place - 1, token] for place, token in enumerate(tokens)).exp())
        loss = cross_entropy.loss(model, Batch.of([encoded], END, False, model.device))
        (chance * loss).backward()
        total += chance
    return total, sum(float(weight.grad.square().sum()) for weight in model.parameters()) ** 0.5


def test_the_expected_gradient_of_cut_answers_is_zero_without_an_end_and_is_not_with_one(model, tokenizer):
    total, norm = expected_gradient(model, tokenizer, marked=True)
    assert total == pytest.approx(1, abs=1e-9)
    assert norm < 1e-4  # the loss is taken in float32
    _, norm = expected_gradient(model, tokenizer, marked=False)
    assert norm > 0.1
