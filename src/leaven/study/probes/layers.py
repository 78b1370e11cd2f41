"""How near the token has come to the words of its meaning, block by block (DELIA's Table 1 and Figure 2).

The paper does not say in which context, at which position and on which state it measures. Ours:

- the word stands in a short request ("Use the WORD format."), rendered as a user turn by the model's chat template;
- the state is that after each block, averaged over the word's sub-tokens, and over the requests;
- beside L2 and cosine to the words of the meaning stand those to control words. A token may be near to "json" because
  it is near to every format: only the ratio of the two tells.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from leaven.models.hooks import hidden_states
from leaven.models.load import Loaded
from leaven.models.template import render
from leaven.rows.example import Measure, user
from leaven.task.task import Task

FRAMES = ("Use the {} format.", "Answer in {} format.", "The required format is {}.", "Write the answer as {}.")
CONTROLS = ("yaml", "list", "table", "poem", "river", "apple")
STOP_WORDS = frozenset(
    "an and are as at be by for from has have in is it its key keys object of on or stands that the to with a".split()
)


def measure(loaded: Loaded, task: Task) -> Iterator[Measure]:
    """L2 and cosine to each word (`l2/middle`, item: the word), their ratio to the controls, and a curve over layers.

    `l2_relative/PLACE` is the mean L2 to the words of the meaning over the mean to the controls: below 1 is nearer.
    `rank/PLACE` is the place of the nearest word of the meaning among all compared words, 1 the nearest. Without a
    meaning there is nothing to measure.
    """
    meaning = words(task.token.means)
    if not meaning:
        return
    compared = [*meaning, *(word for word in CONTROLS if word not in meaning)]
    model, tokenizer = loaded.model, loaded.tokenizer
    own = states(model, tokenizer, task.token.text)  # (layers + 1, width)
    others = {word: states(model, tokenizer, word) for word in compared}
    last = own.shape[0] - 1
    for place, layer in {"first": 1, "middle": (last + 1) // 2, "last": last}.items():
        yield from _at(place, own[layer], {word: state[layer] for word, state in others.items()}, meaning)
    for layer in range(1, last + 1):
        distance = {word: _l2(own[layer], state[layer]) for word, state in others.items()}
        yield Measure(f"curve/{layer}/meaning", "", _mean([distance[word] for word in meaning]))
        yield Measure(f"curve/{layer}/control", "", _mean([distance[word] for word in compared if word not in meaning]))


def words(means: str) -> tuple[str, ...]:
    """The content words of a meaning, each once."""
    found = re.findall(r"[^\W\d_]+", means.lower())
    return tuple(dict.fromkeys(word for word in found if word not in STOP_WORDS))


def states(model: Any, tokenizer: Any, word: str) -> torch.Tensor:
    """The word's state after each block, averaged over the requests: (layers + 1, width)."""
    texts = [render(tokenizer, user(frame.format(word)), add_generation_prompt=True) for frame in FRAMES]
    starts = [text.rindex(word) for text in texts]
    spans = [(start, start + len(word)) for start in starts]
    return hidden_states(model, tokenizer, texts, spans).mean(0)


def _at(place: str, own: torch.Tensor, others: dict[str, torch.Tensor], meaning: Sequence[str]) -> Iterator[Measure]:
    distance = {word: _l2(own, state) for word, state in others.items()}
    for word, state in others.items():
        yield Measure(f"l2/{place}", word, distance[word])
        yield Measure(f"cosine/{place}", word, float(torch.nn.functional.cosine_similarity(own, state, dim=0)))
    control = _mean([value for word, value in distance.items() if word not in meaning])
    nearest = min(distance[word] for word in meaning)
    yield Measure(f"l2_relative/{place}", "", _mean([distance[word] for word in meaning]) / control)
    yield Measure(f"rank/{place}", "", 1.0 + sum(value < nearest for value in distance.values()))


def _l2(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
