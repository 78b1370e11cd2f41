"""Say each row's instruction in other words (diversified instructions: DELIA, arXiv 2408.10841).

A task row is some content and a sentence that names the token: "Use the <sep> format." Where all rows say it alike,
the model learns the sentence instead of the token. Rows that say it in many ways already are kept as they are.
Without a token, the instruction is what stands before a row's `input`, or the paragraph that rows have in common.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from leaven.delia import variation
from leaven.delia.makers._offers import Instruction, Offer, offers, prompt_for
from leaven.delia.settings import DiversifyConfig, Mode
from leaven.errors import UserError
from leaven.llm.protocol import LLM
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Origin, Prompt, user
from leaven.rows.outcomes import Outcome
from leaven.task.phrasebook import phrasings
from leaven.task.wording import Position, instruction, request, with_request, with_sentence


def make(data: Dataset, llm: LLM | None, config: DiversifyConfig, token: str, seed: int) -> Outcome:
    """Every row with another phrasing of its instruction: the engine's, or without one the phrasebook's.

    An engine rephrases whole instructions; the phrasebook knows only how to ask for a format, so it replaces the
    sentences that name the token. `dropped` holds phrasings that could not be used, never rows.
    """
    wholes = _instructions(data, token)
    if not wholes:
        raise _nothing_to_say(token)
    requests = {row.id: request(row.question, token) for row in data if row.id in wholes} if token else wholes
    enough = min(config.enough_distinct, max(2, (len(wholes) + 1) // 2))
    if config.mode == "per_instruction" and len(set(requests.values())) >= enough:
        count = len(set(wholes.values()))
        return Outcome(data, (), (f"{count:,} distinct instructions in {len(wholes):,} rows: kept as they are",))
    if llm is None:
        return _from_phrasebook(data, requests, config, token, seed)
    # A paragraph that hardly two rows share holds the row's content: then only the request is rephrased.
    units = wholes if config.mode == "per_row" or len(set(wholes.values())) < enough else requests
    return _from_engine(data, units, llm, config, token=token, seed=seed)


def prompt(data: Dataset, place: int, token: str) -> Prompt:
    """What an engine is asked of the instruction of the row at `place`. Raises UserError where none can be told."""
    wholes = _instructions(data, token)
    if data[place].id not in wholes:
        raise _nothing_to_say(token)
    return user(prompt_for(wholes[data[place].id], DiversifyConfig(), token))


def _from_phrasebook(
    data: Dataset, requests: Mapping[str, str], config: DiversifyConfig, token: str, seed: int
) -> Outcome:
    if not token:
        raise UserError("the phrasebook knows only how to ask for a format", "Name the --token, or an engine: --llm.")
    book = phrasings("follow", "train")
    safe = set(_safe(data, requests, max(len(phrasing.split()) for phrasing in book), token))
    choose = _in_turn(random.Random(f"diversify/{seed}"))
    origin = Origin("diversify", place="phrasings.yaml", seed=seed)
    phrasing_of = {place: choose(book) for place in sorted(safe)}
    rows = [
        _with_question(row, with_request(row.question, token, phrasing_of[place], config.position), origin)
        if place in phrasing_of
        else row
        for place, row in enumerate(data)
    ]
    notes = [f"{len(safe):,} rows say it in {len(set(phrasing_of.values()))} phrasings of the phrasebook"]
    left = sum(row.id in requests for row in data) - len(safe)
    if left:
        notes.append(f"{left:,} rows are kept as they are: their sentence with {token} may hold more than the request")
    if config.measure and phrasing_of:
        before = [requests[data[place].id] for place in phrasing_of]
        notes.append(_variation(before, [phrasing.replace("{token}", token) for phrasing in phrasing_of.values()]))
    return Outcome(Dataset.of(rows, (*data.made_by, f"diversify(phrasebook, seed={seed})")), (), tuple(notes))


def _from_engine(
    data: Dataset, units: Mapping[str, str], llm: LLM, config: DiversifyConfig, *, token: str, seed: int
) -> Outcome:
    groups = _groups(data, units, config.mode)
    about = [Instruction(unit, tuple({data[place].answer or "" for place in places})) for unit, places in groups]
    offered = offers(about, llm, config, token, seed)
    rows, before, after = list(data), list[str](), list[str]()
    choosers: dict[str, Callable[[Sequence[str]], str]] = {}
    for (unit, places), offer in zip(groups, offered, strict=True):
        choose = choosers.setdefault(unit, _in_turn(random.Random(f"diversify/{seed}/{unit}")))
        for place in places:
            phrasing = choose(offer.accepted or (unit,))
            before.append(unit)
            after.append(phrasing)
            if phrasing != unit:
                origin = Origin("diversify", model=llm.name, prompt=offer.prompt, seed=seed)
                question = _rephrase(rows[place].question, unit, phrasing, token, config.position)
                rows[place] = _with_question(rows[place], question, origin)
    dropped = tuple(drop for offer in offered for drop in offer.rejected)
    notes = [*_notes(groups, offered, llm, config.mode), *([_variation(before, after)] if config.measure else [])]
    if silent := sum(row.id not in units for row in data):
        notes.append(f"{silent:,} rows are kept as they are: which part of them is the instruction can't be told")
    return Outcome(Dataset.of(rows, (*data.made_by, f"diversify({llm.name}, seed={seed})")), dropped, tuple(notes))


def _instructions(data: Dataset, token: str) -> dict[str, str]:
    """The instruction of each row, by the row's id; rows that have none, or none that can be told, are left out."""
    if token:
        return {row.id: whole for row in data if (whole := instruction(row.question, token))}
    often = Counter(paragraph for row in data for paragraph in set(_ends(row.question)))
    instructions = {}
    for row in data:
        paragraphs, passage = _ends(row.question), row.meta.get("input")
        if isinstance(passage, str) and passage.strip() and row.question.endswith(f"\n\n{passage}"):
            instructions[row.id] = row.question.removesuffix(f"\n\n{passage}")
        elif len(paragraphs) == 1:
            instructions[row.id] = paragraphs[0]
        elif paragraphs and often[shared := max(paragraphs, key=lambda text: often[text])] > 1:
            instructions[row.id] = shared
    return instructions


