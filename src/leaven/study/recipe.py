"""The recipe of a study: every setting, checked at once; YAML in, a resolved copy out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from leaven import plugs
from leaven.delia.ablations import ABLATIONS, expand
from leaven.delia.settings import AUTO, DiversifyConfig
from leaven.errors import RecipeError, UserError, nearest
from leaven.llm.settings import LLMSection
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.columns import Columns
from leaven.rows.leaks import LeaksSection
from leaven.scale.settings import ScaleSection
from leaven.section import Section, faults
from leaven.study.settings import PilotSection, Tracker
from leaven.task.settings import EvaluateSection
from leaven.task.token import TokenSection

JSON_OF_BEFORE = {"keys": ["thought", "hallucination"], "labels": ["yes", "no"], "label_key": "hallucination"}
"""Settings that stood in `evaluate` when every token meant an object, with the defaults that they had."""

Natural = Annotated[int, Field(ge=0)]

RECIPES = Path(__file__).parent / "recipes"
PYTHON_TEST, PYTHON_QUERIES = "test rows", "queries"
"""What a recipe calls test rows and queries that a caller in Python has, and no file."""
DELIA = "delia"
"""The method that a ratio is sought for, that is explained, and whose passes each have diverse rows of their own."""
ORIGINAL = "original"
"""The method that trains nothing: in all that a study says, the method of this label is the untouched model."""


class MethodChoice(BaseModel):
    """A method of the table: its plug, its label, its own settings, and what of the study it has no part in.

    Without `sizes`, `tests`, `probes` or `first_seeds` it has a part in all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    label: str
    config: dict[str, Any] = Field(default_factory=dict)
    sizes: tuple[int, ...] = ()
    tests: tuple[str, ...] | None = None
    probes: tuple[str, ...] | None = None
    first_seeds: int = Field(0, ge=0)
    """Of the recipe's seeds the first so many; 0: all."""

    @property
    def settings(self) -> Any:
        """Its settings, every default filled in: the `Config` of its plug."""
        return plugs.load("methods", self.name).Config.model_validate(self.config)

    def takes(self, test: str) -> bool:
        """Whether the method has a part in this test."""
        return self.tests is None or test in self.tests

    def part(self) -> dict[str, Any]:
        """The sizes, tests, probes and seeds that it has a part in, where that is not all of them."""
        parts = {"sizes": self.sizes or None, "tests": self.tests, "probes": self.probes}
        several = {name: part for name, part in parts.items() if part is not None}
        return several | ({"first_seeds": self.first_seeds} if self.first_seeds else {})


