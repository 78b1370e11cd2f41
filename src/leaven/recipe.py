"""The recipe of a study: every setting, checked at once; YAML in, a resolved copy out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from leaven import plugs
from leaven.errors import RecipeError, UserError, nearest

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


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values can't be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class TokenSection(Section):
    """The new special token."""

    text: str = "<sep>"
    """The token as it stands in the prompts."""
    means: str = ""
    """What it stands for, in plain words; never part of a prompt, read by probes and by baselines."""
    init: str = "random"
    """Its first embedding row: random, mean (of the words of `means`), copy:TEXT or reserved:TOKEN."""
    lstrip: bool = True
    """Whether the token swallows the space before it, so that no stray space token precedes it."""


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
    keep_truncated: bool = False
    """Train on replies that were cut at `max_new_tokens` too."""


class TuneSection(Section):
    """LoRA fine-tuning; `preset` fills whatever is not given."""

    preset: Literal["ours", "paper", "lab"] = "ours"
    """ours, paper (DELIA's hyper-parameters exactly) or lab (ours, at the rates of a tiny model)."""
    lora_r: int = Field(16, ge=1)
    """Rank of the adapter."""
    lora_alpha: int = Field(16, ge=1)
    """Scale of the adapter: its update is multiplied by lora_alpha / lora_r."""
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout before the adapter."""
    target_modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    """The layers that get an adapter."""
    learning_rate: float = Field(2e-4, gt=0)
    """Learning rate of the adapter."""
    token_learning_rate: float | None = Field(4e-3, gt=0)
    """Learning rate of the new token's embedding row; null: the row is not trained by itself."""
    num_train_epochs: float = Field(1, gt=0)
    """Passes over the mixture."""
    max_steps: int = Field(-1, ge=-1)
    """Optimiser steps; overrides num_train_epochs where it is above 0."""
    per_device_train_batch_size: int = Field(64, ge=1)
    """Rows in a forward pass."""
    gradient_accumulation_steps: int = Field(1, ge=1)
    """Forward passes in an optimiser step."""
    small_data_batch: int = Field(16, ge=0)
    """Rows in an optimiser step when there are fewer than 256 rows (0: no such rule)."""
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
    """Weights of the base model; auto: bfloat16 on a GPU, float32 on a CPU."""
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


class LeaksSection(Section):
    """The guard against test rows that training has seen."""

    enabled: bool = True
    """Look for overlap between train, test and pool before anything is trained."""
    ngram: int = Field(13, ge=3)
    """Words in a row that two texts must share to overlap."""
    share: float = Field(0.5, gt=0, le=1)
    """Share of the shorter text's own n-grams (or words, for single sentences) that both must have."""
    passage: int = Field(5, ge=2)
    """Fewest words of a line or sentence that is an overlap by itself."""
    common: float = Field(0.05, ge=0, le=1)
    """A line or n-gram in more than this share of a set's prompts (at least 3, at most 10 of them) is boilerplate."""


class EvaluateSection(Section):
    """What the trained models are asked."""

    limit_test: int | None = Field(None, ge=1)
    """At most this many rows of each test, drawn at random after the leak check."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest answer, in tokens."""
    labels: tuple[str, ...] = ("yes", "no")
    """The values that the label may take."""
    label_key: str = "hallucination"
    """The key that holds the label."""
    keys: tuple[str, ...] = ("thought", "hallucination")
    """The keys of a schema-valid answer, exactly."""


class MethodChoice(BaseModel):
    """A method of the table: its plug, its label, and its own settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    label: str
    config: dict[str, Any] = Field(default_factory=dict)


class Recipe(Section):
    """A study: methods × sizes × seeds on one task."""

    model: str = "lab"
    """A folder or hub id of a causal language model; `lab` is the tiny one that ships with leaven."""
    task: str = "lab"
    """The task rows, a file; `lab` is the lab's own task."""
    test: str | None = None
    """The test rows, a file."""
    queries: str = "lab"
    """The pool whose questions the model answers for itself, a file; `lab` is the lab's own pool."""
    format: str = "auto"
    """The format of the files: auto, messages, alpaca, sharegpt, prompt-completion, or two fields: question/answer."""
    token: TokenSection = TokenSection()
    methods: tuple[MethodChoice, ...] = ()
    """Names of methods, or mappings of `name`, `label` and the method's own settings."""
    sizes: tuple[int, ...] = (100,)
    """Task rows drawn for training, one column of the table each; 0: all rows."""
    seeds: tuple[int, ...] = (0,)
    """Seeds: each draws its own rows, samples and initial weights."""
    sample: SampleSection = SampleSection()
    tune: TuneSection = TuneSection()
    evaluate: EvaluateSection = EvaluateSection()
    leaks: LeaksSection = LeaksSection()
    probes: tuple[str, ...] = ("layers",)
    """Probes of the trained weights."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""
    out: str = "runs/study"
    """The folder of the run."""

    @field_validator("methods", mode="before")
    @classmethod
    def _name_methods(cls, values: Any) -> Any:
        if not isinstance(values, (list, tuple)):
            raise ValueError("methods is a list, for example [original, common, delia]")
        return tuple(_choice(value) for value in values)

    @model_validator(mode="after")
    def _check(self) -> Self:
        labels = [method.label for method in self.methods]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"methods: the label {twice[0]!r} is used twice; give each its own `label`")
        for field in ("sizes", "seeds", "methods"):
            if not getattr(self, field):
                raise ValueError(f"{field}: at least one is needed")
        return self


def read(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a YAML file. Raises RecipeError with every fault, or UserError when it can't be read."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"the recipe {path} does not exist", "leaven ls recipes lists those that ship.") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise UserError(f"{path} is not a YAML file: {error}", "A recipe is a YAML mapping.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is not a mapping", "A recipe looks like `methods: [original, delia]`.")
    return parse({**values, **(overrides or {})}, str(path))


def parse(values: Mapping[str, Any], place: str) -> Recipe:
    """The checked recipe of these values; `place` names them in messages. Raises RecipeError with every fault."""
    try:
        recipe = Recipe.model_validate(values)
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors()] + _method_faults(values.get("methods"))
        raise RecipeError(place, faults, "leaven schema prints every key.") from None
    if faults := _method_faults(values.get("methods")) + _probe_faults(recipe.probes):
        raise RecipeError(place, faults, "leaven ls methods lists the methods and their settings.")
    return recipe


def write(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, every default included, as YAML."""
    values = json.loads(recipe.model_dump_json())
    values["methods"] = [{"name": m.name, "label": m.label, **m.config} for m in recipe.methods]
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _choice(value: Any) -> Any:
    if isinstance(value, MethodChoice):
        return value
    if isinstance(value, str):
        return MethodChoice(name=value, label=Path(value).stem)
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError(f"a method is a name or a mapping with `name`, not {value!r}")
    rest = {key: item for key, item in value.items() if key not in ("name", "label")}
    return MethodChoice(name=value["name"], label=str(value.get("label", Path(value["name"]).stem)), config=rest)


def _method_faults(values: Any) -> list[str]:
    """What is wrong with the names and settings of the methods, each checked by its own plug's Config."""
    faults: list[str] = []
    for value in values if isinstance(values, (list, tuple)) else []:
        try:
            choice = _choice(value)
            plugs.load("methods", choice.name).Config.model_validate(choice.config)
        except ValidationError as error:
            faults += [f"methods.{choice.label}.{_sentence(fault, error.title)}" for fault in error.errors()]
        except UserError as error:
            faults.append(f"methods: {error.problem}. {error.hint}")
        except ValueError:
            continue  # the shape itself is wrong: the recipe's own check says so
    return faults


def _probe_faults(probes: tuple[str, ...]) -> list[str]:
    known = plugs.names("probe")
    return [f"probes: {name!r} is no probe. {nearest(name, known)}" for name in probes if name not in known]


def _sentence(fault: Any, title: str = "Recipe") -> str:
    """One pydantic fault as `key: what is wrong`, with the nearest known key for an unknown one."""
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = _keys(fault["loc"][:-1]) if title == "Recipe" else []
        return f"{place}: unknown key. {nearest(str(fault['loc'][-1]), known) if known else ''}".strip()
    value = "" if fault["type"] in ("missing", "value_error") else f" (it is {fault['input']!r})"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}{value}" if place else message


def _keys(loc: tuple[Any, ...]) -> list[str]:
    """The keys that the section at `loc` knows."""
    section: Any = Recipe
    for part in loc:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