def _ends(text: str) -> tuple[str, ...]:
    """The first and the last paragraph; one where there is no other."""
    blocks = [block.strip() for block in re.split(r"\n[ \t]*\n", text.strip())]
    return (blocks[0], blocks[-1]) if len(blocks) > 1 else tuple(block for block in blocks if block)


def _nothing_to_say(token: str) -> UserError:
    if token:
        return UserError(f"the token {token!r} stands in no row", "Check token.text, or name the token in the rows.")
    return UserError("no row has an instruction that can be told from its content", "Put it in a paragraph of its own.")


def _groups(data: Dataset, units: Mapping[str, str], mode: Mode) -> list[tuple[str, list[int]]]:
    """The instructions to ask about, each with the places of its rows: all of them, or one row at a time."""
    shared = defaultdict[str, list[int]](list)
    for place, row in enumerate(data):
        if row.id in units:
            shared[units[row.id]].append(place)
    if mode == "per_instruction":
        return list(shared.items())
    return sorted(((unit, [place]) for unit, places in shared.items() for place in places), key=lambda group: group[1])


def _notes(groups: Sequence[tuple[str, list[int]]], offered: Sequence[Offer], llm: LLM, mode: Mode) -> list[str]:
    what = "instructions" if mode == "per_instruction" else "rows"
    count = sum(len(offer.accepted) for offer in offered)
    notes = [f"{count:,} phrasings of {len(groups):,} {what} by {llm.name}"]
    if unsaid := sum(not offer.accepted for offer in offered):
        notes.append(f"{unsaid:,} {what} are kept as they are: no phrasing of them could be used")
    return notes


def _variation(before: Sequence[str], after: Sequence[str]) -> str:
    """How varied the instructions of the rows were before, and are after, in a sentence."""
    from leaven.lift.embed import lsa

    vectors = lsa.embed([*before, *after], lsa.WIDTH).astype(float)
    spreads = []
    for part in (vectors[: len(before)], vectors[len(before) :]):
        # The mean cosine of all pairs of different rows, from the length of their sum; one row has no spread.
        pairs = len(part) * (len(part) - 1)
        cosines = float((part.sum(0) ** 2).sum()) - float((part**2).sum())
        spreads.append(1 - cosines / pairs if pairs else 0.0)
    figures = [
        ("distinct instructions", f"{len(set(before)):,}", f"{len(set(after)):,}"),
        ("their self-BLEU", *(f"{_self_bleu(texts):.1f}" for texts in (before, after))),
        *((f"distinct-{n}", *(f"{variation.distinct(t, n):.3f}" for t in (before, after))) for n in (1, 2)),
        ("embedding spread (LSA)", *(f"{abs(spread):.3f}" for spread in spreads)),
    ]
    return "before → after: " + "; ".join(f"{name} {old} → {new}" for name, old, new in figures)


def _self_bleu(texts: Sequence[str]) -> float:
    """Self-BLEU of the distinct texts; one text said over and over is as little varied as can be."""
    distinct = list(dict.fromkeys(texts))
    return variation.self_bleu(distinct) if len(distinct) > 1 else 100.0


def _safe(data: Dataset, requests: Mapping[str, str], limit: int, token: str) -> list[int]:
    """The places of rows whose request the phrasebook can replace without loss.

    A sentence longer than any of the phrasebook that is all of its paragraph may be the task itself ("Check the text
    and use <sep> to …"), and one that a single row has may hold that row's content.
    """
    often = Counter(requests.values())
    book = {phrasing.replace("{token}", token) for phrasing in phrasings("follow", "train")}
    return [
        place
        for place, row in enumerate(data)
        if (sentence := requests.get(row.id))
        and (len(sentence.split()) <= limit or instruction(row.question, token) != sentence)
        and (often[sentence] > 1 or sentence in book)
    ]


def _in_turn(rng: random.Random) -> Callable[[Sequence[str]], str]:
    """Chooses of the texts at hand one that was chosen least often before."""
    uses = Counter[str]()

    def choose(texts: Sequence[str]) -> str:
        least = min(uses[text] for text in texts)
        pick = rng.choice([text for text in texts if uses[text] == least])
        uses[pick] += 1
        return pick

    return choose


def _rephrase(text: str, unit: str, phrasing: str, token: str, position: Position) -> str:
    start = text.find(unit)
    if start < 0:  # the sentences of the unit are scattered over the text
        return with_request(text, token, phrasing, position)
    return with_sentence(text, [(start, start + len(unit))], phrasing, position)


def _with_question(row: Example, question: str, origin: Origin) -> Example:
    """The row with another last user turn."""
    place = max(index for index, message in enumerate(row.messages) if message.role == "user")
    messages = (*row.messages[:place], Message("user", question), *row.messages[place + 1 :])
    return replace(row, messages=messages, origin=replace(origin, parents=(row.id,)))