class Recipe(Section):
    """A study: methods × sizes × seeds on one task."""

    model: str = "lab"
    """A folder or hub id of a causal language model; `lab` is the tiny one that ships with leaven."""
    task: str = "lab"
    """The task rows, a file; `lab` is the lab's own task, `lab-translation` its other one, `own-answers` any model's:
    short questions that ship, and its own answers to them in an object."""
    test: str | None = None
    """The test rows, a file."""
    queries: str = "lab"
    """The pool whose questions the model answers for itself, a file; `lab` is the lab's own pool, `questions` the one
    that ships for any model, `self`: the model writes them too."""
    format: str = "auto"
    """The format of the files: auto, messages, alpaca, sharegpt, prompt-completion, or two fields: question/answer.
    Test rows and queries may have another one."""
    columns: Columns = Field(default_factory=dict)
    """Fields of your own: which is the `question`, the `answer`, the `system` message, or all `messages`. Test rows and
    queries may have others, of a known format."""
    strict: bool = False
    """Refuse a file with a row that can't be used."""
    token: TokenSection = TokenSection()
    methods: tuple[MethodChoice, ...] = ()
    """Names of methods, or mappings of `name`, `label`, own settings, and where not all, `sizes`, `tests`, `probes` and
    how many `first_seeds`."""
    sizes: tuple[Natural, ...] = (100,)
    """Task rows drawn for training, one column of the table each; 0: all rows."""
    seeds: tuple[Natural, ...] = (0,)
    """Seeds: each draws its own rows, samples and initial weights."""
    llm: LLMSection = LLMSection()
    sampler: str = ""
    """An engine that samples the buffer in the model's place, by the servers of `llm`: the same model behind vLLM, as
    openai:MODEL; '': the model itself, in this process."""
    sample: SampleSection = SampleSection()
    tune: TuneSection = TuneSection()
    diversify: DiversifyConfig = DiversifyConfig()
    evaluate: EvaluateSection = EvaluateSection()
    pilot: PilotSection = PilotSection()
    leaks: LeaksSection = LeaksSection()
    scale: ScaleSection = ScaleSection()
    probes: tuple[str, ...] = ("layers",)
    """Probes of the trained weights."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""
    report_to: tuple[Tracker, ...] = ()
    """Trackers that get the losses and scores of each cell: trackio, wandb, tensorboard."""
    out: str = "runs/study"
    """The folder of the run."""

    @property
    def needs_pilot(self) -> bool:
        """Whether the ratio of a method is still to be found."""
        return any(method.config.get("ratio") == AUTO for method in self.methods)

    def at_ratio(self, ratio: float) -> "Recipe":
        """The recipe with this ratio in every method whose own is `auto`."""
        methods = [
            method.model_copy(update={"config": {**method.config, "ratio": ratio}})
            if method.config.get("ratio") == AUTO
            else method
            for method in self.methods
        ]
        return self.model_copy(update={"methods": tuple(methods)})

    @property
    def at_largest_ratio(self) -> "Recipe":
        """The recipe with the largest ratio that its pilot may come to."""
        return self.at_ratio(max(self.pilot.ratios))

    def sizes_of(self, task_rows: int) -> tuple[int, ...]:
        """The sizes for a task of so many rows, which 0 stands for."""
        return tuple(dict.fromkeys(size or task_rows for size in self.sizes))

    @model_validator(mode="before")
    @classmethod
    def _read_recipes_of_before(cls, values: Any) -> Any:
        return _with_answers(values) if isinstance(values, Mapping) else values

    @field_validator("report_to", mode="before")
    @classmethod
    def _one_tracker(cls, values: Any) -> Any:
        return (values,) if isinstance(values, str) and values else values or ()

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
            if method.label == ORIGINAL != method.name:
                raise ValueError(f"methods: {ORIGINAL!r} is the label of the untouched model, not of {method.name}")
            if other := sorted(set(method.sizes) - set(self.sizes)):
                raise ValueError(f"methods.{method.label}.sizes: {other[0]} is not one of the recipe's sizes")
            if unlike := sorted(set(method.probes or ()) - set(self.probes)):
                raise ValueError(f"methods.{method.label}.probes: {unlike[0]} is not one of the recipe's probes")
        if unfit := [label for label in labels if not label or set(label) & set("/\\")]:
            raise ValueError(f"methods: the label {unfit[0]!r} names a folder too: leave out / and \\")
        for field in ("sizes", "seeds", "methods"):
            values = getattr(self, field)
            if not values:
                raise ValueError(f"{field}: at least one is needed")
            if field != "methods" and len(set(values)) < len(values):
                raise ValueError(f"{field}: {max(values, key=values.count)} is there twice")
        return self


def shipped(name: str) -> Path:
    """The path of a recipe: a file, or the name of one that ships. Raises UserError for a name of neither."""
    names = [path.stem for path in RECIPES.glob("*.yaml")]
    if name in names:
        return RECIPES / f"{name}.yaml"
    if not name.endswith((".yaml", ".yml")) and not Path(name).exists():
        raise UserError(f"there is no recipe called {name!r}", nearest(name, names))
    return Path(name)


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
        wrong = faults(error, Recipe) + _method_faults(values.get("methods"))
        raise RecipeError(place, wrong, "leaven schema prints every key.") from None
    if wrong := _method_faults(values.get("methods")) + _plug_faults(recipe):
        raise RecipeError(place, wrong, "leaven ls methods lists the methods and their settings.")
    return recipe


def write(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe, every default included, as YAML."""
    values = json.loads(recipe.model_dump_json())
    values["methods"] = [{"name": m.name, "label": m.label, **_listed(m.part()), **m.config} for m in recipe.methods]
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _listed(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in part.items()}


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
        value = {"name": value}
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise ValueError(f"a method is a name or a mapping with `name`, not {value!r}")
    parts = {key: value[key] for key in ("sizes", "tests", "probes", "first_seeds") if key in value}
    rest = {key: item for key, item in value.items() if key not in ("name", "label", *parts)}
    label = str(value.get("label", plugs.title(value["name"])))
    name, config = expand(value["name"], rest)
    return MethodChoice(name=name, label=label, config=config, **parts)


def _method_faults(values: Any) -> list[str]:
    """What is wrong with the names and settings of the methods, each checked by its own plug's Config."""
    sentences: list[str] = []
    for value in values if isinstance(values, (list, tuple)) else []:
        try:
            choice = _choice(value)
            config = plugs.load("methods", choice.name, also=ABLATIONS).Config
            config.model_validate(choice.config)
        except ValidationError as error:
            sentences += faults(error, config, f"methods.{choice.label}")
        except UserError as error:
            sentences.append(f"methods: {error.problem}. {error.hint}")
        except ValueError:
            continue  # the shape itself is wrong: the recipe's own check says so
    return sentences


def _plug_faults(recipe: Recipe) -> list[str]:
    """Names of probes and metrics that no file has, and files that are none; a test is made by a metric with `rows`."""
    metrics, more = ["auto", *plugs.names("metrics")], recipe.evaluate.more_tests
    makers = [name for name in metrics[1:] if more and hasattr(plugs.load("metrics", name), "rows")]
    return [
        *_unknown("probes", "probe", recipe.probes, plugs.names("probes")),
        *_unknown("evaluate.metric", "metric", (recipe.evaluate.metric,), metrics),
        *_unknown("evaluate.tests.metric", "metric", [test.metric for test in recipe.evaluate.tests], metrics),
        *_unknown("evaluate.more_tests", "test that can be made", more, makers),
    ]


def _unknown(field: str, what: str, choices: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    kind = "probes" if field == "probes" else "metrics"
    for name in choices:
        if not name.endswith(".py"):
            if name not in names:
                yield f"{field}: {name!r} is no {what}. {nearest(name, names)}"
            continue
        try:
            plug = plugs.load(kind, name)
        except UserError as error:
            yield f"{field}: {error.problem}. {error.hint}"
        else:
            if field == "evaluate.more_tests" and not hasattr(plug, "rows"):
                yield f"{field}: {name} is no {what}: it has no function rows(tests, token)"
