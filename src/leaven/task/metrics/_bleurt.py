"""BLEURT-20 in torch: the learned metric of translations, on transformers' own layers (arXiv 2110.06341).

BLEURT-20 is RemBERT with a regression head on its first token; the older checkpoints are BERT. Three layouts of
weights are read: transformers' (`rembert.` or `bert.`), and the published port's (`bleurt.`, with an
`embedding_projection` where the embedding is narrower than the layers, without one where it is not).
Scores of different checkpoints can't be compared.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, RemBertConfig
from transformers import RemBertForSequenceClassification as RemBert

from leaven.errors import UserError

LONGEST = 512  # sub-words of both texts together


@dataclass(frozen=True, slots=True)
class Bleurt:
    """A checkpoint, its tokenizer, and how many sub-words it reads."""

    model: Any
    tokenizer: Any
    longest: int

    @torch.no_grad()
    def scores(self, references: Sequence[str], candidates: Sequence[str], batch_size: int = 16) -> list[float]:
        """A score for each pair, about 0 (nothing in common) to 1 (the same)."""
        rows = [self.encode(*pair) for pair in zip(references, candidates, strict=True)]
        values = []
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            width = max(len(ids) for ids, _ in batch)
            filled = [[ids + [self._id("pad")] * (width - len(ids)), kinds + [0] * (width - len(kinds)),
                       [1] * len(ids) + [0] * (width - len(ids))] for ids, kinds in batch]  # fmt: skip
            ids, kinds, mask = (torch.tensor(part, device=self.model.device) for part in zip(*filled, strict=True))
            output = self.model(input_ids=ids, token_type_ids=kinds, attention_mask=mask)
            values += output.logits[:, 0].float().tolist()
        return values

    def encode(self, reference: str, candidate: str) -> tuple[list[int], list[int]]:
        """The ids and segments of [CLS] reference [SEP] candidate [SEP], cut to fit.

        As published: the longer of both loses its last sub-word until they fit, the candidate where they are even.
        """
        first, second = (self.tokenizer(t, add_special_tokens=False)["input_ids"] for t in (reference, candidate))
        while len(first) + len(second) > self.longest - 3:
            (first if len(first) > len(second) else second).pop()
        ids = [self._id("cls"), *first, self._id("sep"), *second, self._id("sep")]
        return ids, [0] * (len(first) + 2) + [1] * (len(second) + 1)

    def _id(self, name: str) -> int:
        return int(getattr(self.tokenizer, f"{name}_token_id"))


@cache
def load(folder: str) -> Bleurt:
    """The checkpoint in a folder: config.json, model.safetensors, and a tokenizer of its own.

    Raises UserError for a folder that lacks one of these, or whose weights are not BLEURT's.
    """
    place = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (place / name).is_file():
            raise UserError(f"{folder} is no BLEURT checkpoint: it has no {name}", "Pickled weights are refused.")
    values = json.loads((place / "config.json").read_text(encoding="utf-8"))
    weights = load_file(place / "model.safetensors")
    model = _model(values, weights)
    missing, unexpected = model.load_state_dict(_renamed(weights), strict=False)
    if missing or [name for name in unexpected if not name.endswith(("position_ids", "token_type_ids"))]:
        odd = ", ".join([*missing, *unexpected][:3])
        raise UserError(f"the weights in {folder} are not those of BLEURT: {odd}", "Check which checkpoint it is.")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return Bleurt(model.eval(), tokenizer, min(LONGEST, model.config.max_position_embeddings))


def _model(values: dict[str, Any], weights: dict[str, torch.Tensor]) -> Any:
    shared = {name: value for name, value in values.items() if name not in ("model_type", "architectures")}
    shared["num_labels"] = 1
    if any("embedding_projection" in name or "embedding_hidden_mapping_in" in name for name in weights):
        narrow = values.get("embedding_size") or values.get("input_embedding_size")
        return RemBert(RemBertConfig(**{**shared, "input_embedding_size": narrow}))
    return BertForSequenceClassification(BertConfig(**shared))


def _renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published port's names as transformers'."""
    projected = any("embedding_projection" in name for name in weights)
    changes = {"bleurt.": "rembert." if projected else "bert.", "embedding_projection": "embedding_hidden_mapping_in"}
    state = {}
    for name, weight in weights.items():
        for old, new in changes.items():
            if old != "bleurt." or name.startswith(old):
                name = name.replace(old, new, 1)  # noqa: PLW2901
        state[name] = weight
    return state
