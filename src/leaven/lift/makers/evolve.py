"""Rewrite each task into a harder one, in rounds, and answer it (the expansion of LIFT, arXiv 2312.11508).

Each round is two calls a row: a rewriting, and the answer to it. What failed is a drop with its reason and its parent,
so that nothing shifts. Of a conversation the last request is rewritten, and all before it is shown and kept.
WizardLM's elimination rules (2304.12244) are there for who asks for them; LIFT has none.
"""

import hashlib
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, Field

from leaven.errors import UserError, nearest
from leaven.llm.parse import Parsed, structured
from leaven.llm.prompts.render import FOLDER, render, source
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.llm.replies import all_of, fault
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, Prompt, answered, user
from leaven.rows.outcomes import FAILED, Outcome
from leaven.section import Section
from leaven.task.sift import alike

Rule = Literal["no_gain", "refusal", "copied", "unanswerable"]
PAPER = "paper"
_CODE = re.compile(
    r"```|\b(?:def|class|import|return|SELECT|printf?)\b\s*[\w(*{]|\b(?:code|program|python|java(?:script)?|sql|html|"
    r"css|c\+\+|bash|regex|algorithm|function that|method that|class that|script)\b",
    re.I,
)
_REFUSAL = re.compile(r"\b(?:i(?:'m|’m| am) sorry|i (?:cannot|can't|can’t|am unable to)|as an ai)\b", re.I)
_MISSING = re.compile(
    r"\b(?:please provide|you (?:have not|haven't|haven’t|did not|didn't|didn’t) (?:provide|include|attach)|"
    r"(?:no|without the) (?:text|data|table|code|context) (?:is|was|were|has been)? ?(?:given|provided|attached))",
    re.I,
)
_COPIED = re.compile(
    r"\b(?:given|revised|rewritten|new|harder|original) task\b|\brewritten prompt\b|\bthe sign >", re.I
)
SAME, REFUSED_WORDS = 0.95, 80


@cache
def tactics() -> dict[str, dict[str, dict[str, Any]]]:
    """Every tactic by kind and name: what it says, and how often it is drawn."""
    table: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((FOLDER / "tactics.yaml").read_text(encoding="utf-8"))
    return table


def _known(name: str) -> str:
    names = [PAPER, *(name for kind in tactics().values() for name in kind)]
    if name not in names:
        raise ValueError(f"there is no tactic {name!r}. {nearest(name, names)}")
    return name


Tactic = Annotated[str, AfterValidator(_known)]
"""The name of a tactic, or `paper`."""


class Rewritten(BaseModel):
    """A task that was made harder."""

    instruction: str = Field(min_length=1, description="the new task")
    input: str = Field("", description="the text, table or code that it works on; empty if there is none")


class Gain(BaseModel):
    """Whether the second task asks for more than the first."""

    more: bool


class Config(Section):
    """How tasks are rewritten and answered."""

    rounds: int = Field(2, ge=1)
    """Rounds of rewriting; each brings as many rows as came in."""
    start: Literal["original", "previous"] = "original"
    """What each round rewrites: the original task (as the paper's figure has it), or what the round before made."""
    tactics: tuple[Tactic, ...] = ()
    """Names of tactics (leaven ls tactics); none: those of the row's kind, code or language, one drawn for each row;
    paper: all tactics of the kind at once, as published."""
    fields: tuple[str, ...] = ()
    """Fields of its parent that a made row keeps; the others speak of the parent, as its label or final answer do."""
    eliminate: tuple[Rule, ...] = ()
    """Rules by which made rows are dropped: no_gain (one more call a row), refusal, copied, unanswerable."""
    temperature: float = Field(0.5, ge=0)
    """Sampling temperature (the published code's)."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus of the sampling."""
    max_new_tokens: int = Field(2048, ge=1)
    """Longest reply, in tokens."""


@dataclass(frozen=True, slots=True)
class Task:
    """A row that is to be made harder: what is asked, by which tactics, and what it came from."""

    row: Example
    names: tuple[str, ...]
    prompt: Prompt


def make(data: Dataset, llm: LLM, config: Config, seed: int) -> Outcome:
    """`rounds` new rows for each row that has a question; one that could not be made is a drop with the reason."""
    _check_fields(data, config)
    asking = [row for row in data if row.question.strip()]
    latest = [row for row in asking if not _unfit(row)]
    kept = list[Example]()
    dropped = [Drop(_new(row, row.prompt, {}, llm, seed), _unfit(row)) for row in asking if _unfit(row)]
    for number in range(1, config.rounds + 1):
        tasks = [_task(row, config, number, seed) for row in latest]
        results = _round(tasks, llm, config, number, seed)
        kept += [row for row in results if isinstance(row, Example)]
        dropped += [row for row in results if isinstance(row, Drop)]
        if config.start == "previous":  # where a round failed, the next goes on from what there was before
            latest = [new if isinstance(new, Example) else old for new, old in zip(results, latest, strict=True)]
    made_by = f"evolve({llm.name}, rounds={config.rounds}, seed={seed})"
    return Outcome(Dataset.of(kept, (*data.made_by, made_by)), tuple(dropped))


def prompt_of(row: Example, config: Config, seed: int = 0, number: int = 1) -> Prompt:
    """What the rewriter is asked of a row."""
    return _task(row, config, number, seed).prompt


def kind(row: Example) -> Literal["code", "language"]:
    """Whether a row is about code."""
    return "code" if _CODE.search(row.question) or "```" in (row.answer or "") else "language"


