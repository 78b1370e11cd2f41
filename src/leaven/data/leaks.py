"""The guard against test rows that training has seen, and against pool rows that give a test away.

Two prompts overlap when, in this order,

1. they are equal (`exact`);
2. they are equal but for case, punctuation and space (`normalised`);
3. a line of one, with or without its label ("Question: …"), is a line of the other (`passage`); a sentence inside a
   longer line counts where all that the two share is half of what the shorter one has of its own;
4. half of the n-grams that the shorter one has of its own are in the other (`n-grams`).

Every prompt of a set may begin with the same instructions, or ask in one of a few templates. What a text has *of its
own* is therefore told by document frequency: a piece (a line cut at the ends of sentences and after its label) that is
in more than a twentieth of the different prompts of any set (but at least 3 and at most 10 of them) is boilerplate and
proves nothing. Between that and two prompts, a piece proves something only where no other piece of the row is rarer:
of "What is the capital of Peru? Answer in one word." the question is what the row is about, however often the request
recurs and though the question recurs too. So a question of five words is found in a prompt of 1,500 letters of
instructions, and two rows that share no more than a template are left in peace.

A test row that overlaps with train leaves its test. A pool row that overlaps with a test row, or is equal (1, 2) to
a train prompt, leaves the pool. All look-ups are by hash: time grows with the number of words.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaven.data.passages import Text, Texts
from leaven.dataset import Dataset
from leaven.recipe import LeaksSection
from leaven.types import Drop


class Match(NamedTuple):
    """An overlap: row `row` of `where` (a test's name, or "pool") repeats the row `source` of `against`."""

    where: str
    row: str
    kind: str
    against: str
    source: str
    evidence: str
    share: float


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is left of the tests and the pool; `dropped` pairs each row that left with where it was."""

    tests: dict[str, Dataset]
    pool: Dataset | None
    dropped: tuple[tuple[str, Drop], ...] = ()
    matches: tuple[Match, ...] = ()


def guard(train: Dataset, tests: Mapping[str, Dataset], pool: Dataset | None, config: LeaksSection) -> Guarded:
    """The tests without rows that overlap with train, and the pool without rows that overlap with a test or train.

    The pool is compared with all test rows, those that left their test included. A test may come back empty.
    """
    if not config.enabled:
        return Guarded(dict(tests), pool)
    train_texts, pool_texts = _texts(train, config), None if pool is None else _texts(pool, config)
    test_texts = {name: _texts(test, config) for name, test in tests.items()}
    sets = [train_texts, *test_texts.values(), *([pool_texts] if pool_texts else [])]
    train_index = Index("train", train_texts, sets, config)
    found = {name: _matches(name, texts, [train_index], sets, config) for name, texts in test_texts.items()}
    if pool_texts:
        indices = [Index(name, texts, sets, config) for name, texts in test_texts.items()]
        equal_to_train = Index("train", train_texts, sets, config, equal_only=True)
        found["pool"] = _matches("pool", pool_texts, [*indices, equal_to_train], sets, config)
    return _without(found, tests, pool)


class Index:
    """Where each prompt, passage and n-gram of a set occurs; boilerplate is left out."""

    def __init__(
        self, name: str, texts: Texts, sets: Sequence[Texts], config: LeaksSection, equal_only: bool = False
    ) -> None:
        self.name, self.texts, self.sets, self.config = name, texts, sets, config
        self.exact: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        self.passages: dict[str, list[tuple[int, bool]]] = defaultdict(list)
        self.grams: dict[str, list[int]] = defaultdict(list)
        for number, text in enumerate(texts.texts):
            self.exact.setdefault(text.exact, number)
            self.folded.setdefault(text.folded, number)
            if equal_only:
                continue
            for passage in text.passages(config.passage):
                if texts.identifies(passage, text):
                    self.passages[passage.text].append((number, passage.whole))
            for gram in text.grams(config.ngram):
                self.grams[gram].append(number)

    def find(self, where: str, row: str, text: Text, own: Texts) -> Match | None:
        ...
