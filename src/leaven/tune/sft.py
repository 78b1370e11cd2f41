"""Supervised fine-tuning with LoRA (trl, peft): loss on answers only, and a rate of its own for the token's row."""

import math
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset as ArrowDataset
from peft import LoraConfig, get_peft_model
from torch.nn import functional
from transformers import PrinterCallback, TrainerCallback, set_seed
from transformers.trainer_utils import get_last_checkpoint
from trl import SFTConfig, SFTTrainer

from leaven.dataset import Dataset
from leaven.errors import UserError
from leaven.recipe import TuneSection
from leaven.tune import batches, mask
from leaven.types import Drop
from leaven.weights.load import Loaded, quiet_peft

OnStep = Callable[[int, int, float, int], None]
"""Called after each optimiser step with the step, all steps, the loss, and the real tokens seen so far."""


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
    """Tune an adapter on the rows, in their order; `folder` holds checkpoints from which a killed training goes on."""
    rows, dropped = _encode(loaded, data, config)
    if not rows:
        raise UserError("no row is left to train on", f"All {len(data)} were dropped: {dropped[0].reason}.")
    set_seed(seed)
    model = adapt(loaded.model, config, token_id)
    plan = _plan(len(rows), config)
    trainer = _Trainer(
        model=model,
        args=_arguments(config, plan, seed, folder),
        train_dataset=ArrowDataset.from_list(rows),
        processing_class=loaded.tokenizer,
        data_collator=_collator(config, loaded.tokenizer.pad_token_id),
        callbacks=[_Watch(on_step)] if on_step else [],
    )
    trainer.setup = (config, plan, seed, [len(row["input_ids"]) for row in rows])
    trainer.remove_callback(PrinterCallback)
    began = time.perf_counter()
    with warnings.catch_warnings():
        # torch's scheduler and data loader warn about things that transformers decides (pin_memory without a GPU …).
        warnings.simplefilter("ignore")
        trainer.train(resume_from_checkpoint=_checkpoint(folder) if config.save_steps else None)
    shutil.rmtree(folder, ignore_errors=True)  # the adapter is whole: there is nothing left to resume
    model.eval()
    tokens, trained = trainer.seen
    return Tuned(model, plan.steps, tokens, trained, time.perf_counter() - began, tuple(trainer.losses), tuple(dropped))


def adapt(model: Any, config: TuneSection, token_id: int | None) -> Any:
    """The model with an untrained adapter; with a token learning rate, the token's row is trained as itself.

    Raises UserError for target modules that the model doesn't have.
    """
    named = dict(model.named_modules())
    endings = {name.rpartition(".")[2] for name in named}
    if missing := [name for name in config.target_modules if name not in endings]:
        linear = sorted({n.rpartition(".")[2] for n, layer in named.items() if isinstance(layer, torch.nn.Linear)})
        raise UserError(f"tune.target_modules: the model has no {', '.join(missing)}", f"It has {', '.join(linear)}.")
    rows = None
    if token_id is not None and config.token_learning_rate is not None:
        table = model.get_input_embeddings()
        rows = {next(name for name, layer in named.items() if layer is table).rpartition(".")[2]: [token_id]}
    with quiet_peft():
        return get_peft_model(
            model,
            LoraConfig(
                r=config.lora_r,
                lora_alpha=config.lora_alpha,
                lora_dropout=config.lora_dropout,
                target_modules=list(config.target_modules),
                trainable_token_indices=rows,
                task_type="CAUSAL_LM",
            ),
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rows in a forward pass, forward passes in a step, and steps."""

    pass_rows: int
    passes: int
    steps: int


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
        encoded = mask.encode(loaded.tokenizer, example)
        if len(encoded.input_ids) > longest:
            dropped.append(Drop(example, f"longer than {longest} tokens", float(len(encoded.input_ids))))
            continue
        pairs = zip(encoded.input_ids, encoded.completion_mask, strict=True)
        labels = [token if trained else batches.IGNORED for token, trained in pairs]
        rows.append({"input_ids": encoded.input_ids, "labels": labels})
    return rows, dropped


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
        activation_checkpointing=config.gradient_checkpointing,
        seed=seed,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="steps" if config.save_steps else "no",
        save_steps=max(1, config.save_steps),
        save_total_limit=1,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
    )


def _collator(config: TuneSection, pad_id: int) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    return batches.pack if config.batching == "packed" else lambda rows: batches.pad(rows, pad_id)


def _checkpoint(folder: Path) -> str | None:
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Tells after each step how far the training is."""

    def __init__(self, on_step: OnStep) -> None:
        self.on_step = on_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        trainer = _Watch.trainer_of(kwargs)
        loss = trainer.losses[-1] if trainer and trainer.losses else math.nan
        self.on_step(state.global_step, state.max_steps, loss, trainer.seen[0] if trainer else 0)

    @staticmethod
    def trainer_of(kwargs: dict[str, Any]) -> "_Trainer | None":
        """The trainer hangs on the model, since callbacks are not given it."""
        return getattr(kwargs.get("model"), "leaven_trainer", None)


class _Trainer(SFTTrainer):  # type: ignore[misc]
    """trl's trainer with our order of rows, our groups of parameters, and logits only where there is loss."""

    setup: tuple[TuneSection, _Plan, int, list[int]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.losses: list[float] = []
        self.seen = (0, 0)
        self._step: tuple[int, float] = (-1, 0.0)
        self.model.leaven_trainer = self

    def _get_train_sampler(self, train_dataset: Any = None) -> batches.Order:
        config, plan, seed, lengths = self.setup
        return batches.Order(lengths, plan.pass_rows * plan.passes, seed, sort=config.batching != "random")

    def create_optimizer(self, model: Any = None) -> Any:
        config = self.setup[0]
        named = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        token = [p for name, p in named if "trainable_tokens" in name]
        rest = [p for name, p in named if "trainable_tokens" not in name]
        groups: list[dict[str, Any]] = [{"params": rest, "weight_decay": config.weight_decay}]
        if token:
            groups.append({"params": token, "lr": config.token_learning_rate, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        return self.optimizer

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs.pop("labels")
        target = functional.pad(labels, (0, 1), value=batches.IGNORED)[:, 1:]  # (rows, tokens): what each must predict
        columns = (target != batches.IGNORED).any(0).nonzero().squeeze(1)
        logits = model(**inputs, use_cache=False, logits_to_keep=columns).logits  # (rows, columns, vocabulary)
        total = functional.cross_entropy(
            logits.float().flatten(0, 1), target[:, columns].flatten(), ignore_index=batches.IGNORED, reduction="sum"
        )
        count = num_items_in_batch if num_items_in_batch is not None else (target != batches.IGNORED).sum()
        loss = total / count
        self._note(loss.item(), inputs, int((target != batches.IGNORED).sum()))
        return loss

    def _note(self, loss: float, inputs: dict[str, Any], trained: int) -> None:
        real = inputs["attention_mask"].sum() if "attention_mask" in inputs else inputs["input_ids"].numel()
        self.seen = (self.seen[0] + int(real), self.seen[1] + trained)
        step = self.state.global_step
        if step == self._step[0]:
            self._step = (step, self._step[1] + loss)
            self.losses[-1] = self._step[1]
        else:
            self._step = (step, loss)
            self.losses.append(loss)
