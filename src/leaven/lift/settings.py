"""The settings of a lift: all that can change what it keeps, written into its folder."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.embedding import Part
from leaven.lift.makers.evolve import Rule, Tactic
from leaven.rows.columns import Columns
from leaven.runs import content, journal
from leaven.runs import folder as runs
from leaven.section import Section


class Plan(Section):
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
    reanswer: bool = True
    """Whether the original questions are answered anew (their old answers leave)."""
    rounds: int = Field(2, ge=0)
    """Rounds of rewriting; each brings as many rows as the data have."""
    start: Literal["original", "previous"] = "original"
    """What each round rewrites: the original rows, or those that the round before made."""
    tactics: tuple[Tactic, ...] = ()
    """How rows are made harder (leaven ls tactics); none: one for each row, by its kind; paper: all at once."""
    eliminate: tuple[Rule, ...] = ()
    """Rules by which made rows are dropped: no_gain, refusal, copied, unanswerable."""
    against: tuple[str, ...] = ()
    """Benchmark files: rows that give one of them away leave before anything is selected."""
    embedder: str = "lsa"
    """Makes the embeddings: lsa, st:MODEL, openai:MODEL, or a .py file of yours."""
    embeddings: str = ""
    """Embeddings that are there already, where nothing is expanded: FILE.npy or FILE.parquet:COLUMN."""
    embed_text: Part = "all"
    """What of a row is embedded: all (instruction, input, output), question or answer."""
    keep_variety: float = Field(0.2, gt=0, le=1)
    """The share of the rows that variety keeps; 1: all, variety is left out."""
    compat: Literal["paper", "exact"] = "paper"
    """How variety is taken: paper or exact."""
    dedup: str = ""
    """A selector that removes near copies after variety: exact, minhash, semantic, or a .py file; '': none."""
    quality: str = "quality"
    """The selector that has the last word: quality (a judge), length, ifd, random, or a .py file; '': none."""
    model: str = ""
    """The causal model of selectors that measure with one (ifd)."""
    n: int = Field(10_000, ge=1)
    """Rows to keep at most."""
    seed: int = 0
    """Another seed, another draw wherever there is one."""


FREE = ("n", "keep_variety", "compat", "dedup", "seed")
"""What `--from` may change: no other setting is left undone by a run, so nothing has to be asked or embedded again."""


TAKEN = ("rows.parquet", "embeddings.npy", "stages/quality.parquet")
"""What of another lift decides what is kept."""
PACKAGES = ("numpy", "polars", "scikit-learn")
MODEL_PACKAGES = ("torch", "transformers", "sentence-transformers")


def claim(folder: Path, plan: Plan, source: Path | None = None, continue_anyway: bool = False) -> None:
    """Write into the folder what the lift is, or make sure that the one that is there is the same.

    `source` is the lift that it takes over from. Raises UserError that names all that differs, and for a folder of an
    earlier leaven.
    """
    journal.refuse_older(folder, "recipe.yaml", f"leaven report {folder}")
    last = [event["name"] for event in runs.events(folder, "stage")][-1:]
    journal.claim(
        folder / journal.NAME,
        identity(plan, source),
        since=f"the stage {last[0]}" if last else "",
        continue_anyway=continue_anyway,
        hint=f"{journal.HINT} What it paid for can be had too: leaven lift --from {folder} --out FOLDER.",
    )
    text = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    runs.write_text(folder / "recipe.yaml", text)


def identity(plan: Plan, source: Path | None = None) -> dict[str, Any]:
    """Settings with the contents of the files that they name, or what is taken over from another lift; versions."""
    settings = content.named(plan.model_dump(mode="json", exclude={"strict"}))
    if source is not None:
        files = [str(source / name) for name in TAKEN if (source / name).is_file()]
        settings |= {"data": Path(plan.data).name, "from": content.leaf(source.resolve().name, content.key(files))}
    specs = (plan.llm, plan.judge, plan.embedder)
    local = plan.model or any(spec.startswith(("hf:", "vllm:", "st:")) for spec in specs)
    return {"settings": settings, "versions": content.versions(*PACKAGES, *(MODEL_PACKAGES if local else ()))}


def read(folder: Path) -> Plan:
    """The plan of a lift. Raises UserError for a folder that holds none."""
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder} holds no lift", "Name the folder of one: leaven lift DATA --out FOLDER.")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or set(values) - set(Plan.model_fields):
        raise UserError(f"{path} is not the plan of a lift", "Name the folder of one: leaven lift DATA --out FOLDER.")
    return Plan.model_validate(values)
