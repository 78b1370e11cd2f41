"""Tuning with a rope to the base model: cross-entropy plus a weight times KL(tuned ‖ base) on the trained tokens.

It is the control that asks whether DELIA's buffer does more than hold the model where it was (papers.md 2.6). The loop
takes the steps of `models/sft.py` (with weight 0 its losses are the same), without checkpoints: the control is short.
"""

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import get_scheduler, set_seed

from leaven.errors import UserError
from leaven.models import batches, mask
from leaven.models.load import Loaded
from leaven.models.settings import TuneSection
from leaven.models.sft import Tuned, adapt
from leaven.models.trainer import OnStep, is_token_row
from leaven.rows.dataset import Dataset


def fit(
    loaded: Loaded,
    data: Dataset,
    config: TuneSection,
    *,
    weight: float,
    seed: int,
    token_id: int | None,
    folder: Path,
    on_step: OnStep | None = None,
) -> Tuned:
    """Tune an adapter on the rows; `folder` is not used. Raises UserError for rows that don't fit the model."""
    began = time.perf_counter()
    encoded = [mask.encode(loaded.tokenizer, example) for example in data]
    if not encoded or max(len(row.input_ids) for row in encoded) > config.max_length:
        raise UserError("the rows are none, or longer than tune.max_length", "Leave such rows out.")
    rows = [
        {
            "input_ids": row.input_ids,
            "labels": [i if on else batches.IGNORED for i, on in zip(row.input_ids, row.completion_mask, strict=True)],
        }
        for row in encoded
    ]
    step_rows = config.per_device_train_batch_size * config.gradient_accumulation_steps
    if config.small_data_batch and len(rows) < 256:
        step_rows = config.small_data_batch
    per_epoch = math.ceil(len(rows) / step_rows)
    steps = config.max_steps if config.max_steps > 0 else math.ceil(per_epoch * config.num_train_epochs)
    set_seed(seed)
    model = adapt(loaded.model, config, token_id).train()
    optimizer = _optimizer(model, config)
    warmup = config.warmup_steps or math.ceil(config.warmup_ratio * steps)
    scheduler = get_scheduler(config.lr_scheduler_type, optimizer, warmup, steps)
    order = batches.Order([len(row["input_ids"]) for row in rows], step_rows, seed, sort=config.batching != "random")
    losses = []
    for step in range(steps):
        if step % per_epoch == 0:
            order.set_epoch(step // per_epoch)
            queue = [rows[index] for index in order]
        batch = queue[step % per_epoch * step_rows : (step % per_epoch + 1) * step_rows]
        losses.append(_step(model, batch, weight, config, loaded.tokenizer.pad_token_id))
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        if on_step:
            on_step(step + 1, steps, losses[-1], 0)
    trained = [sum(label != batches.IGNORED for label in row["labels"]) for row in rows]
    seen = order.seen(order.lengths, steps), order.seen(trained, steps)
    return Tuned(model.eval(), steps, *seen, time.perf_counter() - began, tuple(losses), ())


def divergence(logits: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """KL(tuned ‖ base) at each place, (places,), from logits of (places, vocabulary)."""
    tuned, before = (torch.log_softmax(each.float(), -1) for each in (logits, base))
    return (tuned.exp() * (tuned - before)).sum(-1)


def _step(model: Any, batch: list[dict[str, Any]], weight: float, config: TuneSection, pad_id: int) -> float:
    """The gradients of one optimiser step, in passes of rows of like length; returns its cross-entropy."""
    count = sum(label != batches.IGNORED for row in batch for label in row["labels"][1:])
    size = max(1, math.ceil(len(batch) / 4))
    total = 0.0
    for start in range(0, len(batch), size):
        inputs = {
            name: value.to(model.device) for name, value in batches.pad(batch[start : start + size], pad_id).items()
        }
        target = functional.pad(inputs.pop("labels"), (0, 1), value=batches.IGNORED)[:, 1:]
        trained = target != batches.IGNORED
        logits = model(**inputs, use_cache=False).logits[trained]  # (places, vocabulary)
        with torch.no_grad(), model.disable_adapter():
            base = model(**inputs, use_cache=False).logits[trained]
        entropy = functional.cross_entropy(logits.float(), target[trained], reduction="sum") / count
        (entropy + weight * divergence(logits, base).sum() / count).backward()
        total += entropy.item()
    torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], config.max_grad_norm)
    return total


def _optimizer(model: Any, config: TuneSection) -> torch.optim.Optimizer:
    """As `models/trainer.py`: the token's row at its own rate, without decay."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    adapter = {"params": [p for name, p in named if not is_token_row(name)], "weight_decay": config.weight_decay}
    row = {
        "params": [p for name, p in named if is_token_row(name)],
        "weight_decay": 0.0,
        "lr": config.token_learning_rate or config.learning_rate,
    }
    return torch.optim.AdamW([group for group in (adapter, row) if group["params"]], lr=config.learning_rate)
