"""The diverse rows of the buffer: a pool of queries with the model's own answers, or with the pool's."""

import operator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from leaven.delia.makers import magpie, self_sample
from leaven.errors import UserError
from leaven.llm.engines.hf import HF, chunk
from leaven.llm.protocol import LLM
from leaven.models.base import Base
from leaven.models.settings import SampleSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import answered
from leaven.rows.outcomes import Outcome
from leaven.runs.lock import lock
from leaven.runs.progress import Progress

CHUNK = 256
"""Rows that servers sample at a time: many, since a chunk waits for its slowest reply, and few, since of the last one
not all are wanted."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What is sampled lies in `folder`, a folder a seed, and is shared by all that ask with that seed.

    Draws are nested: a larger `n` starts with the rows of the smaller. Without queries the model writes them too
    (Magpie, 2406.08464).
    """

    queries: Dataset
    base: Base
    config: SampleSection
    folder: Path
    progress: Progress
    sampler: LLM | None = None
    """The engine that samples in the base's place: the same model on servers."""
    said: set[str] = field(default_factory=set)
    """What a user was told of rows that are missing: cells and trials that share a buffer say it once."""

    def own(self, n: int, seed: int, draws: int = 1) -> Outcome:
        """`n` rows that the base model sampled from itself, at most `draws` a query.

        No query is asked again before each was asked. Where they yield fewer, a note says so, and so does the progress.
        """
        if n == 0:
            return Outcome(Dataset.of([]))
        outcome = self._sample(n, seed, draws)
        for note in outcome.notes:
            sentence = f"self-sampling, seed {seed}: {note}. Bring more queries, or take a smaller ratio."
            if sentence not in self.said:
                self.progress.say(sentence)
                self.said.add(sentence)
        return outcome

    def _sample(self, n: int, seed: int, draws: int) -> Outcome:
        folder = self.folder / f"seed-{seed}"
        llm, size = (self.sampler, CHUNK) if self.sampler else self._base()
        # Of cells of one seed on several machines the first samples, and the others read what it wrote.
        with (
            lock(folder, wait=self.progress.say),
            self.progress.track(f"self-sampling, seed {seed}", n, "rows") as advance,
        ):
            if not len(self.queries):
                return magpie.make(llm, self.config, seed, folder, n=n, chunk=size, on_rows=advance)
            queries = reduce(operator.add, [self.queries.shuffle(seed)] * draws)
            return self_sample.collect(queries, llm, self.config, seed, folder, n=n, chunk=size, on_rows=advance)

    def _base(self) -> tuple[LLM, int]:
        """The base as an engine, and how many rows it samples at a time."""
        llm = HF.of(self.base.lend())
        return llm, chunk(llm.loaded.model.config.get_text_config(), self.config.max_new_tokens)

    def external(self, own: Dataset) -> Dataset:
        """These rows of `own`, each with the answer that the pool has for its query: not the model's own words.

        Raises UserError when the pool holds bare queries, or none.
        """
        answers = {query.id: query.answer for query in self.queries}
        rows = []
        for row in own:
            answer = answers.get(row.origin.parents[0]) if row.origin.parents else None
            if answer is None:
                raise UserError("the pool's queries have no answers", "External answers need rows with an answer.")
            rows.append(answered(row, answer))
        return Dataset.of(rows, (f"external({len(own)})",))
