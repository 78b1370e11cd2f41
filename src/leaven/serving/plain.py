"""An adapter as plain LoRA alone: the rows of its tokens are a low-rank update of the embedding, exact and one-hot.

Peft keeps trained rows as `trainable_tokens_delta`, which vLLM refuses and llama.cpp does not read. A row less the
base's is a product of two factors too: a column that is 1 at the token's id, times the difference.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from leaven.errors import UserError
from leaven.models import tokens
from leaven.models.load import ROWS_FILE
from leaven.serving import source

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
DELTA = "trainable_tokens_delta"
ROWS_ALONE = "TRAINABLE_TOKENS"
"""Peft's name for an adapter of rows and nothing else (`tune.target_modules: []`)."""
Rows = dict[int, torch.Tensor]
"""Rows of an embedding or an output layer, each of (width,), by the id of their token."""


def write(adapter: Path, base: Any, folder: Path, name: str) -> None:
    """Write the adapter as plain LoRA for `base`, called `name`, whose vocabulary is as long as the adapter needs it.

    The output layer has an update only where an answer may hold the token: the row of a token that is never said
    changes that token's own logit and nothing else. Raises UserError for an adapter that is more than LoRA.
    """
    state = load_file(adapter / WEIGHTS)
    inputs, outputs = learned_rows(state, adapter)
    config = _lora(adapter, len(inputs))
    live = set(inputs | outputs) - set(tokens.silent(base))
    if base.config.tie_word_embeddings:
        outputs = inputs
    factors = {name: weight for name, weight in state.items() if DELTA not in name}
    scale = scaling(config)
    embedding, head = _name(base, base.get_input_embeddings()), _name(base, base.get_output_embeddings())
    targets = list(config["target_modules"])
    if inputs:
        a, b = one_hot(inputs, base.get_input_embeddings().weight, config["r"], scale)
        factors |= {f"{PREFIX}{embedding}.lora_embedding_A": a, f"{PREFIX}{embedding}.lora_embedding_B": b}
        targets.append(embedding.rpartition(".")[2])
    if answered := {token: row for token, row in outputs.items() if token in live}:
        # Of a linear layer the factors are the other way round: its output is the vocabulary.
        a, b = one_hot(answered, base.get_output_embeddings().weight, config["r"], scale)
        factors |= {
            f"{PREFIX}{head}.lora_A.weight": b.T.contiguous(),
            f"{PREFIX}{head}.lora_B.weight": a.T.contiguous(),
        }
        targets.append(head.rpartition(".")[2])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(factors, folder / WEIGHTS, metadata={"format": "pt"})
    plain = {**config, "base_model_name_or_path": name, "target_modules": sorted(set(targets))}
    plain["trainable_token_indices"] = None
    (folder / source.CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def one_hot(rows: Rows, table: torch.Tensor, rank: int, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors A (rank, vocabulary) and B (width, rank) with `scale` · (B A)ᵀ = rows − table, at these rows alone.

    Raises UserError for more rows than the rank has room for.

    >>> a, b = one_hot({2: torch.tensor([3.0])}, torch.tensor([[0.0], [1.0], [1.0]]), rank=1, scale=2.0)
    >>> (2.0 * (b @ a)).tolist()
    [[0.0, 0.0, 2.0]]
    """
    if len(rows) > rank:
        raise UserError(
            f"{len(rows)} rows of tokens don't fit into LoRA of rank {rank}", "Serve the merged model, or tune anew."
        )
    a, b = torch.zeros(rank, table.shape[0]), torch.zeros(table.shape[1], rank)
    for place, (token, row) in enumerate(sorted(rows.items())):
        a[place, token] = 1.0
        b[:, place] = (row.float() - table[token].detach().float().cpu()) / scale
    return a, b


def learned_rows(state: Mapping[str, torch.Tensor], adapter: Path) -> tuple[Rows, Rows]:
    """The rows of the embedding and of the output layer that an adapter brings, as they are after tuning."""
    inputs: Rows = {}
    outputs: Rows = {}
    if (adapter / ROWS_FILE).is_file():
        first = load_file(adapter / ROWS_FILE)
        ids = first["ids"].tolist()
        inputs |= dict(zip(ids, first["input"], strict=True))
        outputs |= dict(zip(ids, first.get("output", ()), strict=False))
    config = source.config(adapter)
    for name, rows in state.items():
        if DELTA in name:
            layer = name.removesuffix(f".{DELTA}").removesuffix(".token_adapter").rpartition(".")[2]
            (outputs if layer == "lm_head" else inputs).update(zip(_trained(config, layer), rows, strict=True))
    return inputs, outputs


def token_ids(adapter: Path) -> list[int]:
    """The ids of the tokens that an adapter brings rows for."""
    inputs, outputs = learned_rows(load_file(adapter / WEIGHTS), adapter)
    return sorted({*inputs, *outputs})


def scaling(config: Mapping[str, Any]) -> float:
    """What peft multiplies the product of the factors by."""
    rank: int = config["r"]
    return float(config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _trained(config: Mapping[str, Any], layer: str) -> list[int]:
    """The ids whose rows of a layer were trained."""
    ids = config["token_indices" if config["peft_type"] == ROWS_ALONE else "trainable_token_indices"]
    return list(ids[layer] if isinstance(ids, dict) else ids)


def _name(model: Any, layer: Any) -> str:
    return next(str(name) for name, each in model.named_modules() if each is layer)


def _lora(adapter: Path, rows: int) -> dict[str, Any]:
    """The adapter's configuration as LoRA's; where rows alone were trained, one of as high a rank as there are rows.

    Raises UserError for an adapter that is more than LoRA.
    """
    config = source.config(adapter)
    if config["peft_type"] == ROWS_ALONE:
        name, task = config["base_model_name_or_path"], config["task_type"]
        return {**LoraConfig(r=rows, lora_alpha=rows, task_type=task, base_model_name_or_path=name).to_dict(),
                "target_modules": [], "inference_mode": True}  # fmt: skip
    more = [key for key in ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern") if config.get(key)]
    if config["peft_type"] != "LORA" or more or not isinstance(config["target_modules"], list):
        what = ", ".join(more) or f"{config['peft_type']}, target_modules {config['target_modules']!r}"
        raise UserError(f"{adapter} is more than plain LoRA: {what}", "Serve the merged model: leaven merge.")
    return config
