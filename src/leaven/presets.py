"""Named sets of tuning settings: ours, the paper's, and those of a tiny model."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "ours": {},
    # DELIA's published run (papers.md 2.3): 8-bit base, LoRA on the embedding too, no rate of its own for the token.
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
}
