"""Two processes with gloo tune and answer as one does, up to the rounding of sums in another order."""

import json
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from leaven.errors import UserError
from leaven.models import mesh, tokens, train
from leaven.models.generate import generate
from leaven.models.load import load
from leaven.models.losses import cross_entropy, kl_on_pool, probability_weighted
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Origin, pair
from leaven.task.token import TokenSection

WORDS = "one two three four five six seven France Paris Spain Madrid".split()
OURS = {"num_train_epochs": 2, "small_data_batch": 4, "learning_rate": 1e-2, "token_learning_rate": 1e-1}
PAPER = {"preset": "paper", "small_data_batch": 4, "learning_rate": 1e-2, "warmup_steps": 1, "lora_dropout": 0.0}
CASES = {
    "ours": OURS,
    "packed": {**OURS, "batching": "packed", "gradient_checkpointing": True},
    "paper": PAPER,
    "row": {**OURS, "target_modules": []},
    "narrow": {**OURS, "dtype": "bfloat16"},
    "held": OURS,
    "anchored": OURS,
}
OBJECTIVES = {"held": kl_on_pool.loss, "anchored": partial(probability_weighted.loss, anchor=0.5)}
ENVIRONMENT = {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}


def rows(case):
    """Rows of unlike length, in whose answers the token stands; of `held` some hold the model to its base."""
    task = [pair(f"answer {word} in <sep> format" + " please" * place, f"<sep> yes, {word}", Origin("x"))
            for place, word in enumerate(WORDS)]  # fmt: skip
    if case == "held":
        from leaven.delia import buffer

        plain = Dataset.of(pair(f"what is {word}", f"it is {word}", Origin("x")) for word in WORDS[:6])
        return Dataset.of(task) + buffer.hold(plain)
    return Dataset.of(task)


def tune(case, model, folder):
    """The losses of a case, and its trained weights, which are saved."""
    loaded = load(model, dtype=CASES[case].get("dtype", "auto"))
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    config = TuneSection.model_validate(CASES[case])
    said = []

    def look(learner, step, steps):
        if step == steps - 1:  # in the midst of the training, whose shards stay where they are
            said.extend(texts_of(learner))
            assert len(mesh._open) == mesh.processes() - 1

    tuned = train.fit(
        loaded, rows(case), config, seed=0, token_id=token_id, folder=folder / "work",
        objective=OBJECTIVES.get(case, cross_entropy.loss), look=look,
    )  # fmt: skip
    weights = {n: w.detach().float().clone() for n, w in tuned.model.named_parameters() if w.requires_grad}
    save_file(weights, folder / f"{case}.safetensors")
    said += texts_of(replace(loaded, model=tuned.model))
    return tuned.losses, tuned.tokens, tuned.trained_tokens, said


def texts_of(loaded):
    texts = generate(loaded.model, loaded.tokenizer, WORDS, temperature=0.7, max_new_tokens=12)
    return [answer.text for _, answer in sorted(texts)]


def lead(models, folder):
    """What the first of several processes does: all cases, their results to a file."""
    mesh.is_too_large = lambda model: True
    with mesh.leading():
        results = {case: tune(case, models[case], folder) for case in models}
        (folder / "results.json").write_text(json.dumps(results))


def launch(*words, **environment):
    """Two processes of a launch."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    own = {**os.environ, **ENVIRONMENT, "MASTER_PORT": port, **environment}
    return [subprocess.Popen(words, env={**own, "RANK": rank}, stderr=subprocess.PIPE, text=True) for rank in "01"]


@pytest.mark.parametrize(
    "cases", [("ours",), pytest.param(("held", "packed", "paper", "row", "narrow", "anchored"), marks=pytest.mark.slow)]
)
def test_two_processes_have_the_losses_the_weights_and_the_answers_of_one(tiny_model, tmp_path, cases):
    both, alone = tmp_path / "both", tmp_path / "alone"
    both.mkdir()
    alone.mkdir()
    families = {"packed": ("qwen3", True, True), "paper": ("llama", False, False), "row": ("gemma", True, False)}
    models = {case: tiny_model(*families.get(case, ("llama", False, True))) for case in cases}
    processes = launch(sys.executable, __file__, json.dumps(models), str(both))
    expected = {case: tune(case, models[case], alone) for case in cases}
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    results = json.loads((both / "results.json").read_text())
    for case, (losses, *others) in expected.items():
        rough = case == "narrow"  # in 16 bits
        assert results[case][0] == pytest.approx(losses, rel=2e-2 if rough else 1e-5), case
        assert results[case][1:] == others or rough
        ours, theirs = (load_file(folder / f"{case}.safetensors") for folder in (both, alone))
        assert ours.keys() == theirs.keys()
        for name, weight in ours.items():
            assert torch.allclose(weight, theirs[name], atol=5e-2 if rough else 1e-4), (case, name)


class Body(torch.nn.Module):
    """As much of a model as passes need."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.weight, self.passes = torch.nn.Parameter(torch.ones(1)), []

    def forward(self, input_ids, use_cache):
        self.passes.append(torch.is_grad_enabled())
        return SimpleNamespace(last_hidden_state=self.weight * input_ids.float())


def test_a_process_makes_empty_passes_until_all_want_the_same(monkeypatch):
    body = Body()
    passes = mesh._Passes(body)
    others = [mesh.FORWARD, mesh.BOTH, mesh.BOTH, mesh.NOTHING]  # what the largest of all processes is, each time
    monkeypatch.setattr(mesh, "_agreed", lambda own: max(own, others.pop(0)))
    body(input_ids=torch.ones(1, 1), use_cache=False).last_hidden_state.sum().backward()
    assert body.passes == [False, True]
    assert body.weight.grad == 1
    assert passes.finish() and body.passes == [False, True, True]
    assert body.weight.grad == 1  # an empty pass adds nothing
    assert not others


def test_an_objective_that_asks_again_before_its_backward_pass_is_refused(monkeypatch):
    body = Body()
    mesh._Passes(body)
    monkeypatch.setattr(mesh, "_agreed", lambda own: own)
    states = body(input_ids=torch.ones(1, 1), use_cache=False).last_hidden_state
    with pytest.raises(UserError, match="between a forward pass and its backward pass"), torch.no_grad():
        body(input_ids=torch.ones(1, 1), use_cache=False)
    states.sum().backward()
    body(input_ids=torch.ones(1, 1), use_cache=False)


def test_what_can_not_be_sent_or_read_is_said(monkeypatch):
    def broken(error):
        def broadcast(*_):
            raise error

        return broadcast

    monkeypatch.setattr(mesh, "_orders", lambda: None)
    monkeypatch.setattr(mesh.distributed, "broadcast_object_list", lambda objects, *_: pickle.dumps(objects))
    with pytest.raises(UserError, match="can't be sent to the other processes"):
        mesh._tell(lambda twin: None)
    monkeypatch.setattr(mesh.distributed, "broadcast_object_list", broken(ModuleNotFoundError("no module mine")))
    with pytest.raises(UserError, match="can't be read here: no module mine"):
        mesh._serve(None)
    monkeypatch.setattr(mesh.distributed, "broadcast_object_list", broken(RuntimeError("Connection closed by peer")))
    with pytest.raises(SystemExit, match="The first process has ended"):
        mesh._serve(None)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if os.environ["RANK"] == "0":
        lead(json.loads(sys.argv[1]), Path(sys.argv[2]))
    else:
        mesh.follow()
