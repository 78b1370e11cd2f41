"""The settings of a lift: all that can change what it keeps, written into its folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from leaven.errors import UserError
from leaven.lift.embedding import Part
from leaven.lift.makers.evolve import Rule, Tactic
from leaven.rows.columns import Columns
from leaven.runs import folder as runs
from leaven.section import Section


class Plan(Section):
    """From an instruction dataset to a small one (LIFT, papers.md 1)."""

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


def claim(folder: Path, plan: Plan) -> None:
    """Write the plan into its folder, or make sure that the one that is there is the same."""
    path = folder / "recipe.yaml"
    if path.exists():
        differ = list(differences(read(folder), plan))
        if differ:
            raise UserError(
                f"{folder} holds a lift with other settings: {'; '.join(differ)}",
                f"Choose another --out, or reuse what it paid for: leaven lift --from {folder} --out FOLDER.",
            )
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    runs.write_text(path, text)


def read(folder: Path) -> Plan:
    """The plan of a lift. Raises UserError for a folder that holds none."""
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder} holds no lift", "Name the folder of one: leaven lift DATA --out FOLDER.")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict) or set(values) - set(Plan.model_fields):
        raise UserError(f"{path} is not the plan of a lift", "Name the folder of one: leaven lift DATA --out FOLDER.")
    return Plan.model_validate(values)


def differences(old: Plan, new: Plan) -> Iterator[str]:
    """What differs, setting by setting."""
    for name in Plan.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"{name} is {before!r} there, {after!r} here"
