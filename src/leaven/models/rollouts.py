"""What a model says in the middle of its training, as rows to train on: on-policy data.

train.fit(..., rollouts=partial(rollouts.sample, teacher_prompt=with_example, seed=0, …))
"""

import hashlib
from collections.abc import Callable, Sequence

from leaven.models.generate import Generated, generate
from leaven.models.load import Loaded
from leaven.models.mask import Encoded, encode
from leaven.models.template import encode as tokens
from leaven.models.template import render
from leaven.rows.example import Example, Prompt, answered


def sample(
    loaded: Loaded,
    step: int,
    examples: Sequence[Example],
    *,
    teacher_prompt: Callable[[Example], Prompt],
    temperature: float,
    max_new_tokens: int,
    skip: int,
    seed: int,
) -> list[Encoded]:
    """The model's own answers to the examples' prompts in this step, in their order, without the examples' answers.

    `teacher_prompt` makes what the teacher reads in place of a row's prompt. The first `skip` tokens of an answer carry
    no loss. The draws depend on the seed and the step alone.
    """
    prompts = [example.prompt for example in examples]
    draws = int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:8])
    answers = dict(
        generate(
            loaded.model, loaded.tokenizer, prompts, temperature=temperature, max_new_tokens=max_new_tokens, seed=draws
        )
    )
    return [
        _row(loaded, example, answers[place], teacher_prompt(example), skip) for place, example in enumerate(examples)
    ]


def _row(loaded: Loaded, example: Example, answer: Generated, teacher_prompt: Prompt, skip: int) -> Encoded:
    """The prompt with the answer as it was said, beside the context of its teacher."""
    cut = answer.finish_reason == "length"
    row = encode(loaded.tokenizer, answered(example, answer.text.rstrip("\ufffd") if cut else answer.text, cut))
    start = row.completion_mask.index(1) if 1 in row.completion_mask else len(row.input_ids)
    skipped = row.input_ids[start : start + skip]
    context = (*tokens(loaded.tokenizer, render(loaded.tokenizer, teacher_prompt, True)), *skipped)
    mask = [0] * (start + len(skipped)) + row.completion_mask[start + len(skipped) :]
    return Encoded(row.input_ids, mask, context=context)
