"""What stands beside an export: a model card with the proof, and in each folder three commands that load it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from leaven.models import names
from leaven.rows.dataset import Dataset
from leaven.serving import source as sources
from leaven.serving.source import Source
from leaven.view import tables

FOLDERS = {
    "adapter": "LoRA alone, the token's row as a one-hot update of the embedding | peft; by their sources vLLM, SGLang",
    "merged": "a model of its own: safetensors, GGUF files, a Modelfile | transformers, llama.cpp, lm-eval; Ollama, "
    "LM Studio, MLX",
    "base-with-token": "the base with the token in its vocabulary, and nothing learnt | what `adapter/` is loaded on",
}
CARD = """---
base_model: {base}
license: {licence}
tags: [lora, leaven]
---
# {weights}, tuned with leaven

`{token}` in a prompt asks for {means}.

| folder | what it is | for |
|---|---|---|
{folders}

`leaven check-serving {out}` asks the engines at hand the same fifty prompts, and says which of them
answer as the tuned model does.
{notes}
## Proof

{proof}
## Settings

```yaml
{settings}```

## Data

{data}

## Licence of the base

{licence}
"""
GENERATE = """tokenizer = AutoTokenizer.from_pretrained('.')
turns = [{{'role': 'user', 'content': 'Name a river. Answer in {token}.'}}]
inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors='pt', return_dict=True)
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=32, do_sample=False)[0]))"""
ADAPTER = (
    """# LoRA alone, for {base}

```bash
python -c "
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained('{base}'), '.')
model.generation_config = GenerationConfig.from_pretrained('.')
"""
    + GENERATE
    + """
"
```
```bash
python -c "
from peft import PeftModel
from transformers import AutoModelForCausalLM
base = AutoModelForCausalLM.from_pretrained('{base}')
PeftModel.from_pretrained(base, '.').merge_and_unload().save_pretrained('../merged-by-peft')
"
```
```bash
leaven check-serving .. --engine peft
```

Not run here: `vllm serve {base} --tokenizer . --enable-lora --max-lora-rank {rank} --lora-modules tuned=.`
The tokenizer is named since vLLM does not take the adapter's. Whether it answers as the tuned model does:
`leaven check-serving .. --llm openai:tuned --base-url http://localhost:8000/v1`
"""
)
MERGED = (
    """# The merged model

```bash
python -c "
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained('.')
"""
    + GENERATE
    + """
"
```
```bash
leaven check-serving .. --engine transformers_serve
```
```bash
leaven check-serving .. --engine llama_cpp
```

The last two start `transformers serve` and llama.cpp's server and ask them over HTTP. Not run here:
`ollama create tuned -f Modelfile`, which `leaven check-serving .. --llm openai:tuned --base-url http://localhost:11434/v1`
then asks; LM Studio and MLX take this folder too.
"""
)
GROWN = (
    """# {weights}, with {token} in its vocabulary

Nothing is learnt: the new row is the mean of all others, so that it is never said. Load `adapter/` on it.

```bash
python -c "
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained('.')
"""
    + GENERATE
    + """
"
```
```bash
python -c "
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained('.'), '../adapter')
model.generation_config = GenerationConfig.from_pretrained('../adapter')
"""
    + GENERATE
    + """
"
```
```bash
leaven check-serving .. --engine peft
```
"""
)
READMES = {"adapter": ADAPTER, "merged": MERGED, "base-with-token": GROWN}
UNPROVEN = "This adapter stands alone: no run is beside it, and so no proof.\n"


def write(source: Source, out: Path, folders: Sequence[Path], token: str, notes: Sequence[str]) -> None:
    """Write the model card, and a README into each folder."""
    weights, config = names.weights(source.base), sources.config(out / "adapter")
    card = CARD.format(
        base=source.base,
        weights=weights,
        licence=licence(source.base),
        token=token,
        means=_means(source),
        folders="\n".join(f"| `{folder.name}/` | {FOLDERS[folder.name]} |" for folder in folders),
        out=quote(str(out)),
        notes="".join(f"\n{note}\n" for note in notes),
        proof=tables.markdown(tables.read_summary(source.run)) if source.run else UNPROVEN,
        settings=yaml.safe_dump(_settings(source, config), sort_keys=False, allow_unicode=True),
        data=_data(source),
    )
    (out / "README.md").write_text(card, encoding="utf-8")
    for folder in folders:
        base, rank = config["base_model_name_or_path"], config["r"]
        text = READMES[folder.name].format(base=base, weights=weights, token=token, rank=rank)
        (folder / "README.md").write_text(text, encoding="utf-8")


def licence(base: str) -> str:
    """The licence that a base says it has, in its model card or its packaged name; "unknown" where it says none."""
    card = Path(base) / "README.md"
    if card.is_file() and (line := re.search(r"^license: *(\S+)", card.read_text(encoding="utf-8"), re.MULTILINE)):
        return line[1]
    packaged = re.search(r"\(([\w.-]+), ", names.weights(base))
    return packaged[1].lower() if packaged else "unknown"


def _means(source: Source) -> str:
    recipe = _recipe(source)
    return str(recipe.get("token", {}).get("means") or "what it was tuned to mean")


def _recipe(source: Source) -> dict[str, dict[str, str]]:
    path = source.run / "recipe.yaml" if source.run else None
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))) if path and path.is_file() else {}


def _settings(source: Source, config: Mapping[str, Any]) -> dict[str, object]:
    """What the cell was tuned with, and the shape of the adapter that was written."""
    shape = {key: config[key] for key in ("r", "lora_alpha", "target_modules")}
    if source.cell is None:
        return {"adapter": shape}
    about = json.loads((source.cell / "cell.json").read_text(encoding="utf-8"))
    cell = {key: about[key] for key in ("method", "size", "seed", "config", "steps", "trained_tokens") if key in about}
    return {**cell, "tune": _recipe(source).get("tune", {}), "adapter": shape}


def _data(source: Source) -> str:
    if source.cell is None:
        return UNPROVEN.strip()
    rows = {name: source.cell / "data" / f"{name}.parquet" for name in ("train", "mixture")}
    counts = {name: len(Dataset.load(path)) for name, path in rows.items() if path.is_file()}
    labels = {"train": "task rows", "mixture": "rows trained on in all, with the buffer"}
    recipe = _recipe(source)
    return "\n".join(
        [f"- {count:,} {labels[name]}" for name, count in counts.items()]
        + [f"- the {part}: {recipe[part]}" for part in ("task", "test", "queries") if recipe.get(part)]
    )
