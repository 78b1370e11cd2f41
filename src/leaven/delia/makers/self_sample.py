"""Let a model answer a pool of queries itself: the diverse data of DELIA (arXiv 2408.10841).

Answers that come from the model's own distribution pull its weights nowhere in particular, which is what the
buffer of diverse rows is for. Three forms of asking:

- plain: the query, nothing else.
- again: the query, the reference answer as the assistant's turn, and the query again. DELIA's published form;
  its fixed system prompt is left out, since Gemma has no system role, but a system turn of the row stays.
- guided: the reference inside the query, as a guide. SDFT's form (arXiv 2402.13669).

`magpie.py` needs no queries: the model writes them too.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from leaven.delia.buffer import DIVERSE, MARK
from leaven.errors import UserError
from leaven.llm.prompts.render import render, source
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.llm.replies import all_of
from leaven.models.settings import SampleSection
from leaven.rows import outcomes
from leaven.rows.dataset import Dataset
from leaven.rows.example import Drop, Example, Message, Origin, Prompt, answered
from leaven.rows.outcomes import Outcome
from leaven.runs import content

Form = Literal["plain", "again", "guided"]

_SPEAKS_OF_GUIDE = re.compile(
    r"\b(reference|guide|provided|given) (answer|response)|\bmy (own answer|response)\b", re.I
)


def make(
    queries: Dataset,
    llm: LLM,
    config: SampleSection,
    seed: int,
    start: int = 0,
    *,
    form: Form | None = None,
    draws: Sequence[int] = (),
    on_reply: Callable[[int], None] | None = None,
) -> Outcome:
    """The model's own answers, in the order of the queries; empty replies and failures are dropped.

    `start` is the place of the first query in the whole pool: with `seed` it decides the draws of this call; `draws`
    counts for each query those that are equal to it and came before. Without `form`, the configuration's `conditioned`
    chooses between plain and again. Blanks around a reply are cut; the published code cuts its first two characters,
    which are blanks in Llama 2 alone. A reply that was cut is marked (`Example.truncated`), and dropped where the
    configuration keeps none: its tokens are the model's own, its end is not, and is not learnt.
    """
    form = form or ("again" if config.conditioned else "plain")
    usable = [(index, query) for index, query in enumerate(queries) if _usable(query, form)]
    counts = tuple(draws[index] for index, _ in usable) if draws else ()
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, seed, start, draws=counts)
    replies = all_of(llm, [ask(query, form) for _, query in usable], sampling, on_reply)
    reply_to = {index: reply for (index, _), reply in zip(usable, replies, strict=True)}
    origin = Origin("self_sample", model=llm.name, prompt=_prompt_hash(form), seed=seed)
    results = [_result(query, reply_to.get(index), config, form, origin) for index, query in enumerate(queries)]
    samples = [result for result in results if isinstance(result, Example)]
    dropped = tuple(result for result in results if isinstance(result, Drop))
    return Outcome(Dataset.of(samples, (*queries.made_by, f"self_sample({form}, {llm.name}, seed={seed})")), dropped)


def copies(queries: Dataset, samples: Dataset) -> int:
    """How many rows say the reference of their query word for word: a conditioned sample of these is not its own."""
    references = {query.id: (query.answer or "").strip() for query in queries}
    return sum(row.answer == references.get(row.origin.parents[0]) for row in samples)


def collect(
    queries: Dataset,
    llm: LLM,
    config: SampleSection,
    seed: int,
    folder: Path,
    *,
    n: int,
    chunk: int = 256,
    on_rows: Callable[[int], None] | None = None,
    form: Form | None = None,
) -> Outcome:
    """The first `n` rows that `make` keeps, chunk by chunk; a chunk of the same queries and settings is made once.

    A killed run loses the chunk in flight, and a larger `n` goes on from the smaller one's chunks. When the
    queries run out first, a note says how many rows are missing. `on_rows` is told the rows so far at every reply, and
    after a chunk those that were kept.
    """
    form = form or ("again" if config.conditioned else "plain")
    about = content.key({"model": llm.name, "seed": seed, "form": form, **config.model_dump()})
    samples, dropped, times = Dataset.of([]), list[Drop](), Counter[str]()
    for number, start in enumerate(range(0, len(queries), chunk)):
        if len(samples) >= n:
            break
        part = queries.rows(list(range(start, min(start + chunk, len(queries)))))
        draws = []
        for query in part:
            draws.append(times[query.id])
            times[query.id] += 1
        on_reply = partial(_tell, on_rows, len(samples), n) if on_rows else None
        answers = partial(make, part, llm, config, seed, start, form=form, draws=draws, on_reply=on_reply)
        path = folder / f"{number:05}-{content.key(about, [query.id for query in part])}.parquet"
        outcome = outcomes.stage(path, answers, retry=True)
        calls, failures = sum(_usable(query, form) for query in part), outcomes.failures(outcome)
        # The last few of a long pool may fail for reasons of their own; a whole chunk, or all there is, does not.
        if failures and len(failures) == calls and (len(part) == chunk or not samples):
            raise UserError(f"{llm.name} answered none of {calls:,} prompts: {failures[0].detail}", "Check the engine.")
        samples, dropped = samples + outcome.kept, [*dropped, *outcome.dropped]
        if on_rows:
            on_rows(min(len(samples), n))
    made_by = (*queries.made_by, f"self_sample({form}, {llm.name}, seed={seed}, n={n})")
    rows = Dataset(samples.frame.head(n), made_by)
    missing = n - len(rows)
    failed = len(outcomes.failures(Outcome(samples, tuple(dropped))))
    note = f"{missing:,} of {n:,} rows are missing: the pool of {len(times):,} queries ran out"
    note += f", and {failed:,} calls failed" * bool(failed)
    return Outcome(rows, tuple(dropped), (note,) if missing else ())


def ask(query: Example, form: Form) -> Prompt:
    """What the model is shown for a query; the forms again and guided need its answer."""
    if form == "plain":
        return query.prompt
    if query.answer is None:
        raise ValueError(f"the query {query.id} has no answer to show")
    if form == "again":
        return (*query.messages, Message("user", query.question))
    text = render("sdft", instruction=query.question, reference=query.answer)
    return (*query.prompt[:-1], Message("user", text))


def _tell(on_rows: Callable[[int], None], before: int, n: int, replies: int) -> None:
    on_rows(min(before + replies, n))


def _usable(query: Example, form: Form) -> bool:
    return bool(query.question.strip()) and (form == "plain" or query.is_answered)


def _result(query: Example, reply: Reply | None, config: SampleSection, form: Form, origin: Origin) -> Example | Drop:
    """The finished row, or why there is none; every row, dropped or not, names its query as its parent."""
    origin = replace(origin, parents=(query.id,))
    if reply is None:
        bare = replace(query, origin=origin)
        return Drop(bare, "no reference answer" if query.question.strip() else "no question")
    if reply.text is None:
        return Drop(replace(query, origin=origin), "the model failed", detail=reply.error or "")
    # Half a character, where the reply was cut, is none.
    text = reply.text.rstrip("\ufffd").strip() if reply.truncated else reply.text.strip()
    row = answered(replace(query, origin=origin, meta={**query.meta, MARK: DIVERSE}), text, reply.truncated)
    if not text:
        return Drop(row, "empty reply")
    if reply.truncated and not config.keep_truncated:
        return Drop(row, "truncated reply", float(reply.completion_tokens))
    if form == "guided" and _SPEAKS_OF_GUIDE.search(reply.text):
        return Drop(row, "speaks of the guide")
    return row


def _prompt_hash(form: Form) -> str:
    return hashlib.sha256(source("sdft").encode()).hexdigest()[:12] if form == "guided" else form
