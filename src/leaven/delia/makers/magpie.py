"""Let a model write the questions too, and answer them (Magpie, arXiv 2406.08464): rows without any query.

Shown only how its chat template opens a user's turn, an aligned model goes on with what users ask. The questions are
drawn at temperature 1 from the whole vocabulary, as published; the answers are drawn as those of `self_sample` are.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from leaven.delia.buffer import DIVERSE, MARK
from leaven.delia.makers import self_sample
from leaven.llm import thinking
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.models.settings import SampleSection
from leaven.rows import outcomes
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Origin, user
from leaven.rows.outcomes import Outcome
from leaven.runs import content

TRIES = 10
"""Questions that are drawn for each row at most; a model that writes fewer usable ones is not fit for it."""
FEWEST_WORDS, LONGEST = 3, 256
_MARKUP = re.compile(r"<\|[^|<>]*\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
_ASSISTANT = re.compile(
    r"(?:sure|certainly|of course)[,.!]|as an ai\b|i(?:'m|’m| am) (?:sorry|an ai)\b|how (?:can|may) i (?:help|assist)\b"
    r"|here(?:'s|’s| is| are) (?:the|a|an|some)\b",
    re.I,
)


def make(
    llm: LLM,
    config: SampleSection,
    seed: int,
    folder: Path,
    *,
    n: int,
    chunk: int = 256,
    on_rows: Callable[[int], None] | None = None,
    answered: bool = True,
) -> Outcome:
    """`n` questions and answers; a chunk of the same settings is made once, and a larger `n` goes on from them.

    Of `chunk` questions at a time as many are drawn as are likely to be needed, by the share that could be used so far.
    Not `answered`, they are questions alone: a pool to which methods sample their own answers, seed by seed. A note
    says how many rows are missing when the model writes too few questions that can be used. Raises UserError for an
    engine that does not render the chat template itself.
    """
    form = "magpie" if answered else "magpie questions"
    about = content.key({"model": llm.name, "seed": seed, "form": form, **config.model_dump()})
    usable_rows, dropped, earlier = Dataset.of([]), list[Drop](), set[str]()
    for start in range(0, TRIES * max(n, chunk), chunk):
        size, part = 0, Outcome(Dataset.of([]))
        while (missing := n - len(usable_rows) - len(part.kept)) > 0 and size < chunk:
            # A longer draw begins with the shorter one, so that no row depends on how many are wanted.
            usable = (len(usable_rows) + len(part.kept) + 1) / (len(usable_rows) + len(dropped) + size + 2)
            size = min(chunk, size + math.ceil(missing / usable))
            draw = partial(_chunk, llm, config, seed, start, size, earlier, answered)
            part = outcomes.stage(folder / f"{start:07}-{size}-{about}.parquet", draw, retry=True)
            if on_rows:
                on_rows(min(len(usable_rows) + len(part.kept), n))
        earlier |= {_normal(row.question) for row in (*part.kept, *(drop.example for drop in part.dropped))}
        usable_rows, dropped = usable_rows + part.kept, [*dropped, *part.dropped]
        if len(usable_rows) >= n:
            break
    rows = Dataset(usable_rows.frame.head(n), (f"magpie({llm.name}, seed={seed}, n={n})",))
    count = len(usable_rows) + len(dropped)
    note = f"{n - len(rows):,} of {n:,} rows are missing: {count:,} questions were drawn, {len(rows):,} can be used"
    return Outcome(rows, tuple(dropped), (note,) if len(rows) < n else ())


def fault(question: str, reply: Reply, seen: set[str]) -> str:
    """Why a reply is no question to ask; "" when it is one."""
    if reply.truncated:
        return "truncated question"
    if len(question.split()) < FEWEST_WORDS:
        return "no question"
    if _MARKUP.search(question):
        return "markup in the question"
    if _ASSISTANT.match(question):
        return "speaks as an assistant"
    return "duplicate question" if _normal(question) in seen else ""


def _chunk(
    llm: LLM, config: SampleSection, seed: int, start: int, size: int, seen: set[str], answered: bool
) -> Outcome:
    """Questions, sifted against all before them, and their answers."""
    draws = tuple(range(start, start + size))
    sampling = Sampling(1.0, 1.0, min(LONGEST, config.max_new_tokens), seed, start, draws=draws)
    replies = dict(thinking.replies(llm, [()] * size, sampling))
    origin = Origin("magpie", model=llm.name, prompt="magpie", seed=seed)
    questions, dropped, known = list[Example](), list[Drop](), set(seen)
    for index in range(size):
        reply = replies[index]
        question = (reply.text or "").strip()
        row = Example(user(question), origin, {MARK: DIVERSE})
        reason = "the model failed" if reply.text is None else fault(question, reply, known)
        if reason:
            dropped.append(Drop(row, reason, detail=reply.error or ""))
        else:
            questions.append(row)
            known.add(_normal(question))
    if not answered:
        return Outcome(Dataset.of(questions), tuple(dropped))
    outcome = self_sample.make(Dataset.of(questions), llm, config, seed, start, form="plain")
    return Outcome(outcome.kept, (*dropped, *outcome.dropped))


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold())) or text