def _task(row: Example, config: Config, number: int, seed: int) -> Task:
    mine = tactics()[kind(row)]
    everything = {name: one for part in tactics().values() for name, one in part.items()}
    if config.tactics == (PAPER,):
        names = tuple(mine)
    else:
        choice = [name for name in config.tactics if name != PAPER] or list(mine)
        weights = [float(everything[name].get("weight", 1)) for name in choice]
        names = (random.Random(f"evolve/{seed}/{number}/{row.id}").choices(choice, weights)[0],)
    says = [everything[name]["says"] for name in names]
    whole = len(row.prompt) > 1
    return Task(row, names, user(render("evolve", question=row.request, conversation=whole, tactics=says)))


def _check_fields(data: Dataset, config: Config) -> None:
    """Raises UserError for a field to be kept that no row has."""
    there = sorted({name for row in data for name in row.meta})
    for name in config.fields:
        if name not in there and len(data):
            raise UserError(f"evolve.fields: no row has the field {name!r}", nearest(name, there))


def _unfit(row: Example) -> str:
    """Why a row can't be made harder by words alone; "" where it can."""
    if row.uses_tools:
        return "it uses tools, which a rewriting would have to call"
    return "" if all(turn.is_text for turn in row.prompt) else "it holds what is no text"


def _new(row: Example, messages: Prompt, meta: Mapping[str, Any], llm: LLM, seed: int) -> Example:
    """A row that was made of this one: nothing but its place is passed on."""
    template = hashlib.sha256(source("evolve").encode()).hexdigest()[:12]
    return Example(messages, Origin("evolve", row.origin.place, (row.id,), llm.name, template, seed), meta)


def _round(tasks: Sequence[Task], llm: LLM, config: Config, number: int, seed: int) -> list[Example | Drop]:
    """One row or drop for each task, in their order."""
    # Each round has draws of its own: an equal prompt in a later round is another sample.
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, seed, (number - 1) * len(tasks))
    draws = (number - 1,) * len(tasks)
    rewritten = dict(structured(llm, [task.prompt for task in tasks], Rewritten, replace(sampling, draws=draws)))
    results = [_harder(task, rewritten[place], llm, config, number, seed) for place, task in enumerate(tasks)]
    results = _sifted(tasks, results, llm, config, sampling)
    new = [row for row in results if isinstance(row, Example)]
    replies = iter(all_of(llm, [row.messages for row in new], sampling))
    return [_answered(row, next(replies), config) if isinstance(row, Example) else row for row in results]


def _harder(task: Task, parsed: Parsed[Rewritten], llm: LLM, config: Config, number: int, seed: int) -> Example | Drop:
    row = task.row
    named = {name: row.meta[name] for name in config.fields if name in row.meta}
    meta = {**named, "round": number, "strategy": "+".join(task.names)}
    if parsed.value is None:
        reason = "the model failed" if parsed.reply.text is None else "the rewriting can't be read"
        detail = f"{parsed.error}: {(parsed.reply.text or '')[:200]}" if parsed.reply.text else parsed.error or ""
        return Drop(_new(row, row.prompt, meta, llm, seed), reason, detail=detail)
    instruction, text = parsed.value.instruction.strip(), parsed.value.input.strip()
    question = f"{instruction}\n\n{text}" if text else instruction
    last = max(place for place, turn in enumerate(row.messages) if turn.role == "user")
    messages = (*row.messages[:last], Message("user", question))
    new = _new(row, messages, {**meta, "input": text} if text else meta, llm, seed)
    return new if instruction else Drop(new, "the rewriting is empty")


def _sifted(
    tasks: Sequence[Task], results: list[Example | Drop], llm: LLM, config: Config, sampling: Sampling
) -> list[Example | Drop]:
    """Rewritings that a rule eliminates are dropped before they are answered."""
    for place, (task, row) in enumerate(zip(tasks, results, strict=True)):
        if isinstance(row, Example) and (reason := _flaw(task.row, row, config.eliminate)):
            results[place] = Drop(row, reason)
    if "no_gain" in config.eliminate:
        left = [place for place, row in enumerate(results) if isinstance(row, Example)]
        prompts = [user(render("harder", first=tasks[p].row.request, second=_request(results[p]))) for p in left]
        for number, verdict in structured(llm, prompts, Gain, replace(sampling, temperature=0.0)):
            row = results[left[number]]
            if not isinstance(row, Example):
                continue
            if verdict.reply.text is None:  # not told yet, and no reason to keep it
                results[left[number]] = Drop(row, FAILED, detail=verdict.error or "")
            elif verdict.value is not None and not verdict.value.more:
                results[left[number]] = Drop(row, "no gain")
    return results


def _flaw(parent: Example, row: Example, rules: Sequence[Rule]) -> str:
    if "no_gain" in rules and alike(parent.question, row.question) >= SAME:
        return "no gain"
    if "copied" in rules and _COPIED.search(row.question) and not _COPIED.search(parent.question):
        return "copied prompt words"
    return ""


def _answered(row: Example, reply: Reply, config: Config) -> Example | Drop:
    text = (reply.text or "").strip()
    if reason := fault(reply):
        return Drop(row, reason, detail=reply.error or text[:200])
    if "refusal" in config.eliminate and _REFUSAL.search(text) and len(text.split()) < REFUSED_WORDS:
        return Drop(row, "refusal", detail=text[:200])
    if "unanswerable" in config.eliminate and _MISSING.search(text[:400]):
        return Drop(row, "unanswerable", detail=text[:200])
    return answered(row, text)


def _request(row: Example | Drop) -> str:
    return (row if isinstance(row, Example) else row.example).request
