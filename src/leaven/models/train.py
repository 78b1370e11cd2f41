"""Fine-tuning with LoRA: one loop for every loss, in the order of the mixture, with a rate for the token's own row.

    tuned = fit(Base("lab").lend(token, seed), mixture, config, seed=seed, token_id=token_id, folder=folder)

A loss is a file of `losses/`, or any function of a model and a batch that sums over the batch's trained tokens; what is
made small is its mean over the trained tokens of the whole step. In several processes (`mesh.py`) a step's forward and
backward passes are shared among them, and all else is done here, once.
"""

import hashlib
import math
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch

from leaven.errors import UserError
from leaven.models import lora, mask, mesh, tokens
from leaven.models.attention import short_rows
from leaven.models.batches import MOST_TOKENS, MOST_TOKENS_GPU, Batch, Order, passes
from leaven.models.lean import lean
from leaven.models.load import Loaded, device
from leaven.models.losses import cross_entropy
from leaven.models.mask import Encoded
from leaven.models.norm import short_norms
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.models.template import takes_tools
from leaven.models.window import context_length
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example
from leaven.runs.progress import say_once

OnStep = Callable[[int, int, float, int], None]
"""Called after each step with the step, all steps, the loss, and the real tokens seen so far."""
Loss = Callable[[Any, Batch], torch.Tensor]
"""The loss of a model on the rows of a forward pass, summed over their trained tokens."""
Rollouts = Callable[[Loaded, int, Sequence[Example]], Sequence[Encoded]]
"""What a step, by its number, trains on in place of its examples: what the model as it then is makes of them."""
Look = Callable[[Loaded, int, int], None]
"""Called after each step with the model as it is, the step, and all steps; it changes nothing of the training."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The tuned model in evaluation mode, and what it took; tokens are real ones, without padding.

    `rows` are those that were trained on, in tokens, by their places in the data.
    """

    model: Any
    steps: int
    tokens: int
    trained_tokens: int
    seconds: float
    losses: tuple[float, ...]
    rows: Mapping[int, Encoded]
    dropped: tuple[Drop, ...]


def fit(
    loaded: Loaded,
    data: Dataset,
    config: TuneSection,
    *,
    seed: int,
    token_id: int | None,
    folder: Path,
    is_task: Sequence[bool] = (),
    on_step: OnStep | None = None,
    objective: Loss = cross_entropy.loss,
    rollouts: Rollouts | None = None,
    look: Look | None = None,
) -> Tuned:
    """Tune an adapter on the rows, in their order; `folder` holds the state from which a killed training goes on.

    A model that has an adapter goes on with it. `is_task` says of each row whether it is one of the task's, which
    `step_task_rows` counts; without it all are. Those that can't be trained on are counted nowhere.
    With `rollouts` the rows say which examples a step has; what is trained is made of them in the step.
    Rows that can't be trained on come back in `dropped`. Raises UserError when none is left, and for target modules
    that the model doesn't have.
    """
    began = time.perf_counter()
    by_place, dropped = encode(loaded, data, config)
    rows = list(by_place.values())
    if not rows:
        raise UserError("no row is left to train on", _why(dropped))
    torch.manual_seed(seed)
    answered = any(token_id in row.trained for row in rows)
    model = lora.adapt(loaded.model, config, token_id, answered)
    if answered:
        tokens.allow(model, token_id)
    torch.manual_seed(seed)  # dropout draws the same whether the adapter was drawn or was there
    task_rows = sum(is_task[place] for place in by_place) if is_task else len(rows)
    schedule = Schedule.of(len(rows), config, Fraction(task_rows, len(rows)))
    training = _Training(model, rows, config, schedule, seed, loaded.tokenizer.pad_token_id, objective)
    learner = Loaded(model, loaded.tokenizer, loaded.path)
    if rollouts is not None:
        examples = data.rows(list(by_place))
        training.rollouts = lambda step, numbers: rollouts(learner, step, list(examples.rows(numbers)))
    checkpoint = _Checkpoint(folder, _identity(rows, config, schedule, seed))
    training.restore(checkpoint.load())
    steps = schedule.steps
    with mesh.spread(model, partial(_learning, config=config)) as learning:
        for step in range(len(training.losses) + 1, steps + 1):
            training.step(learning)
            if look:
                look(learner, step, steps)
            if config.save_steps and step % config.save_steps == 0 and step < steps:
                checkpoint.save(training.state())
            if on_step:
                on_step(step, steps, training.losses[-1], training.tokens)
    shutil.rmtree(folder, ignore_errors=True)  # the adapter is whole: there is nothing left to resume
    return Tuned(
        model=model.eval(),
        steps=steps,
        tokens=training.tokens,
        trained_tokens=training.trained_tokens,
        seconds=time.perf_counter() - began,
        losses=tuple(training.losses),
        rows=by_place,
        dropped=tuple(dropped),
    )


