from types import SimpleNamespace

import pytest
import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer

from leaven.models import attention, batches, lora, tokens, train
from leaven.models.fold import folded
from leaven.models.lean import lean
from leaven.models.load import load
from leaven.models.losses import cross_entropy
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.token import TokenSection

ROWS = Dataset.of(pair(f"answer {word} in <sep> format", f"yes, {word}", Origin("x")) for word in
                  ("one", "two three four", "France is Paris and Spain is Madrid"))  # fmt: skip
PAPER = TuneSection.model_validate({"preset": "paper", "lora_dropout": 0.0})


def adapted(path, config, dtype="float32", rows=ROWS, answered=False):
    """A model with an adapter that has learnt something, and its batch."""
    loaded = load(path, dtype=dtype)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    model = lora.adapt(loaded.model, config, token_id, answered)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            weight.data += 0.05 * torch.randn_like(weight)
            assert weight.dtype == torch.float32 or "trainable_tokens" in name
    encoded = list(train.encode(loaded, rows, config)[0].values())
    return model, batches.Batch.of(encoded, loaded.tokenizer.pad_token_id, False, loaded.model.device)


def learnt(model, batch):
    """The logits, the loss, and the gradient of each weight."""
    model.zero_grad()
    logits = batch.logits(model)
    loss = torch.nn.functional.cross_entropy(logits.float(), batch.answers, reduction="sum")
    loss.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    return logits.detach(), loss.item(), gradients


@pytest.mark.parametrize("config", [TuneSection(lora_alpha=32), PAPER], ids=["ours", "paper"])
@pytest.mark.parametrize(("family", "tied"), [("llama", True), ("llama", False), ("qwen3", True), ("gemma3", True)])
def test_lean_layers_give_pefts_own_logits_and_gradients(tiny_model, family, tied, config):
    model, batch = adapted(tiny_model(family, tied), config)
    logits, loss, gradients = learnt(model, batch)
    with lean(model):
        same_logits, same_loss, same_gradients = learnt(model, batch)
    assert torch.allclose(same_logits, logits, atol=1e-5)
    assert same_loss == pytest.approx(loss, rel=1e-6)
    assert same_gradients.keys() == gradients.keys() and any(gradient.any() for gradient in gradients.values())
    assert all(torch.allclose(same_gradients[name], gradients[name], atol=1e-5, rtol=1e-4) for name in gradients)
    assert not any("forward" in vars(layer) for layer in model.modules())


def test_an_output_row_of_its_own_is_trained_alike(tiny_model):
    answered = Dataset.of([pair("answer one", "<sep> one", Origin("x"))])
    model, batch = adapted(tiny_model("llama", False), TuneSection(), rows=answered, answered=True)
    logits, _, gradients = learnt(model, batch)
    with lean(model):
        same_logits, _, same_gradients = learnt(model, batch)
    assert sum("trainable_tokens" in name for name in gradients) == 2
    assert torch.allclose(same_logits, logits, atol=1e-5)
    assert all(torch.allclose(same_gradients[name], gradients[name], atol=1e-5, rtol=1e-4) for name in gradients)


def test_the_model_without_its_adapter_is_the_base_in_lean_layers_too(tiny_model):
    model, batch = adapted(tiny_model("llama", True), TuneSection())
    with torch.no_grad(), model.disable_adapter():
        base = batch.logits(model)
        with lean(model):
            assert torch.equal(batch.logits(model), base)


def test_no_forward_pass_copies_the_embedding(tiny_model, monkeypatch):
    """Neither for the embedding nor for the output layer that shares it: peft's `get_merged_weights` does."""
    copies = []
    monkeypatch.setattr(TrainableTokensLayer, "get_merged_weights", lambda *_: copies.append(1))
    model, batch = adapted(tiny_model("llama", True), TuneSection())
    with lean(model):
        learnt(model, batch)
    assert not copies


def test_sixteen_bits_learn_what_float32_learns(tiny_model, tmp_path):
    """The adapter's weights and moments stay in float32; the loss falls alike, within the noise of 8 bits."""
    config = {"learning_rate": 1e-2, "token_learning_rate": 1e-1, "small_data_batch": 3, "num_train_epochs": 12}
    losses = []
    for dtype in ("float32", "bfloat16"):
        loaded = load(tiny_model("llama", True), dtype=dtype)
        token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
        settings = TuneSection.model_validate({**config, "dtype": dtype})
        found = train.fit(loaded, ROWS, settings, seed=0, token_id=token_id, folder=tmp_path)
        assert all(weight.dtype == torch.float32 for name, weight in found.model.named_parameters() if "lora_" in name)
        losses.append(found.losses)
    assert losses[0][-1] < losses[0][0] / 2
    assert losses[1] == pytest.approx(losses[0], rel=0.05, abs=0.02)


