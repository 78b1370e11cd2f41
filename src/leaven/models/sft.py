"""Supervised fine-tuning with LoRA (trl, peft): loss on answers only, and a rate of its own for the token's row."""

import math
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset as ArrowDataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import set_seed
from trl import SFTConfig

from leaven.errors import UserError
from leaven.models import batches, mask
from leaven.models.load import Loaded, quiet_peft
from leaven.models.settings import TuneSection
from leaven.models.trainer import OnStep, Trainer, Watch, is_input_row, is_token_row
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop


@dataclass(frozen=True, slots=True)
class Tuned:
    """The tuned model in evaluation mode, and what it took; tokens are real ones, without padding."""

    model: Any
    steps: int
    tokens: int
    trained_tokens: int
    seconds: float
    losses: tuple[float, ...]
    dropped: tuple[Drop, ...]


def fit(
    loaded: Loaded,
    data: Dataset,
    config: TuneSection,
    *,
    seed: int,
    token_id: int | None,
    folder: Path,
    on_step: OnStep | None = None,
) -> Tuned:
    """Tune an adapter on the rows, in their order; `folder` holds checkpoints from which a killed training goes on.

    A model that has an adapter goes on with it. Rows that can't be trained on come back in `dropped`. Raises UserError
    when none is left, and for target modules that the model doesn't have.
    """
    began = time.perf_counter()
    rows, dropped = _encode(loaded, data, config)
    if not rows:
        raise UserError("no row is left to train on", _why(dropped))
    plan = _plan(len(rows), config)
    order = batches.Order(
        [len(row["input_ids"]) for row in rows], plan.step_rows, seed, sort=config.batching != "random"
    )
    set_seed(seed)
    model = adapt(loaded.model, config, token_id, answered=any(token_id in row["labels"] for row in rows))
    with warnings.catch_warnings():
        # torch's scheduler and data loader warn about things that transformers decides (pin_memory without a GPU …).
        warnings.simplefilter("ignore")
        trainer = Trainer(
            model=model,
            args=_arguments(config, plan, seed, folder),
            train_dataset=ArrowDataset.from_list(rows),
            processing_class=loaded.tokenizer,
            data_collator=_collator(config, loaded.tokenizer.pad_token_id),
            callbacks=[Watch(on_step, order)] if on_step else [],
            order=order,
            token_learning_rate=config.token_learning_rate,
        )
        trainer.train(resume_from_checkpoint=_checkpoint(folder) if config.save_steps else None)
    shutil.rmtree(folder, ignore_errors=True)  # the adapter is whole: there is nothing left to resume
    trained = [sum(label != batches.IGNORED for label in row["labels"]) for row in rows]
    return Tuned(
        model=trainer.released(),
        steps=plan.steps,
        tokens=order.seen(order.lengths, plan.steps),
        trained_tokens=order.seen(trained, plan.steps),
        seconds=time.perf_counter() - began,
        losses=tuple(float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry),
        dropped=tuple(dropped),
    )


def adapt(model: Any, config: TuneSection, token_id: int | None, answered: bool = False) -> Any:
    """The model with an untrained adapter, or with the one that it has, ready to learn.

    With a token learning rate, the token's row of the embedding is trained as itself; that of an untied output layer
    only where some answer holds the token (`answered`). Raises UserError for target modules that the model lacks.
    """
    if not isinstance(model, PeftModel):
        with quiet_peft():
            return get_peft_model(model, _lora(model, config, token_id, answered))
    for name, weight in model.named_parameters():
        if is_token_row(name):
            weight.requires_grad_(config.token_learning_rate is not None and (answered or is_input_row(name)))
        else:
            weight.requires_grad_("lora_" in name)
    return model


def _lora(model: Any, config: TuneSection, token_id: int | None, answered: bool) -> LoraConfig:
    named = dict(model.named_modules())
    endings = {name.rpartition(".")[2] for name in named}
    if missing := [name for name in config.target_modules if name not in endings]:
        linear = sorted({n.rpartition(".")[2] for n, layer in named.items() if isinstance(layer, torch.nn.Linear)})
        raise UserError(f"tune.target_modules: the model has no {', '.join(missing)}", f"It has {', '.join(linear)}.")
    tables = [model.get_input_embeddings()]
    if answered and model.get_output_embeddings().weight is not tables[0].weight:
        tables.append(model.get_output_embeddings())
    rows = {name.rpartition(".")[2]: [token_id] for table in tables for name, layer in named.items() if layer is table}
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.target_modules),
        trainable_token_indices=rows if token_id is not None and config.token_learning_rate is not None else None,
        task_type="CAUSAL_LM",
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rows in a forward pass, forward passes in a step, and steps."""

    pass_rows: int
    passes: int
    steps: int

    @property
    def step_rows(self) -> int:
        return self.pass_rows * self.passes


def _plan(rows: int, config: TuneSection) -> _Plan:
    step = config.per_device_train_batch_size * config.gradient_accumulation_steps
    pass_rows = config.per_device_train_batch_size
    if config.small_data_batch and rows < 256:
        step, pass_rows = config.small_data_batch, min(pass_rows, config.small_data_batch)
    if config.batching == "length":
        pass_rows = max(1, min(pass_rows, step // 4))  # four passes a step, each of rows of like length
    passes = max(1, step // pass_rows)
    steps = config.max_steps if config.max_steps > 0 else math.ceil(math.ceil(rows / step) * config.num_train_epochs)
    return _Plan(pass_rows, passes, steps)


def _encode(loaded: Loaded, data: Dataset, config: TuneSection) -> tuple[list[dict[str, list[int]]], list[Drop]]:
    longest = min(config.max_length, getattr(loaded.model.config, "max_position_embeddings", config.max_length))
    rows: list[dict[str, list[int]]] = []
    dropped: list[Drop] = []
    for example in data:
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
        pairs = zip(encoded.input_ids, encoded.completion_mask, strict=True)
        labels = [token if trained else batches.IGNORED for token, trained in pairs]
        rows.append({"input_ids": encoded.input_ids, "labels": labels})
    return rows, dropped


def _why(dropped: Sequence[Drop]) -> str:
    reasons = Counter(f"{drop.reason} ({drop.detail})" if drop.detail else drop.reason for drop in dropped)
    said = "; ".join(f"{count:,} rows: {reason}" for reason, count in reasons.most_common(3))
    return f"All {len(dropped):,} were dropped: {said}."


def _arguments(config: TuneSection, plan: _Plan, seed: int, folder: Path) -> SFTConfig:
    gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=plan.pass_rows,
        gradient_accumulation_steps=plan.passes,
        max_steps=plan.steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.lr_scheduler_type,
        warmup_steps=config.warmup_steps or math.ceil(config.warmup_ratio * plan.steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        max_length=None,
        packing=False,
        bf16=gpu and config.dtype in ("auto", "bfloat16"),
        fp16=gpu and config.dtype == "float16",
        use_cpu=not gpu,
        dataloader_pin_memory=gpu,
        activation_checkpointing=config.gradient_checkpointing,
        seed=seed,
        report_to="none",
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="steps" if config.save_steps else "no",
        save_steps=max(1, config.save_steps),
        save_total_limit=1,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _collator(config: TuneSection, pad_id: int) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    return batches.pack if config.batching == "packed" else lambda rows: batches.pad(rows, pad_id)


def _checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint: trainer_state.json is written last, so one without it was cut off."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None
