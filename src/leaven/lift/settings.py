"""The settings of a lift: all that can change what it keeps, written into its folder.

What a maker or a selector can be told is said once, by its own `Config`; here stand which of them there are.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_serializer, model_validator

from leaven.errors import UserError, nearest
from leaven.lift import embedding
from leaven.lift.embedding import AUTO
from leaven.lift.makers.evolve import Config as Evolve
from leaven.lift.makers.reanswer import Config as Reanswer
from leaven.lift.recipe import MAKERS, Stage, halves, labelled, named
from leaven.lift.selectors.variety import Config as Variety
from leaven.rows.columns import Columns
from leaven.rows.texts import Part
from leaven.runs import content, journal
from leaven.runs import folder as runs
from leaven.section import Section, faults

FLAT = {
    "rounds": ("evolve", "rounds"),
    "start": ("evolve", "start"),
    "tactics": ("evolve", "tactics"),
    "eliminate": ("evolve", "eliminate"),
    "keep_variety": ("variety", "keep"),
    "compat": ("variety", "compat"),
}
"""Settings that have a short name: that of their flag, and of the recipes and journals of before."""
Step = Literal["before", "reanswer", "evolve", "against", "variety", "dedup", "quality"]
"""Settings that say LIFT's stages; a recipe that says `stages` itself has none of them."""
STEPS: tuple[Step, ...] = get_args(Step)
RECIPES = Path(__file__).parent / "recipes"
"""The recipes that ship; `lift` is what a lift does where nothing else is said."""
SWITCHES = ("rounds", "keep_variety")
"""Short names that bring back a step that is left out."""
PARTS: dict[str, type[Section]] = {"reanswer": Reanswer, "evolve": Evolve, "variety": Variety}
"""Steps with settings of their own, which can be left out."""


def _name_or_mapping(schema: dict[str, Any]) -> None:
    mapping = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    about = schema.get("description", "")
    schema.clear()
    schema |= {"description": about, "anyOf": [{"type": "string"}, mapping]}


class Selector(Section):
    """A selector by its name or path, and its own settings: `length`, or `{name: length, percentile: 90}`."""

    model_config = ConfigDict(json_schema_extra=_name_or_mapping)

    name: str
    """Its name (leaven ls selectors) or a .py file; '': none."""
    config: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and "config" not in value:
            return {"name": value.get("name"), "config": {k: v for k, v in value.items() if k != "name"}}
        return value

    @model_serializer
    def _short(self) -> str | dict[str, Any]:
        return {"name": self.name, **self.config} if self.config else self.name


@cache
def paper() -> tuple[Step, ...]:
    """The order of the paper's steps, as the recipe `lift` says it."""
    return tuple(file(RECIPES / "lift.yaml")["steps"])


