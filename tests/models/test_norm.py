import pytest
import torch

from leaven.models import norm
from leaven.models.load import load


def layer(dtype, width=48):
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    draw = torch.Generator().manual_seed(0)
    made = LlamaRMSNorm(width, eps=1e-2).to(dtype).requires_grad_(False)
    made.weight.data += 0.5 * torch.randn(width, generator=draw).to(dtype)
    states, gradient = (torch.randn(3, 7, width, generator=draw) for _ in range(2))
    return made, (0.2 + 0.3 * states).to(dtype), gradient.to(dtype)  # a mean far from 0, and an epsilon that counts


def learnt(made, states, gradient):
    """What a norm answers, and the gradient of its input."""
    states = states.clone().requires_grad_()
    answer = made(states)
    answer.backward(gradient)
    return answer.detach(), states.grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_short_norm_answers_to_the_bit_and_goes_back_as_exactly(dtype):
    made, states, gradient = layer(dtype)
    answer, theirs = learnt(made, states, gradient)
    # In float64 the formula itself, since transformers' norm works in float32 whatever comes in.
    wide = states.double().requires_grad_()
    scaled = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-2)
    (made.weight.double() * scaled).backward(gradient.double())
    with norm.short_norms(torch.nn.Sequential(made)):
        same, ours = learnt(made, states, gradient)
        with torch.no_grad():
            assert torch.equal(made(states), answer)
    assert torch.equal(same, answer)
    errors = [(found - wide.grad).norm() / wide.grad.norm() for found in (ours, theirs)]
    assert ours.dtype == dtype and errors[0] < 0.005 and errors[0] < 1.3 * errors[1]
    assert "forward" not in vars(made)


def test_float32_keeps_every_bit():
    made, states, gradient = layer(torch.float32)
    before = learnt(made, states, gradient)
    with norm.short_norms(torch.nn.Sequential(made)):
        after = learnt(made, states, gradient)
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.parametrize(("family", "taken"), [("llama", True), ("qwen3", True), ("gemma3", False)])
def test_norms_are_taken_by_what_they_compute(tiny_model, family, taken):
    model = load(tiny_model(family, True), dtype="bfloat16").model
    norms = [module for module in model.modules() if type(module).__name__.endswith("RMSNorm")]
    with norm.short_norms(model):
        assert norms and all(("forward" in vars(module)) == taken for module in norms)
    assert not any("forward" in vars(module) for module in norms)


def test_a_norm_of_another_formula_is_left_alone():
    made, *_ = layer(torch.bfloat16)

    class OtherRMSNorm(type(made)):
        def forward(self, states):
            return (self.weight.float() * states.float() * 2).to(states.dtype)

    made.__class__ = OtherRMSNorm
    with norm.short_norms(torch.nn.Sequential(made)):
        assert "forward" not in vars(made)


def test_a_weight_that_learns_has_its_gradient():
    made, states, gradient = layer(torch.bfloat16)
    made.weight.requires_grad_(True)
    with norm.short_norms(torch.nn.Sequential(made)):
        learnt(made, states, gradient)
    assert made.weight.grad.any()


@pytest.mark.parametrize("family", ["llama", "qwen3"])  # qwen3 norms each head's queries and keys, too
def test_a_whole_model_goes_back_alike(tiny_model, family):
    model = load(tiny_model(family, True), dtype="bfloat16").model.requires_grad_(False)
    inputs = model.get_input_embeddings()(torch.arange(24).view(2, 12)).detach()

    def gradient():
        states = inputs.clone().requires_grad_()
        logits = model(inputs_embeds=states, use_cache=False).logits
        logits.float().log_softmax(-1)[..., 5].sum().backward()
        return logits.detach(), states.grad.float()

    logits, right = gradient()
    with norm.short_norms(model):
        same, ours = gradient()
    assert torch.equal(same, logits)
    assert (ours - right).norm() < 0.03 * right.norm()