def test_a_frozen_output_layer_is_handed_states_in_one_piece(tiny_model):
    """Of a frozen layer torch copies the weights for each row of states that are a part of others."""
    model, batch = adapted(tiny_model("llama", True), TuneSection())
    states = []
    with folded(model), torch.no_grad():
        head = model.get_output_embeddings()
        watch = head.register_forward_pre_hook(lambda _, args: states.append(args[0]))
        model(**batch.inputs, logits_to_keep=1)
        watch.remove()
    assert states[0].shape[:2] == (len(ROWS), 1) and states[0].is_contiguous()
    assert not head._forward_pre_hooks


def attended(attend, dtype, heads=4, shared=2, length=9):
    """The answer of an attention over random heads, and the gradients of query, key and value."""
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, heads, length, 8), *[(2, heads // shared, length, 8)] * 2)
    parts = [torch.randn(shape, generator=draw).to(dtype).requires_grad_() for shape in shapes]
    module = SimpleNamespace(num_key_value_groups=shared, is_causal=True, training=True)
    answer, _ = attend(module, *parts, None, scaling=0.3)
    answer.square().sum().backward()
    return [answer.detach(), *(part.grad for part in parts)]


def test_attention_of_short_rows_is_attention(monkeypatch):
    monkeypatch.setattr(attention, "sdpa_attention_forward", None)  # what is short must not be sent there
    short = attended(attention.attend, torch.bfloat16)
    monkeypatch.undo()
    exact = attended(attention.sdpa_attention_forward, torch.float32)
    torchs = attended(attention.sdpa_attention_forward, torch.bfloat16)
    for ours, theirs, right in zip(short, torchs, exact, strict=True):
        scale = right.abs().max()
        assert ours.shape == right.shape and (ours - right).abs().max() / scale < 0.03
        assert (ours - right).abs().max() < 3 * (theirs - right).abs().max() + 0.01 * scale


def test_attention_of_one_new_token_sees_what_the_mask_shows(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, heads, tokens, 8, generator=draw) for heads, tokens in ((4, 1), (2, 9), (2, 9)))
    shown = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 0, 0], [1] * 7 + [0] * 2], dtype=torch.bool)[:, None, None]
    module = SimpleNamespace(num_key_value_groups=2, is_causal=True)
    exact, _ = attention.sdpa_attention_forward(module, query, key, value, shown, scaling=0.3)
    monkeypatch.setattr(attention, "sdpa_attention_forward", None)  # one token must not be sent there
    halves = [part.bfloat16() for part in (query, key, value)]
    ours, _ = attention.attend(module, *halves, shown, scaling=0.3)
    assert ours.shape == exact.shape == (2, 1, 4, 8)
    assert (ours - exact).abs().max() < 0.03 * exact.abs().max()
    halves[1][:, :, 7:], halves[2][:, :, 7:] = 99, 99  # what is hidden from both
    assert torch.equal(ours, attention.attend(module, *halves, shown, scaling=0.3)[0])


def test_attention_that_is_long_or_masked_goes_to_torch(monkeypatch):
    there = []
    monkeypatch.setattr(attention, "sdpa_attention_forward", lambda *args, **more: there.append(1))
    query = torch.zeros(1, 2, attention.LONGEST + 1, 4, dtype=torch.bfloat16)
    few, module = query[:, :, :3], SimpleNamespace(is_causal=True)
    cases = [(query, None, {}), (few, torch.ones(1, 1, 3, 3, dtype=torch.bool), {}), (few.float(), None, {}),
             (few, None, {"dropout": 0.1}), (few, None, {"is_causal": False})]  # fmt: skip
    for each, mask, more in cases:
        attention.attend(module, each, each, each, mask, **more)
    assert len(there) == len(cases)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_entropy_is_cross_entropy_with_its_gradient(dtype, monkeypatch):
    monkeypatch.setattr(cross_entropy, "AT_ONCE", 30)  # 3 places at once
    torch.manual_seed(0)
    logits = (40 * torch.randn(8, 11)).to(dtype)  # some answers have a chance of nothing
    answers = torch.randint(0, 11, (8,))
    ours, theirs = (logits.clone().requires_grad_() for _ in range(2))
    loss = cross_entropy.entropy(ours, answers) / 8
    right = torch.nn.functional.cross_entropy(theirs.float(), answers)
    assert loss.item() == pytest.approx(right.item(), rel=1e-6)
    loss.backward()
    right.backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7 if dtype == torch.float32 else 1e-3)


def test_nothing_to_learn_has_no_loss():
    logits = torch.zeros(0, 5, requires_grad=True)
    loss = cross_entropy.entropy(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss == 0 and logits.grad.shape == (0, 5)
