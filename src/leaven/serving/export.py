"""Write an adapter as folders that engines take: plain LoRA, a merged model, and the base where its vocabulary grew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.utils import GENERATION_CONFIG_NAME

from leaven import extras
from leaven.errors import UserError
from leaven.models import adapter as adapters
from leaven.models import tokens
from leaven.models.load import Loaded, grow, load, load_tokenizer
from leaven.runs import folder as runs
from leaven.serving import card, modelfile, plain, prompts
from leaven.serving.source import ABOUT, Source

ADAPTER, MERGED, BASE = "adapter", "merged", "base-with-token"
PROMPTS = "prompts.jsonl"
ANSWERS, PAGE = "serving.json", "serving.md"
"""What each engine was last seen to answer, and the same as a table (`serving/matrix.py`)."""
KINDS = ("F16", "Q8_0")


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the folders in order, and what could not be, with the reason."""

    folders: tuple[Path, ...]
    notes: tuple[str, ...]


def write(
    source: Source, out: Path, say: Callable[[str], None] = lambda _: None, kinds: Sequence[str] = KINDS
) -> Export:
    """Write the folders of an adapter, each with its README; `kinds` are those of GGUF files.

    Raises UserError for an adapter that is more than LoRA.
    """
    for stale in (ANSWERS, PAGE):
        (out / stale).unlink(missing_ok=True)
    tokenizer = load_tokenizer(str(source.adapter))
    base = load(source.base, dtype="stored")
    base.model.generation_config = _generation(source, base.model)
    ids = plain.token_ids(source.adapter)
    token = _token(source, tokenizer, ids)
    grown = len(tokenizer) > base.model.get_input_embeddings().weight.shape[0]
    folders = [out / ADAPTER]
    if grown:
        say(f"writing {out / BASE}")
        grow(base.model, len(tokenizer))
        adapters.write(replace(base, tokenizer=tokenizer), out / BASE)
        folders.append(out / BASE)
    say(f"writing {out / ADAPTER}")
    plain.write(source.adapter, base.model, out / ADAPTER, str((out / BASE).resolve()) if grown else source.base)
    adapters.published(tokenizer).save_pretrained(out / ADAPTER)
    base.model.generation_config.to_json_file(out / ADAPTER / GENERATION_CONFIG_NAME)
    stored = base.model.dtype
    del base
    say(f"writing {out / MERGED}")
    notes = _merged(source, ids, stored, out / MERGED, say, kinds)
    folders.insert(1, out / MERGED)
    prompts.write(prompts.of(source, token), out / PROMPTS)
    runs.write_json(out / ABOUT, {"adapter": str(source.adapter.resolve()), "base": source.base, "token": token})
    card.write(source, out, folders, token, notes)
    return Export(tuple(folders), tuple(notes))


def _generation(source: Source, base: Any) -> GenerationConfig:
    """How the tuned model writes: with the adapter's config, which silences its token."""
    if (source.adapter / GENERATION_CONFIG_NAME).is_file():
        return GenerationConfig.from_pretrained(source.adapter)
    return base.generation_config


def _merged(
    source: Source,
    token_ids: Sequence[int],
    stored: torch.dtype,
    folder: Path,
    say: Callable[[str], None],
    kinds: Sequence[str],
) -> list[str]:
    """Merge in float32, so that each file is rounded once; what is said where no GGUF file can be written."""
    loaded = adapters.merged(load(source.base, source.adapter, dtype="float32"))
    _silence(loaded.model, token_ids)
    notes = _gguf(loaded, folder, say, kinds) if kinds else []
    loaded.model.to(stored)
    loaded.model.config.dtype = stored
    adapters.write(loaded, folder)
    return notes


def _silence(model: Any, token_ids: Sequence[int]) -> None:
    """Give a token that no answer holds an output row that never wins: the mean of the others, of an own output layer.

    `suppress_tokens` says the same, and hardly an engine but transformers reads it. A reused token's row is the base's
    until now. Gemma's layers are tied by its code.
    """
    silent = [each for each in token_ids if each in tokens.silent(model)]
    if not silent or model.config.model_type.startswith("gemma"):
        return
    if model.config.tie_word_embeddings:
        adapters.untie(model)
    weight = model.get_output_embeddings().weight
    others = torch.ones(len(weight), dtype=torch.bool)
    others[silent] = False
    with torch.no_grad():
        weight[silent] = weight[others].mean(0)


def _gguf(loaded: Loaded, folder: Path, say: Callable[[str], None], kinds: Sequence[str]) -> list[str]:
    try:
        extras.require("gguf")
        from leaven.serving import gguf_file

        for kind in kinds:
            say(f"writing {folder / f'merged-{kind}.gguf'}")
            gguf_file.write(loaded, folder / f"merged-{kind}.gguf", kind)
    except UserError as error:
        return [f"{error.problem}. {error.hint}"]
    return list(filter(None, [modelfile.write(loaded, folder)]))


def _token(source: Source, tokenizer: Any, ids: Sequence[int]) -> str:
    """The token that the adapter brings. Raises UserError for an adapter that brings none."""
    if not ids:
        raise UserError(f"{source.adapter} brings no token", "Any engine takes it as it is, or merged: leaven merge.")
    return str(tokenizer.convert_ids_to_tokens(ids[0]))
