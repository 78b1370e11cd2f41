"""How near the token has come to the words of its meaning, block by block (DELIA's Table 1 and Figure 2).

The paper does not say in which context, at which position and on which state it measures. Ours:

- the word stands in a short request ("Use the WORD format."), rendered as a user turn by the model's chat template;
- the state is that after each block (after the last: behind the final norm), averaged over the word's sub-tokens, and
  over the requests;
- beside the paper's L2 stand the distance of states of length 1, which no growth of the norms can change, and the
  logarithms of both: distances are shares of one another, and their means are those of a scale of ratios;
- a token may be near to "json" because it is near to every format. So the word is ranked among words of the same kind
  (yaml, xml …), by the distance of states of length 1. What the state *does* is asked by the probe `swap`.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional

from leaven.models.hooks import hidden_states
from leaven.models.load import Loaded
from leaven.models.template import render
from leaven.rows.example import Measure, user
from leaven.task.format import ANY
from leaven.task.task import Task

FRAMES = ("Use the {} format.", "Answer in {} format.", "The required format is {}.", "Write the answer as {}.")
CONTROLS = ("poem", "river", "apple")
"""Words of no format, for the curve."""
FORMATS = ("json", "yaml", "xml", "csv", "html", "markdown", "table", "list")
"""Words of the same kind as the name of a format that is told by its form alone."""
NEAREST = 1e-6
"""Distances below this are the rounding of float32, and count as this in a logarithm."""
STOP_WORDS = frozenset(
    "an and are as at be by for from has have in is it its key keys object of on or stands that the to with a".split()
)


def measure(loaded: Loaded, task: Task) -> Iterator[Measure]:
    """At the first, middle and last block, with the word as the item: `l2`, `unit_l2`, their `log_…`, and `cosine`.

    `rank/PLACE` is the place of the word that stands for the meaning among words of the same kind, 1 the nearest.
    `curve/N/meaning` and `/control` are mean L2 after block N to the words of the meaning, and to unrelated ones.
    Without a meaning there is nothing to measure.
    """
    meaning, others = words(task.token.means), alternatives(task)
    if not meaning:
        return
    word = meant_word(task).lower()
    compared = dict.fromkeys((*meaning, *filter(None, [word]), *others, *CONTROLS))
    own = states(loaded.model, loaded.tokenizer, task.token.text)  # (layers + 1, width)
    theirs = {text: states(loaded.model, loaded.tokenizer, text) for text in compared}
    last = own.shape[0] - 1
    for place, layer in {"first": 1, "middle": (last + 1) // 2, "last": last}.items():
        here = {text: state[layer] for text, state in theirs.items()}
        yield from _distances(place, own[layer], here)
        if word and others:
            apart = {text: _l2(_unit(own[layer]), _unit(here[text])) for text in (word, *others)}
            yield Measure(f"rank/{place}", "", 1.0 + sum(apart[other] < apart[word] for other in others))
    for layer in range(1, last + 1):
        for name, group in (("meaning", meaning), ("control", [text for text in CONTROLS if text not in meaning])):
            if group:
                mean = sum(_l2(own[layer], theirs[text][layer]) for text in group) / len(group)
                yield Measure(f"curve/{layer}/{name}", "", mean)


def meant_word(task: Task) -> str:
    """The word that stands for what the token means: the format's name, or else the first word of `token.means`.

    "" where nothing says what kind of word it is: the format is none of the usual ones, and no alternatives are given.
    """
    if task.format.name in ANY or (task.format.testable and task.token.alternatives):
        return task.format.word()
    return next(iter(words(task.token.means)), "") if task.token.alternatives else ""


def alternatives(task: Task) -> tuple[str, ...]:
    """Words of the same kind: the recipe's `token.alternatives`, or the names of other formats."""
    own = meant_word(task).lower().split()
    words = task.token.alternatives or (FORMATS if task.format.name in ANY else ())
    return tuple(other for other in words if other.lower() not in own)


def words(means: str) -> tuple[str, ...]:
    """The content words of a meaning, each once."""
    candidates = re.findall(r"[^\W\d_]+", means.lower())
    return tuple(dict.fromkeys(word for word in candidates if word not in STOP_WORDS))


def states(model: Any, tokenizer: Any, word: str) -> torch.Tensor:
    """The word's state after each block, averaged over the requests: (layers + 1, width)."""
    texts = [render(tokenizer, user(frame.format(word)), add_generation_prompt=True) for frame in FRAMES]
    starts = [text.rindex(word) for text in texts]
    spans = [(start, start + len(word)) for start in starts]
    return hidden_states(model, tokenizer, texts, spans).mean(0)


def _distances(place: str, own: torch.Tensor, others: dict[str, torch.Tensor]) -> Iterator[Measure]:
    for word, state in others.items():
        plain, unit = _l2(own, state), _l2(_unit(own), _unit(state))
        for name, distance in (("l2", plain), ("unit_l2", unit)):
            yield Measure(f"{name}/{place}", word, distance)
            yield Measure(f"log_{name}/{place}", word, math.log(max(distance, NEAREST)))
        yield Measure(f"cosine/{place}", word, float(functional.cosine_similarity(own, state, dim=0)))


def _unit(state: torch.Tensor) -> torch.Tensor:
    return functional.normalize(state, dim=0)


def _l2(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm())