def encode(loaded: Loaded, data: Dataset, config: TuneSection) -> tuple[dict[int, Encoded], list[Drop]]:
    """The rows in tokens, by their places in the data, and those that can't be trained on, each with the reason."""
    longest = min(config.max_length, context_length(loaded.model))
    rows: dict[int, Encoded] = {}
    dropped: list[Drop] = []
    for place, example in enumerate(data):
        if example.answer is None:
            dropped.append(Drop(example, "no answer"))
            continue
        try:
            encoded = mask.encode(loaded.tokenizer, example)
        except UserError as error:
            dropped.append(Drop(example, "the chat template does not take it", detail=error.problem))
            continue
        if len(encoded.input_ids) > longest:
            dropped.append(Drop(example, f"longer than {longest} tokens", float(len(encoded.input_ids))))
            continue
        rows[place] = encoded
    for reason in dict.fromkeys(drop.reason for drop in dropped):
        say_once(_left_out(reason, [drop.example for drop in dropped if drop.reason == reason]))
    offering = next((data[place] for place in rows if data[place].tools), None)
    if offering and not takes_tools(loaded.tokenizer, offering.prompt, offering.tools):
        say_once(
            f"the chat template of {loaded.path} has no place for tools: rows that offer some are trained without them"
        )
    return rows, dropped


def _left_out(reason: str, examples: Sequence[Example]) -> str:
    """A sentence that is the same for every training on these rows, however often one stands in the mixture."""
    places = list(dict.fromkeys(example.origin.place or example.id for example in examples))
    if len(places) == 1:
        return f"1 row is left out of the training, {reason}: {places[0]}"
    return f"{len(places):,} rows are left out of the training, {reason}: {places[0]} is the first"


