"""How models are tuned and sampled: every setting, its bounds, and the presets."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from leaven.section import Section

PRESETS: dict[str, dict[str, Any]] = {
    "ours": {},
    # DELIA's published run (arXiv 2408.10841): 8-bit base, LoRA on the embedding too, no rate of its own for the token.
    "paper": {
        "target_modules": ("q_proj", "k_proj", "v_proj", "o_proj", "embed_tokens"),
        "token_learning_rate": None,
        "lora_dropout": 0.05,
        "num_train_epochs": 1,
        "warmup_steps": 25,
        "warmup_ratio": 0.0,
        "lr_scheduler_type": "constant_with_warmup",
        "weight_decay": 0.01,
        "per_device_train_batch_size": 16,
        "gradient_accumulation_steps": 4,
        "small_data_batch": 16,
        "batching": "random",
        "load_in_8bit": True,
        "gradient_checkpointing": True,
    },
    # Ours, at the learning rates and the batch that a model of 2.4 million parameters needs (docs/log.md).
    "lab": {"learning_rate": 2e-3, "token_learning_rate": 0.1, "per_device_train_batch_size": 128},
    # Ours, at the rates and steps that a model of 135 million parameters needs (benchmarks/settings.py, docs/log.md).
    "small": {"learning_rate": 2e-3, "token_learning_rate": 2e-2, "step_task_rows": 4, "num_train_epochs": 3},
}
# The same as a start, from which each method's settings are searched on task rows that are held out (study/search.py).
PRESETS["auto"] = {**PRESETS["small"], "trials": 4}


class TuneSection(Section):
    """LoRA fine-tuning; `preset` fills whatever is not given."""

    preset: Literal["auto", "ours", "paper", "lab", "small"] = "ours"
    """auto (searched on held-out task rows), ours, paper (DELIA's hyper-parameters exactly), lab or small."""
    trials: int = Field(0, ge=0)
    """Settings tried for each method on held-out task rows, from those given on; the best are its own. 0: no search."""
    lora_r: int = Field(16, ge=1)
    """Rank of the adapter."""
    lora_alpha: int = Field(16, ge=1)
    """Scale of the adapter: its update is multiplied by lora_alpha / lora_r."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    """The layers that get an adapter; none ([]): the token's row alone is trained."""
    learning_rate: float = Field(2e-4, gt=0)
    """Learning rate of the adapter."""
    token_learning_rate: float | None = Field(4e-3, gt=0)
    """Learning rate of the new token's embedding row; null: the row is not trained by itself."""
    num_train_epochs: float = Field(1, gt=0)
    """Passes over the mixture."""
    max_steps: int = Field(-1, ge=-1)
    """Optimiser steps; overrides num_train_epochs where it is above 0."""
    per_device_train_batch_size: int = Field(64, ge=1)
    """Rows in a forward pass, at most."""
    gradient_accumulation_steps: int = Field(1, ge=1)
    """Forward passes in an optimiser step."""
    small_data_batch: int = Field(16, ge=0)
    """Rows in an optimiser step when there are fewer than 256 rows (0: no such rule)."""
    step_task_rows: int = Field(0, ge=0)
    """Task rows in every optimiser step, beside which the buffer is spread evenly: mixtures with more and less of it
    then take the same steps over the same task rows. 0: a step is so many rows of the mixture, whatever they are."""
    warmup_steps: int = Field(0, ge=0)
    """Optimiser steps of warm-up; 0: use warmup_ratio."""
    warmup_ratio: float = Field(0.03, ge=0, le=1)
    """Warm-up as a share of all steps."""
    lr_scheduler_type: Literal["constant_with_warmup", "linear", "cosine"] = "constant_with_warmup"
    """The learning rate after warm-up."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay; the token's row has none."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Gradients are clipped to this norm."""
    max_length: int = Field(4096, ge=8)
    """Longest row, in tokens; longer rows are dropped with the reason."""
    batching: Literal["length", "packed", "random"] = "length"
    """length: rows of like length together; packed: rows one after another, each seeing only itself; random."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Weights of the base model; auto: bfloat16 on a GPU; on a CPU whichever is faster there, float32 if stored so."""
    load_in_8bit: bool = False
    """Hold the base model in 8 bits (GPU with bitsandbytes only; elsewhere said and left out)."""
    gradient_checkpointing: bool = False
    """Trade time for memory."""
    save_steps: int = Field(200, ge=0)
    """Steps between checkpoints from which a killed tuning goes on; 0: none."""

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("preset", "ours") in PRESETS:
            return {**PRESETS[values.get("preset", "ours")], **values}
        return values


class SampleSection(Section):
    """How the model answers the pool's queries for itself."""

    temperature: float = Field(0.7, ge=0)
    """Sampling temperature; 0 is greedy."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus of the sampling."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest reply, in tokens; a reply that reaches it is truncated."""
    conditioned: bool = False
    """Show the model the reference answer first, as the published code does."""
    keep_truncated: bool = True
    """Train on replies that were cut at `max_new_tokens` too, without an end: their tokens are the model's own."""
