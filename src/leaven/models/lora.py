"""The adapter of a model while it learns: LoRA on its layers, and the rows of a new token, each at its own rate."""

from collections.abc import Iterator
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, TrainableTokensConfig, get_peft_model

from leaven.errors import UserError
from leaven.models.load import quiet_peft
from leaven.models.outline import check_targets
from leaven.models.settings import TuneSection


def adapt(model: Any, config: TuneSection, token_id: int | None, answered: bool = False) -> Any:
    """The model with an untrained adapter, or with the one that it has, ready to learn.

    With a token learning rate, the token's row of the embedding is trained as itself; that of an untied output layer
    only where some answer holds the token (`answered`). Without target modules nothing else is trained. Raises
    UserError for target modules that the model lacks, and where nothing would be trained.
    """
    if not isinstance(model, PeftModel):
        with quiet_peft():
            return get_peft_model(model, _adapter(model, config, token_id, answered))
    for name, weight in model.named_parameters():
        if _is_token_row(name):
            weight.requires_grad_(config.token_learning_rate is not None and (answered or _is_input_row(name)))
        else:
            weight.requires_grad_("lora_" in name)
    return model


def optimizer(model: Any, config: TuneSection) -> torch.optim.AdamW:
    """AdamW over what learns; the token's rows without decay, and the one of the embedding at its own rate."""
    return torch.optim.AdamW(list(_groups(model, config)), lr=config.learning_rate)


def _groups(model: Any, config: TuneSection) -> Iterator[dict[str, Any]]:
    named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    if layers := [weight for name, weight in named if not _is_token_row(name)]:
        yield {"params": layers, "weight_decay": config.weight_decay, "lr": config.learning_rate}
    for name, weight in named:
        if _is_token_row(name):
            # The high rate is for the embedding, where the token's meaning is learnt; an output row needs none of it.
            rate = config.token_learning_rate if _is_input_row(name) else None
            yield {"params": [weight], "weight_decay": 0.0, "lr": rate or config.learning_rate}


def _adapter(model: Any, config: TuneSection, token_id: int | None, answered: bool) -> PeftConfig:
    check_targets(model, config.target_modules)
    tables = [model.get_input_embeddings()]
    if answered and model.get_output_embeddings().weight is not tables[0].weight:
        tables.append(model.get_output_embeddings())
    names = [name.rpartition(".")[2] for table in tables for name, layer in model.named_modules() if layer is table]
    rows = {name: [token_id] for name in names} if token_id is not None and config.token_learning_rate else None
    if not config.target_modules:
        if rows is None:
            raise UserError("nothing would be trained", "Give tune.target_modules, or tune.token_learning_rate.")
        return TrainableTokensConfig(token_indices=[token_id], target_modules=names, task_type="CAUSAL_LM")
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.target_modules),
        trainable_token_indices=rows,
        task_type="CAUSAL_LM",
    )


def _is_token_row(name: str) -> bool:
    """Whether a parameter is the row of a new token, by peft's name for it."""
    return "trainable_tokens_delta" in name


def _is_input_row(name: str) -> bool:
    """Whether it is the row of the embedding (which a tied output layer shares)."""
    return _is_token_row(name) and "lm_head" not in name
