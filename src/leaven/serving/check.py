"""Whether engines answer as the tuned model does: each loads what an export holds, and is asked the same prompts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from leaven import extras, plugs
from leaven.llm.client import ServerError
from leaven.llm.protocol import LLM, Sampling
from leaven.models import tokens
from leaven.models.fold import folded
from leaven.models.load import load, quiet_peft
from leaven.rows.example import Prompt
from leaven.serving import artefact as artefacts
from leaven.serving import export, prompts, source
from leaven.serving.artefact import Artefact, Refused, Reply
from leaven.serving.engines import _in_process
from leaven.task.wording import names

MAX_NEW_TOKENS = 48
TORN = "�"
"""What is left of a letter whose last tokens were cut off; servers leave it out."""
SAME, DIFFERS, REFUSED, ABSENT = "same", "differs", "refused", "not here"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the matrix: what became of an artefact in an engine, and in which way."""

    engine: str
    artefact: str
    verdict: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """The tuned model's own replies to the prompts; `silent` where no answer may hold its token."""

    prompts: tuple[Prompt, ...]
    replies: tuple[Reply, ...]
    token: str
    token_id: int
    silent: bool


def check(
    out: Path, engines: Sequence[str] = (), limit: int = 0, say: Callable[[str], None] = lambda _: None
) -> Iterator[Cell]:
    """Ask every engine that is at hand, or these; with `limit`, as many prompts with the token and as many without.

    Raises UserError for a folder that is no export, and for an unknown engine.
    """
    about = source.about(out)
    plugged = {plugs.title(name): plugs.load("engines", name) for name in engines or plugs.names("engines")}
    there = artefacts.in_folder(out, about["base"], about["token"])
    lost = {each.name: artefacts.lost_rows(each) for each in there}
    tuned: Tuned | None = None
    for name, engine in plugged.items():
        for each in (each for each in there if each.kind in engine.KINDS):
            if not extras.installed(*engine.PACKAGES):
                yield Cell(name, each.name, ABSENT, f"it needs {', '.join(engine.PACKAGES)}")
            elif lost[each.name]:
                yield Cell(name, each.name, REFUSED, f"by leaven: {lost[each.name]}")
            else:
                tuned = tuned or _own(about, _questions(out, about["token"], limit), say)
                say(f"asking {name} with {each.name}")
                yield _cell(name, engine, each, tuned)


def check_server(
    out: Path, server: LLM, address: str, limit: int = 0, say: Callable[[str], None] = lambda _: None
) -> Cell:
    """Ask a server that runs already, as vLLM, SGLang, Ollama or LM Studio were told to serve the export.

    Chat Completions tell no ids: texts are compared. The tuned model is asked where the server has answered. Raises
    UserError for a folder that is no export.
    """
    about, name = source.about(out), server.name.partition("@")[0]
    questions = _questions(out, about["token"], limit)
    say(f"asking {address} for {len(questions)} answers of {name}")
    try:
        replies = _said(server, questions)
    except (Refused, ServerError) as error:
        return Cell(name, address, REFUSED, f"by the server: {error}")
    return Cell(name, address, *compare(_own(about, questions, say), replies))


def in_memory(about: dict[str, str], asked: Sequence[Prompt], dtype: str = "float32") -> Tuned:
    """What the tuned model answers: the base with the adapter as it was saved, and no file of the export."""
    loaded = load(about["base"], Path(about["adapter"]), dtype=dtype)
    token_id = int(loaded.tokenizer.convert_tokens_to_ids(about["token"]))
    silent = token_id in tokens.silent(loaded.model)
    with folded(loaded.model):
        replies = _in_process.asking(loaded.model, loaded.tokenizer)(asked, MAX_NEW_TOKENS)
    return Tuned(tuple(asked), tuple(replies), about["token"], token_id, silent)


