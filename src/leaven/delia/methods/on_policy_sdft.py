"""The model is its own teacher: it answers, and learns from itself with the task's answer at hand (SDFT, 2601.19897).

In every step the model as it is answers the task's questions; the base model, which reads the task's answer as an
example beside the question, says what it would have said at each token of these answers. (`sdft` is another method of
that name, which rewrites the answers once, before training.) Reconstructed: the words around the example; that the
teacher stays the base model, as in TRL's trainer, where the paper's follows the student slowly; one answer a question.
"""

from functools import partial
from typing import Literal

from pydantic import Field

from leaven.delia.bench import Bench, Fitted
from leaven.delia.settings import DiversifyChanges, TuneChanges
from leaven.llm.prompts.render import render
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message, Prompt
from leaven.section import Section


class Config(Section):
    """How the model answers, and how it learns from its teacher."""

    divergence: Literal["reverse", "forward"] = "reverse"
    """reverse: KL(student ‖ teacher), as the paper writes it; forward: KL(teacher ‖ student), by which its published
    figures were made, as its authors' repository says."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of the model's answers, which are as long as the recipe's `sample` allows."""
    num_loss_tokens_to_skip: int = Field(0, ge=0)
    """Tokens at the head of each answer without loss, where a teacher speaks of its example; the authors skip 3."""
    diversify: DiversifyChanges = DiversifyChanges(on=False)
    """Whether to say the instructions in many ways first, as DELIA does."""
    tune: TuneChanges = TuneChanges()
    """Changes of the recipe's `tune` section."""


def fit(train: Dataset, bench: Bench, config: Config) -> Fitted:
    """Tune on the model's own answers to the task rows, towards what it would say with the task's answer at hand."""
    from leaven.models import rollouts
    from leaven.models.losses import self_distillation

    answers = partial(
        rollouts.sample,
        teacher_prompt=with_example,
        temperature=config.temperature,
        max_new_tokens=bench.settings.sample.max_new_tokens,
        skip=config.num_loss_tokens_to_skip,
        seed=bench.seed,
    )
    loss = partial(self_distillation.loss, direction=config.divergence)
    rows = bench.diversify(train, config.diversify).shuffle(bench.seed)
    return bench.tune(rows, objective=loss, rollouts=answers, **config.tune)


def with_example(row: Example) -> Prompt:
    """The row's prompt, its question followed by its answer as an example of one."""
    text = render("with_example", question=row.question, answer=row.answer)
    return (*row.prompt[:-1], Message("user", text))
