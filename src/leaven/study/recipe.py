"""The recipe of a study: every setting, checked at once; YAML in, a resolved copy out."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from leaven import plugs
from leaven.errors import RecipeError, UserError, nearest
from leaven.llm.settings import LLMSection
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.leaks import LeaksSection
from leaven.section import Section
from leaven.task.settings import EvaluateSection
from leaven.task.token import TokenSection

JSON_OF_BEFORE = {"keys": ["thought", "hallucination"], "labels": ["yes", "no"], "label_key": "hallucination"}
"""Settings that stood in `evaluate` when every token meant an object, with the defaults that they had."""


class MethodChoice(BaseModel):
    """A method of the table: its plug, its label, and its own settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    label: str
    config: dict[str, Any] = Field(default_factory=dict)
    sizes: tuple[int, ...] = ()


class Recipe(Section):
    """A study: methods × sizes × seeds on one task."""

    model: str = "lab"
    """A folder or hub id of a causal language model; `lab` is the tiny one that ships with leaven."""
    task: str = "lab"
    """The task rows, a file; `lab` is the lab's own task, `lab-translation` its other one."""
    test: str | None = None
    """The test rows, a file."""
    queries: str = "lab"
    """The pool whose questions the model answers for itself, a file; `lab` is the lab's own pool."""
    format: str = "auto"
    """The format of the files: auto, messages, alpaca, sharegpt, prompt-completion, or two fields: question/answer."""
    token: TokenSection = TokenSection()
    methods: tuple[MethodChoice, ...] = ()
    """Names of methods, or mappings of `name`, `label`, `sizes` (of the recipe's, where not all) and own settings."""
    sizes: tuple[int, ...] = (100,)
    """Task rows drawn for training, one column of the table each; 0: all rows."""
    seeds: tuple[int, ...] = (0,)
    """Seeds: each draws its own rows, samples and initial weights."""
    llm: LLMSection = LLMSection()
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

    @model_validator(mode="before")
    @classmethod
    def _read_recipes_of_before(cls, values: Any) -> Any:
        return _with_answers(values) if isinstance(values, Mapping) else values

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
        for method in self.methods:
            if other := sorted(set(method.sizes) - set(self.sizes)):
                raise ValueError(f"methods.{method.label}.sizes: {other[0]} is not one of the recipe's sizes")
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
    if faults := _method_faults(values.get("methods")) + _plug_faults(recipe):
        raise RecipeError(place, faults, "leaven ls methods lists the methods and their settings.")
    return recipe


def write(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, every default included, as YAML."""
    values = json.loads(recipe.model_dump_json())
    values["methods"] = [
        {"name": m.name, "label": m.label, **({"sizes": list(m.sizes)} if m.sizes else {}), **m.config}
        for m in recipe.methods
    ]
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _with_answers(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values with what `evaluate` said of objects as settings of the token's JSON format."""
    evaluate, token = values.get("evaluate"), values.get("token", {})
    if not isinstance(evaluate, Mapping) or not isinstance(token, Mapping):
        return values
    old = {name: evaluate[name] for name in JSON_OF_BEFORE if name in evaluate}
    if new := {name: value for name, value in old.items() if value != JSON_OF_BEFORE[name]}:
        token = {"answers": "json", **token, "answer_settings": {**new, **token.get("answer_settings", {})}}
    rest = {name: value for name, value in evaluate.items() if name not in old or name in EvaluateSection.model_fields}
    return {**values, "evaluate": rest, "token": token}


def _choice(value: Any) -> Any:
    if isinstance(value, MethodChoice):
        return value
    if isinstance(value, str):
        return MethodChoice(name=value, label=Path(value).stem)
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError(f"a method is a name or a mapping with `name`, not {value!r}")
    rest = {key: item for key, item in value.items() if key not in ("name", "label", "sizes")}
    label, sizes = str(value.get("label", Path(value["name"]).stem)), value.get("sizes", ())
    return MethodChoice(name=value["name"], label=label, config=rest, sizes=sizes)


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


def _plug_faults(recipe: Recipe) -> list[str]:
    """Names of probes and metrics that no file has; a test that is made needs a metric with `rows`."""
    probes, metrics = plugs.names("probes"), plugs.names("metrics")
    wanted = recipe.evaluate.more_tests  # the files are only looked into where a test is to be made
    makers = [name for name in metrics if wanted and hasattr(plugs.load("metrics", name), "rows")]
    asked = (
        ("probes", "probe", recipe.probes, probes),
        ("evaluate.metric", "metric", (recipe.evaluate.metric,), metrics),
        ("evaluate.more_tests", "test that can be made", wanted, makers),
    )
    return [
        f"{field}: {name!r} is no {what}. {nearest(name, known)}"
        for field, what, names, known in asked
        for name in names
        if name not in known
    ]


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
