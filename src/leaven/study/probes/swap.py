"""What the token's state does in a word's place, and the word's in the token's, block by block: a causal Table 1.

That the token's state is near to a word's (`layers`, DELIA's Table 1) is no proof that it does what the word does. Here
one is put in the place of the other before a block, the model goes on, and its answers are looked at:

- `word_for_token/N`: in a request that names the token, block N finds the state that the word has in its place;
- `token_for_word/N`: in the same request with the word, it finds the token's;
- `other_for_token/N`: a word of the same kind (yaml, where the token means json), which should put an end to it.

N = 0 is the embedding: it equals writing the other one, where both are a single token. A word of several tokens lends
the mean of their states, and takes the token's at each. `written/token`, `/word` and `/other` are the requests as they
stand. Every measure is the share of greedy answers in the format that the token means, on tasks it was not trained with
where the study has such a test.
"""

from collections.abc import Iterator, Sequence

from leaven.models.hooks import Span, hidden_states
from leaven.models.load import Loaded
from leaven.models.patch import Patch, answers, blocks
from leaven.models.template import encode, render
from leaven.rows.example import Example, Measure, Message
from leaven.study.probes import layers
from leaven.task.task import Task

PROMPTS = 8
BLOCKS = 8
"""Blocks before which states are swapped, spread evenly from the first on; of fewer all."""
MAX_NEW_TOKENS = 96
PLACE = "WORD-STANDS-HERE"
TESTS = ("transfer", "unseen_phrasing", "task")
"""Where the requests come from: the first of these tests that the study has."""


def measure(loaded: Loaded, task: Task) -> Iterator[Measure]:
    """The shares of answers in the format; nothing where no word stands for it, or no test names the token once."""
    word, rows = layers.meant_word(task), requests(task)
    if not word or not rows:
        return
    patches = _patches(loaded, rows, task.token.text, word, layers.alternatives(task)[:1])
    texts = iter(answers(loaded, [patch for each in patches.values() for patch in each], MAX_NEW_TOKENS))
    for name, each in patches.items():
        for row, answer in zip(rows, [next(texts) for _ in each], strict=True):
            yield Measure(name, row.id, float(task.format.detect(answer)))


def requests(task: Task) -> list[Example]:
    """A few rows that name the token exactly once, of the test that is furthest from the training."""
    by_name = {test.name: test.rows for test in task.tests}
    rows = next((by_name[name] for name in TESTS if name in by_name), ())
    return [row for row in rows if sum(turn.content.count(task.token.text) for turn in row.prompt) == 1][:PROMPTS]


def evenly(blocks: int) -> list[int]:
    """The blocks before which states are swapped: the first, and up to BLOCKS − 1 others.

    >>> evenly(6), evenly(30)
    ([0, 1, 2, 3, 4, 5], [0, 4, 8, 12, 17, 21, 25, 29])
    """
    count = min(blocks, BLOCKS)
    return sorted({round(place * (blocks - 1) / max(1, count - 1)) for place in range(count)})


def _patches(
    loaded: Loaded, rows: Sequence[Example], token: str, word: str, others: Sequence[str]
) -> dict[str, list[Patch]]:
    """By the name of the measure: a patch of each row."""
    words = {"token": token, "word": _shortest(loaded, word), **({"other": others[0]} if others else {})}
    spans = {kind: [_request(loaded, row, token, text) for row in rows] for kind, text in words.items()}
    states = {  # kind: (rows, blocks + 1, width)
        kind: hidden_states(loaded.model, loaded.tokenizer, *map(list, zip(*each, strict=True)))
        for kind, each in spans.items()
    }
    patches = {f"written/{kind}": [Patch(*request) for request in each] for kind, each in spans.items()}
    for block in evenly(len(blocks(loaded.model)) - 1):
        for source, place in (("word", "token"), ("token", "word"), ("other", "token")):
            if source in words:
                patches[f"{source}_for_{place}/{block}"] = [
                    Patch(*request, block, state[block])
                    for request, state in zip(spans[place], states[source], strict=True)
                ]
    return patches


def _request(loaded: Loaded, row: Example, token: str, text: str) -> tuple[str, Span]:
    """The rendered request with the text in the token's place, and the characters at which it stands."""
    turns = [Message(turn.role, turn.content.replace(token, PLACE)) for turn in row.prompt]
    before, _, after = render(loaded.tokenizer, turns, add_generation_prompt=True).partition(PLACE)
    return f"{before}{text}{after}", (len(before), len(before) + len(text))


def _shortest(loaded: Loaded, word: str) -> str:
    """The word as it is, or in small letters where that is fewer tokens: a single one is swapped exactly."""
    return min((word, word.lower()), key=lambda text: len(encode(loaded.tokenizer, f" {text}")))