class _Training:
    """A training under way: the model and its optimiser, what is behind it, and how to take one step more."""

    def __init__(
        self,
        model: Any,
        rows: Sequence[Encoded],
        config: TuneSection,
        schedule: Schedule,
        seed: int,
        pad_id: int,
        objective: Loss,
    ) -> None:
        self.model, self.rows, self.config, self.pad_id, self.objective = model, rows, config, pad_id, objective
        self.schedule = schedule
        self.order = Order([len(row.input_ids) for row in rows], schedule, seed, sort=config.batching != "random")
        self.optimizer = lora.optimizer(model, config)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        gpu = device().type == "cuda"
        self.most_tokens = MOST_TOKENS_GPU if gpu else MOST_TOKENS
        self.scaler = torch.amp.GradScaler(model.device.type, enabled=gpu and config.dtype == "float16")
        self.rollouts: Callable[[int, list[int]], Sequence[Encoded]] | None = None
        self.losses: list[float] = []
        self.tokens = self.trained_tokens = 0

    def step(self, learning: mesh.Whole | mesh.Shards) -> None:
        """Take the next optimiser step, in forward passes of rows of like length, at least one for each process."""
        numbers = self.order.step(len(self.losses))
        rows = self._rows(numbers)
        trained = sum(len(row.trained) for row in rows)
        most_rows = min(self.schedule.pass_rows, math.ceil(len(rows) / mesh.processes()))
        parts = passes([len(row.input_ids) for row in rows], most_rows, self.most_tokens)
        scale = float(self.scaler.scale(torch.ones((), device=self.model.device)))
        work = partial(
            _gradients,
            objective=self.objective,
            config=self.config,
            pad_id=self.pad_id,
            trained=max(1, trained),
            scale=scale,
        )
        seed = (self.order.seed << 32) + len(self.losses) * mesh.processes()
        losses = learning.run(work, [rows[part] for part in parts], seed)
        self._descend(self.schedule.learning_rate(len(self.losses)))
        self.losses.append(sum(losses))
        self.tokens += sum(len(row.input_ids) for row in rows)
        self.trained_tokens += trained

    def _rows(self, numbers: list[int]) -> Sequence[Encoded]:
        """The rows of a step, or what the model makes of them."""
        if self.rollouts is None:
            return [self.rows[number] for number in numbers]
        rows = self.rollouts(len(self.losses), numbers)
        return sorted(rows, key=lambda row: len(row.input_ids)) if self.order.sort else rows

    def _descend(self, factor: float) -> None:
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.weights, self.config.max_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on."""
        return {
            "losses": self.losses,
            "tokens": self.tokens,
            "trained_tokens": self.trained_tokens,
            "weights": [weight.detach() for weight in self.weights],
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state_all(),
        }

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a state, where there is one."""
        if state is None:
            return
        with torch.no_grad():
            for weight, value in zip(self.weights, state["weights"], strict=True):
                weight.copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        torch.cuda.set_rng_state_all(state["random_gpu"])
        self.losses = list(state["losses"])
        self.tokens, self.trained_tokens = state["tokens"], state["trained_tokens"]


def _gradients(
    model: Any,
    parts: Sequence[Sequence[Encoded]],
    *,
    objective: Loss,
    config: TuneSection,
    pad_id: int,
    trained: int,
    scale: float,
) -> float:
    """Pass these rows forward and back; what they are of the step's loss, the mean over its `trained` tokens.

    The gradients are `scale` times as large, and add to those that the weights have.
    """
    where, total = model.device, torch.zeros((), device=model.device)
    half = torch.float16 if config.dtype == "float16" else torch.bfloat16
    autocast = torch.autocast(where.type, half, enabled=where.type == "cuda" and config.dtype != "float32")
    for rows in parts:
        batch = Batch.of(rows, pad_id, config.batching == "packed", where)
        with autocast:
            loss = objective(model, batch) / trained
        (loss * scale).backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return float(total)


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """The last state of a training in a folder; one of other rows or settings is not taken up."""

    folder: Path
    identity: str

    def save(self, state: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "training.pt.partial"
        with partial.open("wb") as file:
            torch.save({"identity": self.identity, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / "training.pt")

    def load(self) -> dict[str, Any] | None:
        path = self.folder / "training.pt"
        if not path.is_file():
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state if state["identity"] == self.identity else None


def _identity(rows: Sequence[Encoded], config: TuneSection, schedule: Schedule, seed: int) -> str:
    return hashlib.sha256(repr((rows, config, schedule, seed)).encode()).hexdigest()


@contextmanager
def _learning(model: Any, config: TuneSection) -> Iterator[None]:
    """The model in training mode, with the layers and the attention that are quick in it."""
    model.train()
    if config.gradient_checkpointing:
        model.activation_checkpointing_enable()
    try:
        with lean(model), short_rows(), short_norms(model):
            yield
    finally:
        if config.gradient_checkpointing:
            model.activation_checkpointing_disable()


def _why(dropped: Sequence[Drop]) -> str:
    reasons = Counter(f"{drop.reason} ({drop.detail})" if drop.detail else drop.reason for drop in dropped)
    said = "; ".join(f"{count:,} rows: {reason}" for reason, count in reasons.most_common(3))
    return f"All {len(dropped):,} were dropped: {said}."
