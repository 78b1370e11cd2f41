"""An adapter on disk: LoRA weights, tokenizer, the token's rows, and a card on how to load it with plain peft."""

import copy
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers.utils import CONFIG_NAME, GENERATION_CONFIG_NAME

from leaven.models import names, tokens
from leaven.models.load import ROWS_FILE, Loaded, load, no_bars, quiet_peft
from leaven.task.token import TokenSection

CARD = """---
base_model: {base}
library_name: peft
---
A LoRA adapter tuned with leaven on {weights}. It adds the token `{token}`{means}. To load it without leaven:

```python
{snippet}
```

To merge it into a model of its own: `leaven merge {folder} OUT`.
{silence}"""
SILENCE = """
`{token}` is for prompts, no answer was trained to hold it, and its row says nothing about when it would be said.
`generation_config.json` forbids it (`suppress_tokens`), which transformers obeys. Engines that don't read that key may
say the token by chance: give them `logit_bias` {{"{token_id}": -100}} (vLLM, llama.cpp, OpenAI-compatible servers).
"""
MERGED = """---
base_model: {base}
library_name: transformers
---
{base} with an adapter tuned by leaven merged into its weights.
{silence}"""
SNIPPET = """from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

base, adapter = {base!r}, {adapter!r}
tokenizer = AutoTokenizer.from_pretrained(adapter)
model = AutoModelForCausalLM.from_pretrained(base)
rows = load_file(adapter + "/{rows}")
if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
model.get_input_embeddings().weight.data[rows["ids"]] = rows["input"].to(model.dtype)
if "output" in rows:
    model.get_output_embeddings().weight.data[rows["ids"]] = rows["output"].to(model.dtype)
model.generation_config = GenerationConfig.from_pretrained(adapter)
model = PeftModel.from_pretrained(model, adapter)"""


def save(model: Any, tokenizer: Any, folder: Path, base: str, token: TokenSection) -> None:
    """Write the adapter, its tokenizer, the rows of the token as they were before training, and the card."""
    folder.mkdir(parents=True, exist_ok=True)
    # False: the whole embedding would be written beside a few trained rows; ROWS_FILE holds those that matter.
    model.save_pretrained(folder, save_embedding_layers=False)
    published(tokenizer).save_pretrained(folder)
    save_file(_rows(model, tokenizer.convert_tokens_to_ids(token.text)), folder / ROWS_FILE)
    # Not by save_pretrained, which refuses some configs that models are published with.
    model.generation_config.to_json_file(folder / GENERATION_CONFIG_NAME)
    means = f", which stands for {token.means}" if token.means else ""
    card = CARD.format(
        base=base, weights=names.weights(base), token=token.text, means=means, folder=shlex.quote(str(folder)),
        snippet=snippet(base, str(folder)), silence=_silence_note(model, tokenizer),
    )  # fmt: skip
    (folder / "README.md").write_text(card, encoding="utf-8")


def copy_to(folder: Path, adapter: Path) -> Path:
    """Copy an adapter into a folder; the card there says how it is loaded from there."""
    shutil.copytree(adapter, folder, dirs_exist_ok=True)
    card = (adapter / "README.md").read_text(encoding="utf-8")
    for written in (repr, shlex.quote):
        card = card.replace(written(str(adapter)), written(str(folder.absolute())))
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def _silence_note(model: Any, tokenizer: Any) -> str:
    """What the model card says of new tokens that the model may not say."""
    new = [token_id for token_id in tokens.silent(model) if token_id in tokenizer.added_tokens_decoder]
    return "".join(SILENCE.format(token=tokenizer.convert_ids_to_tokens(each), token_id=each) for each in new)


def snippet(base: str, adapter: str) -> str:
    """Python that loads the adapter with peft and transformers alone."""
    return SNIPPET.format(base=base, adapter=adapter, rows=ROWS_FILE)


def merge(adapter: Path, out: Path, base: str, trust_remote_code: bool = False) -> None:
    """Write a model of its own, with the adapter merged into its weights, as safetensors in the base's own dtype."""
    loaded = merged(load(base, adapter=adapter, dtype="stored", trust_remote_code=trust_remote_code))
    write(loaded, out)
    card = MERGED.format(base=base, silence=_silence_note(loaded.model, loaded.tokenizer))
    (out / "README.md").write_text(card, encoding="utf-8")


def merged(loaded: Loaded) -> Loaded:
    """The model with its adapter merged into its weights, which are written into."""
    base_model = loaded.model.get_base_model()
    if getattr(base_model.get_input_embeddings(), "lora_embedding_A", None):
        untie(base_model)
    with quiet_peft():
        return replace(loaded, model=loaded.model.merge_and_unload())


def write(loaded: Loaded, folder: Path) -> None:
    """Write a model as safetensors, with its tokenizer, chat template and generation config.

    Its config.json says positions twice: as transformers 5 does (`rope_parameters`), and as all did before it. MLX
    reads the second alone for most families, and goes on with another base where it is missing.
    """
    with no_bars():
        loaded.model.save_pretrained(folder)
    published(loaded.tokenizer).save_pretrained(folder)
    path = folder / CONFIG_NAME
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **_positions(config)}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _positions(config: dict[str, Any]) -> dict[str, Any]:
    """The keys of `rope_parameters` as transformers 4 named them; none for a model without positions that rotate."""
    rope = config.get("rope_parameters") or {}
    if "sliding_attention" in rope:  # Gemma 3
        local = {"rope_local_base_freq": rope["sliding_attention"]["rope_theta"]}
        return {**local, **_positions({"rope_parameters": rope["full_attention"]})}
    theta = {"rope_theta": rope["rope_theta"]} if "rope_theta" in rope else {}
    scaled = {name: value for name, value in rope.items() if name != "rope_theta"}
    return {**theta, "rope_scaling": scaled} if scaled.get("rope_type", "default") != "default" else theta


def published(tokenizer: Any) -> Any:
    """The tokenizer without the padding token that `models/load` lends to one that has none."""
    if tokenizer.init_kwargs.get("pad_token") is not None:
        return tokenizer
    bare = copy.deepcopy(tokenizer)
    bare.pad_token = None
    return bare


def untie(model: Any) -> None:
    """Give the output layer weights of its own: what changes a row of the embedding is not to change what is said."""
    output = model.get_output_embeddings()
    output.weight = torch.nn.Parameter(output.weight.detach().clone())
    model.config.tie_word_embeddings = False


def _rows(model: Any, token_id: int) -> dict[str, torch.Tensor]:
    """The token's rows of the base model's embedding and, where it is not tied, of its output layer."""
    inputs, outputs = (_weight(layer) for layer in (model.get_input_embeddings(), model.get_output_embeddings()))
    rows = {"ids": torch.tensor([token_id]), "input": inputs[[token_id]].detach().cpu().contiguous()}
    if outputs is not None and outputs.data_ptr() != inputs.data_ptr():
        rows["output"] = outputs[[token_id]].detach().cpu().contiguous()
    return rows


def _weight(layer: Any) -> Any:
    """The weight under whatever peft has wrapped around the layer."""
    while layer is not None and not isinstance(getattr(layer, "weight", None), torch.Tensor):
        layer = layer.base_layer if hasattr(layer, "base_layer") else layer.original_module
    return None if layer is None else layer.weight