def compare(tuned: Tuned, replies: Sequence[Reply]) -> tuple[str, str]:
    """(verdict, how they differ): texts first, then the first token and its logits."""
    pairs = [(reply.text.rstrip(TORN), own) for reply, own in zip(replies, tuned.replies, strict=True)]
    same = [text in (own.text.rstrip(TORN), (own.bare or "").rstrip(TORN)) for text, own in pairs]
    hidden = [tuned.token in own.text and tuned.token not in text for text, own in pairs]
    named = [names(prompt[-1].content, tuned.token) for prompt in tuned.prompts]
    parts = []
    for told, of in ((True, f"with {tuned.token}"), (False, "without")):
        alike = [each for each, has in zip(same, named, strict=True) if has == told]
        parts.append(f"{sum(alike)} of {len(alike)} texts {of}")
    if gap := _gap(tuned, replies):
        agree, told_of, most = gap
        parts.append(f"first token the same in {agree} of {told_of}, logits within {most:.2g}")
    if any(hidden):
        parts.append(f"skip_special_tokens hides {tuned.token} in {sum(hidden)} answers: ask for it to be kept")
    if tuned.silent and (said := sum(tuned.token in reply.text or tuned.token_id in reply.ids for reply in replies)):
        parts.append(f"{tuned.token} is said in {said} answers: forbid it by logit_bias")
    return (SAME if all(same) else DIFFERS), "; ".join(parts)


def _own(about: dict[str, str], questions: Sequence[Prompt], say: Callable[[str], None]) -> Tuned:
    say("asking the tuned model in memory")
    return in_memory(about, questions)


def _said(server: LLM, asked: Sequence[Prompt]) -> list[Reply]:
    """A server's greedy replies. Raises Refused for the first call that failed."""
    replies = dict(server.replies(asked, Sampling(temperature=0, top_p=1, max_new_tokens=MAX_NEW_TOKENS)))
    if reason := next((reply.error for reply in replies.values() if reply.text is None), None):
        raise Refused(" ".join(reason.split())[:200])
    return [Reply(replies[place].text or "") for place in range(len(asked))]


def _cell(name: str, engine: ModuleType, artefact: Artefact, tuned: Tuned) -> Cell:
    try:
        with quiet_peft(), engine.serve(artefact) as ask:
            return Cell(name, artefact.name, *compare(tuned, ask(tuned.prompts, MAX_NEW_TOKENS)))
    except Exception as error:  # whatever an engine raises is how it refuses
        reason = " ".join(str(error).split())[:200]
        return Cell(name, artefact.name, REFUSED, f"by {name}: {type(error).__name__}: {reason}")


def _gap(tuned: Tuned, replies: Sequence[Reply]) -> tuple[int, int, float] | None:
    """How often the likeliest first token is the same, of how many, and the largest difference of logits.

    The tuned model's ten likeliest are compared, each by how far it is below the first. The token itself is left out
    where it is never said: its own logit is one that engines with tied weights take from the base.
    """
    agree, most = 0, 0.0
    pairs = [(own, other) for own, other in zip(tuned.replies, replies, strict=True) if other.first]
    for own, other in pairs:
        left_out = {tuned.token_id} if tuned.silent else set()
        ranked = [each for each in sorted(own.first, key=own.first.__getitem__, reverse=True) if each not in left_out]
        theirs = {each: value for each, value in other.first.items() if each not in left_out}
        agree += (top := ranked[0]) == max(theirs, key=theirs.__getitem__)
        below = (
            abs(own.first[each] - own.first[top] - theirs[each] + theirs[top])
            for each in ranked[:10]
            if {top, each} <= set(theirs)
        )
        most = max([most, *below])
    return (agree, len(pairs), most) if pairs else None


def _questions(out: Path, token: str, limit: int) -> list[Prompt]:
    """The prompts of an export; with `limit`, as many of those with the token and of those without."""
    whole = prompts.read(out / export.PROMPTS)
    with_token = [prompt for prompt in whole if names(prompt[-1].content, token)]
    without = [prompt for prompt in whole if not names(prompt[-1].content, token)]
    return [*with_token[: limit or None], *without[: limit or None]]