class Settings(Section):
    """From an instruction dataset to a small one (LIFT, arXiv 2312.11508)."""

    data: str
    """The rows."""
    format: str = "auto"
    """Their format."""
    columns: Columns = Field(default_factory=dict)
    """Fields of your own: question, answer, system, messages."""
    strict: bool = False
    """Refuse a file with a row that can't be used."""
    llm: str = ""
    """The engine that answers anew, rewrites and judges; '' expands nothing."""
    judge: str = ""
    """The engine that judges, where it is not the one that writes."""
    stages: tuple[Stage, ...] = ()
    """Makers and selectors by their names, each with its settings, in the order that rows pass them; none: LIFT's."""
    steps: tuple[Step, ...] = Field(default_factory=paper)
    """The order of LIFT's steps, each of which the setting of its name fits or leaves out; not said: the paper's."""
    before: tuple[Stage, ...] | None = None
    """Selectors that rows pass before anything is paid for (again for each); not said: exact, where anything is."""
    reanswer: Reanswer | None = Reanswer()
    """How the original questions are answered anew (their old answers leave); off: they are not."""
    evolve: Evolve | None = Evolve()
    """How rows are made harder, in rounds; off: they are not."""
    against: tuple[str, ...] = ()
    """Benchmark files: rows that give one of them away leave before anything is selected (again for each)."""
    embedder: str = AUTO
    """Makes the embeddings: minilm, lsa, st:MODEL, openai:MODEL (at OPENAI_BASE_URL), or a .py file of yours; auto:
    minilm where it was got (leaven model get minilm), else lsa, with k_center in variety's place."""
    embeddings: str = ""
    """Embeddings that are there already, where nothing is expanded: FILE.npy or FILE.parquet:COLUMN."""
    embed_text: Part = "all"
    """What of a row is embedded: all (instruction, input, output), question or answer."""
    variety: Variety | None = Variety()
    """Which share of the rows variety keeps, and how it is taken; off: all."""
    dedup: Selector = Selector(name="")
    """A selector that removes near copies after variety: exact, minhash, semantic, or a .py file; '': none."""
    quality: Selector = Selector(name="quality")
    """The selector that has the last word: quality (a judge), length, ifd, random, or a .py file; '': none."""
    model: str = ""
    """The causal model of selectors that measure with one (ifd): a folder, a hub id, or lab."""
    n: int = Field(10_000, ge=1)
    """Rows to keep at most; with `refill`, more are made until there are as many."""
    refill: int = Field(0, ge=0)
    """How often, at most, more rows are made where fewer than `n` are accepted."""
    failures: float = Field(0.05, ge=0, le=1)
    """The share of a stage's calls that may fail; with more it stops, and the same command asks for those again. With 1
    it does not stop either where many replies of a maker made no row."""
    seed: int = 0
    """Another seed, another draw wherever there is one."""

    @model_validator(mode="before")
    @classmethod
    def _read_short_names(cls, values: Any) -> Any:
        return _nested(values) if isinstance(values, Mapping) else values

    @property
    def plan(self) -> tuple[Stage, ...]:
        """The stages in their order, each under a label of its own."""
        return labelled(self.stages or self._lift())

    @property
    def spread(self) -> bool:
        """Whether k-centre stands in variety's place, since LSA, which nobody named, can't tell what is varied."""
        return not self.embeddings and embedding.left_to_lsa(self.embedder)

    @property
    def order(self) -> tuple[str, ...]:
        """The labels of the stages, with those that are always there."""
        making, selecting = ([stage.name for stage in half] for half in halves(self.plan))
        return ("read", *making, "answers", *selecting, "n")

    def _lift(self) -> Iterator[Stage]:
        """The stages of LIFT's steps, in the order of the recipe, as far as the settings leave them."""
        for step in self.steps:
            yield from self._step(step)

    def _step(self, step: Step) -> Iterator[Stage]:
        match step:
            case "before":
                makers = self.llm and any(getattr(self, maker) is not None for maker in MAKERS)
                copies = (Stage(plug="exact", label="copies"),) if makers or self.judge else ()
                yield from copies if self.before is None else self.before
            case "reanswer" | "evolve":
                maker: Section | None = getattr(self, step)
                if self.llm and maker is not None:
                    yield Stage(plug=step, config=maker.model_dump(exclude_defaults=True))
            case "against":
                if self.against:
                    yield Stage(plug="guard", config={"against": list(self.against)})
            case "variety":
                if self.variety and self.variety.keep < 1:
                    own = self.variety.model_dump(exclude={"n"}, exclude_defaults=True)
                    keep = {"keep": self.variety.keep}
                    yield Stage(plug="k_center", config=keep) if self.spread else Stage(plug="variety", config=own)
            case "dedup" | "quality":
                selector: Selector = getattr(self, step)
                if selector.name:
                    yield Stage(plug=selector.name, label=step, config=selector.config)

    @model_validator(mode="after")
    def _no_step_unheard(self) -> "Settings":
        if len(set(self.steps)) < len(self.steps):
            raise ValueError("steps: one is there twice")
        fields = type(self).model_fields
        for step in STEPS:
            if step not in self.steps and getattr(self, step) != fields[step].default:
                raise ValueError(f"{step}: the recipe's steps leave it out, so it can't be set")
        return self

    @model_validator(mode="after")
    def _labels_of_their_own(self) -> "Settings":
        labelled(self.stages or self._lift())
        return self

    @field_validator("variety")
    @classmethod
    def _share_only(cls, config: Variety | None) -> Variety | None:
        if config and config.n:
            raise ValueError("how many rows are kept is said by n; of variety, the share: keep")
        return config


FREE = ("n", "keep_variety", "compat", "variety", "dedup", "quality", "stages", "seed")
"""What `--from` may change: no other setting is left undone by a run, so nothing has to be asked or embedded again."""


PACKAGES = ("numpy", "polars", "scikit-learn")
MODEL_PACKAGES = ("torch", "transformers", "sentence-transformers")


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those of short names, and of paths like `quality.twice`, in the steps that they are about."""
    if values.get("stages"):
        return _staged(values)
    paths = {key: path for key, path in FLAT.items() if key in values}
    paths |= {key: (key.partition(".")[0], key.partition(".")[2]) for key in values if "." in key}
    nested = {key: value for key, value in values.items() if key not in paths}
    for part in PARTS:
        if isinstance(nested.get(part), bool):  # YAML reads `off` as false
            nested[part] = {} if nested[part] else None
    for key, (part, name) in paths.items():
        own = nested.get(part, {})
        if own is None and key not in SWITCHES:
            continue  # what is left out has no settings
        own = own.model_dump() if isinstance(own, Section) else own or {}
        if part in ("dedup", "quality"):
            own = {"name": own or Settings.model_fields[part].default.name} if isinstance(own, str) or not own else own
        nested[part] = None if key == "rounds" and values[key] == 0 else {**own, name: values[key]}
    return nested


def _staged(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those of paths like `evolve.rounds` in the stages of these labels."""
    if keys := [name for name in values if name in ("steps", *STEPS, *FLAT)]:
        raise ValueError(f"the recipe says its stages, so that {', '.join(keys)} can't be set beside them")
    stages = {stage.name: stage for stage in labelled(Stage.model_validate(one) for one in values["stages"])}
    for path, value in values.items():
        label, dot, key = path.partition(".")
        if dot:
            stage = named(stages.values(), label)
            stages[label] = stage.model_copy(update={"config": {**stage.config, key: value}})
    return {**{key: one for key, one in values.items() if "." not in key}, "stages": list(stages.values())}


