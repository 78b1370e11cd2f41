"""How fast this machine loads, trains and answers with a model: a few seconds of each, by what a study itself runs."""

import math
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leaven.llm.engines import hf
from leaven.models import generate, train
from leaven.models.base import Base
from leaven.models.load import Loaded
from leaven.models.settings import SampleSection, TuneSection
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Prompt, answered
from leaven.task.token import TokenSection

ROWS = 16
"""Rows of each kind that are tried: trained in a step, answered at once."""
ANSWERED = 24
"""Tokens of a trial's answer, at most."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Seconds to read a token of a prompt, for each step of decoding, and for each token that a step writes.

    `at_once` rows are answered together, and the pool's queries in chunks. `ending` is the chance of an answer of the
    untouched model to end with its next token, by the answers of the trial, most of which are cut.
    """

    reading: float
    step: float
    token: float
    at_once: int
    chunk: int
    ending: float

    def length(self, most: int) -> float:
        """The mean tokens of an untouched model's answer that is cut at so many."""
        return (1 - (1 - self.ending) ** most) / self.ending if self.ending else most

    def seconds(self, rows: int, prompt_tokens: float, tokens: float, longest: int) -> float:
        """How long so many rows take, with answers of so many tokens on average, and the longest of so many."""
        if not rows:
            return 0.0
        steps = max(longest, rows * tokens / min(rows, self.at_once))
        return rows * prompt_tokens * self.reading + steps * self.step + rows * tokens * self.token


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to load the model and to make a tuning ready, tokens trained in a second, and how it writes.

    `gib` is the most memory that this process has held meanwhile.
    """

    loading: float
    preparing: float
    trained: float
    writing: Writing
    task_tokens: float
    pool_prompt_tokens: float
    answer_tokens: float
    gib: float


def measure(
    base: Base,
    rows: Dataset,
    queries: Dataset,
    tune: TuneSection,
    sample: SampleSection,
    token: TokenSection,
    step: tuple[int, int],
) -> Pace:
    """The pace on rows of a task and on queries of its pool, of which a `step` of tuning holds so many each.

    What is learnt is thrown away. More than `ROWS` of a kind are not tried.
    """
    began = time.perf_counter()
    loaded = base.lend()
    loading = time.perf_counter() - began
    few = list(queries.take(min(ROWS, len(queries)), 0)) or list(rows.take(min(ROWS, len(rows)), 0))
    writing, texts = _writing(loaded, [row.prompt for row in few], sample)
    pool = [answered(query, text or ".") for query, text in zip(few, texts, strict=True)]
    began = time.perf_counter()
    learner = base.lend(token)
    lending = time.perf_counter() - began
    encoded = train.encode(learner, rows, tune)[0].values()
    task_tokens = sum(len(row.input_ids) for row in encoded) / max(1, len(encoded))
    answer_tokens = sum(sum(row.completion_mask) for row in encoded) / max(1, len(encoded))
    trained, fitting = _trained(learner, [*rows.take(min(step[0], ROWS, len(rows)), 0), *pool[: step[1]]], tune, token)
    return Pace(
        loading=loading,
        preparing=lending + fitting,
        trained=trained,
        writing=writing,
        task_tokens=task_tokens,
        pool_prompt_tokens=_tokens(loaded, [row.prompt for row in few]),
        answer_tokens=answer_tokens,
        gib=_peak(),
    )


def _trained(loaded: Loaded, rows: Sequence[Example], tune: TuneSection, token: TokenSection) -> tuple[float, float]:
    """Real tokens a second of the second of two steps, and the seconds that the tuning took beside its steps."""
    settings = {"max_steps": 2, "step_task_rows": 0, "small_data_batch": len(rows), "save_steps": 0}
    config = tune.model_copy(update=settings)
    marks: list[tuple[float, int]] = []
    token_id = int(loaded.tokenizer.convert_tokens_to_ids(token.text))
    with tempfile.TemporaryDirectory() as folder:
        tuned = train.fit(
            loaded,
            Dataset.of(rows),
            config,
            seed=0,
            token_id=token_id,
            folder=Path(folder) / "work",
            on_step=lambda step, steps, loss, tokens: marks.append((time.perf_counter(), tokens)),
        )
    seconds, tokens = (after - before for before, after in zip(*marks, strict=True))
    return tokens / seconds, max(0.0, tuned.seconds - 2 * seconds)


def _writing(loaded: Loaded, prompts: Sequence[Prompt], sample: SampleSection) -> tuple[Writing, list[str]]:
    """By three trials: no more than a token of each row, a few rows for longer, and all of them; and what they said."""
    few = prompts[: max(1, len(prompts) // 8)]
    reading, first_tokens = _timed(loaded, prompts, sample, 1)
    few_seconds, few_answers = _timed(loaded, few, sample, ANSWERED)
    all_seconds, all_answers = _timed(loaded, prompts, sample, ANSWERED)
    per_prompt_token = reading / sum(one.prompt_tokens for one in first_tokens)
    steps, tokens, seconds = [], [], []
    for took, answers in ((few_seconds, few_answers), (all_seconds, all_answers)):
        steps.append(max(one.completion_tokens for one in answers))
        tokens.append(sum(one.completion_tokens for one in answers))
        seconds.append(max(1e-6, took - per_prompt_token * sum(one.prompt_tokens for one in answers)))
    # Two trials, two unknowns: steps × a + tokens × b = seconds.
    determinant = steps[0] * tokens[1] - steps[1] * tokens[0]
    token = max(0.0, (steps[0] * seconds[1] - steps[1] * seconds[0]) / determinant) if determinant else 0.0
    step = max(0.0, (seconds[1] - tokens[1] * token) / steps[1])
    ending = sum(one.finish_reason == "stop" for one in all_answers) / tokens[1]
    most = round(_tokens(loaded, prompts)) + sample.max_new_tokens
    at_once = max(1, generate.TOKENS_IN_FLIGHT // most)
    chunk = hf.chunk(loaded.model.config.get_text_config(), sample.max_new_tokens)
    return Writing(per_prompt_token, step, token, at_once, chunk, ending), [one.text for one in all_answers]


def _timed(
    loaded: Loaded, prompts: Sequence[Prompt], sample: SampleSection, most: int
) -> tuple[float, list[generate.Generated]]:
    began = time.perf_counter()
    texts = dict(
        generate.generate(
            loaded.model,
            loaded.tokenizer,
            prompts,
            temperature=sample.temperature,
            top_p=sample.top_p,
            max_new_tokens=most,
        )
    )
    return time.perf_counter() - began, [texts[place] for place in range(len(prompts))]


def _tokens(loaded: Loaded, prompts: Sequence[Prompt]) -> float:
    """Mean tokens of the prompts, as the model reads them."""
    from leaven.models.template import encode, render

    return sum(len(encode(loaded.tokenizer, render(loaded.tokenizer, one, True))) for one in prompts) / len(prompts)


def _peak() -> float:
    """The most memory that this process has held, in GiB."""
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return math.ceil(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 30) * 10) / 10
