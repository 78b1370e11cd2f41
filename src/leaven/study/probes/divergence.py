"""How sure the model is where answers part: at the first token, the format's or not (DELIA, Figure 4)."""

from collections.abc import Iterator

import torch

from leaven.models.load import Loaded
from leaven.models.template import encode, render
from leaven.rows.example import Measure, Prompt
from leaven.task.format import Format
from leaven.task.task import Task

RARE = 1e-3


def measure(loaded: Loaded, task: Task) -> Iterator[Measure]:
    """Of every test row: `entropy` (nats), `choices` (its exponential), `nucleus_90`, `nucleus_95`, `likely`, `start`.

    `likely` counts the tokens above one in a thousand; `start` is the probability of those that begin the format.
    """
    starts = _starts(loaded, task.format)
    for row in task.tests[0].rows if task.tests else ():
        shares = first(loaded, row.prompt)
        for name, value in of(shares).items():
            yield Measure(name, row.id, value)
        yield Measure("start", row.id, float(shares[starts].sum()))


def of(shares: torch.Tensor) -> dict[str, float]:
    """The measures of a distribution, (vocabulary,)."""
    entropy = float(-torch.special.xlogy(shares, shares).sum())
    reached = shares.sort(descending=True).values.cumsum(0)
    nuclei = {f"nucleus_{cut}": float((reached < cut / 100 - 1e-7).sum() + 1) for cut in (90, 95)}
    return {
        "entropy": entropy,
        "choices": float(torch.tensor(entropy).exp()),
        **nuclei,
        "likely": float((shares > RARE).sum()),
    }


@torch.no_grad()
def first(loaded: Loaded, prompt: Prompt) -> torch.Tensor:
    """The distribution of the answer's first token, (vocabulary,)."""
    ids = encode(loaded.tokenizer, render(loaded.tokenizer, prompt, True))
    batch = torch.tensor([ids], device=loaded.model.device)
    return torch.softmax(loaded.model(input_ids=batch, use_cache=False).logits[0, -1].double(), -1)


def _starts(loaded: Loaded, form: Format) -> list[int]:
    """The tokens that an answer in the format may begin with: they begin as it does, or are a part of that."""
    texts = loaded.tokenizer.batch_decode([[i] for i in range(len(loaded.tokenizer))])
    begins = [(i, text.lstrip()) for i, text in enumerate(texts) if text.strip()]
    return [i for i, text in begins if any(text.startswith(s) or s.startswith(text.rstrip()) for s in form.start())]