def written(settings: Settings) -> dict[str, Any]:
    """The settings as a recipe says them, which has LIFT's steps or its own stages."""
    return settings.model_dump(mode="json", exclude={"steps", *STEPS} if settings.stages else {"stages"})


def claim(folder: Path, settings: Settings, source: Path | None = None, continue_anyway: bool = False) -> None:
    """Write into the folder what the lift is, or make sure that the one that is there is the same.

    `source` is the lift that it takes over from. Raises UserError that names all that differs, and for a folder of an
    earlier leaven.
    """
    journal.refuse_others(folder, "seed")
    last = [event["name"] for event in runs.events(folder, "stage")][-1:]
    journal.claim(
        folder / journal.NAME,
        identity(settings, source),
        since=f"the stage {last[0]}" if last else "",
        continue_anyway=continue_anyway,
        hint=f"{journal.HINT} What it paid for can be had too: leaven lift --from {folder} --out FOLDER.",
    )
    text = yaml.safe_dump(written(settings), sort_keys=False, allow_unicode=True)
    runs.write_text(folder / "recipe.yaml", text)


def identity(settings: Settings, source: Path | None = None) -> dict[str, Any]:
    """Settings with the contents of the files that they name, or what is taken over from another lift; versions."""
    values = content.named(_flat(settings))
    if source is not None:
        files = [str(file) for file in (source / "rows.parquet", *sorted(source.glob("scores/*.parquet")))]
        values |= {"data": Path(settings.data).name, "from": content.leaf(source.resolve().name, content.key(files))}
    specs = (settings.llm, settings.judge, embedding.resolved(settings.embedder))
    local = settings.model or any(spec.startswith(("hf:", "vllm:", "st:", "minilm")) for spec in specs)
    return {"settings": values, "versions": content.versions(*PACKAGES, *(MODEL_PACKAGES if local else ()))}


def _flat(settings: Settings) -> dict[str, Any]:
    """The settings by their short names, as journals have them; of the others, those that are not the default."""
    off: dict[str, Any] = {"reanswer": False, "rounds": 0, "keep_variety": 1.0}
    values: dict[str, Any] = {}
    sections = written(settings)
    for name in ("strict", "failures"):  # what they change is what stops a run, not its rows
        del sections[name]
    unsaid = (("before", None), ("refill", 0), ("steps", list(paper())))
    sections = {name: value for name, value in sections.items() if (name, value) not in unsaid}
    for field, value in sections.items():
        if field not in PARTS:
            values[field] = value
            continue
        if field == "reanswer":
            values[field] = value is not None
        default = PARTS[field]().model_dump(mode="json")
        own = {**default, **(value or {})}
        for key, name in ((key, name) for key, (part, name) in FLAT.items() if part == field):
            values[key] = own.pop(name) if value is not None else off.get(key, default[name])
        values |= {f"{field}.{name}": one for name, one in own.items() if one != default[name]}
    return values


def parse(values: Mapping[str, Any], called: Callable[[str], str] = str) -> Settings:
    """The settings of these values. Raises UserError with every fault; `called` is what a setting is called there."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        short = {".".join(path): key for key, path in FLAT.items() if key in values}
        sentences = (fault.partition(": ") for fault in faults(error, Settings))
        # What is wrong between settings has no path, and one of several values has its number: evolve.tactics.0.
        names = ((short.get(path, short.get(path.rpartition(".")[0], path)), path, what) for path, _, what in sentences)
        wrong = "; ".join(f"{called(name)}: {what}" if what else path for name, path, what in names)
        raise UserError(wrong, "leaven lift --help and leaven schema lift list the settings.") from None


def shipped(name: str) -> Path:
    """The path of a recipe: a file, or the name of one that ships. Raises UserError for a name of neither."""
    there = [path.stem for path in RECIPES.glob("*.yaml")]
    if name not in there and not name.endswith((".yaml", ".yml")) and not Path(name).exists():
        raise UserError(f"there is no recipe of a lift called {name!r}", nearest(name, there))
    return RECIPES / f"{name}.yaml" if name in there else Path(name)


def file(path: Path) -> dict[str, Any]:
    """The settings that a recipe says. Raises UserError for a file that is none."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(
            f"the recipe {path} can't be read: {error}", "leaven schema lift lists the settings."
        ) from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is not the recipe of a lift", "leaven schema lift lists the settings.")
    return values


def read(folder: Path) -> Settings:
    """The settings of a lift. Raises UserError for a folder that holds none."""
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder} holds no lift", "Name the folder of one: leaven lift DATA --out FOLDER.")
    return parse(file(path))
