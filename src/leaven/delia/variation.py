"""How varied the wording of some texts is: distinct-n and self-BLEU."""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

ORDER = 4
FLOOR = 0.1
Gram = tuple[str, ...]


def distinct(texts: Sequence[str], n: int) -> float:
    """distinct-n: the share of the texts' n-grams that are not repetitions (1510.03055); NaN where there is none."""
    grams = [gram for text in texts for gram in _grams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def self_bleu(texts: Sequence[str]) -> float:
    """Self-BLEU (1802.01886), from 0 to 100: the mean BLEU-4 of each text against all others; low is varied.

    Counts of zero are floored to 0.1, and texts under four words are measured by the n-grams that they have; a text
    that shares no word with another has 0. Measure distinct texts: of copies each has 100. The best counts of all
    others are had from the two best of all, so that the time grows with the texts and not with their square.
    """
    split = [words(text) for text in texts]
    split = [text for text in split if text]
    if len(split) < 2:
        return math.nan
    counts = [[Counter(_grams(text, n)) for text in split] for n in range(1, ORDER + 1)]
    best = [_best(order) for order in counts]
    lengths = sorted(len(text) for text in split)
    return sum(_bleu(place, split, counts, best, lengths) for place in range(len(split))) / len(split)


def words(text: str) -> list[str]:
    """Words, numbers and single marks of punctuation, in small letters."""
    return re.findall(r"\w+|[^\w\s]", text.casefold())


def _bleu(
    place: int,
    texts: Sequence[list[str]],
    counts: Sequence[Sequence[Counter[Gram]]],
    best: Sequence[dict[Gram, tuple[int, int]]],
    lengths: Sequence[int],
) -> float:
    logs = list[float]()
    for order, tops in zip(counts, best, strict=True):
        mine = order[place]
        total = sum(mine.values())
        if not total:
            break
        # Where this text holds the highest count, the others' highest is the second.
        met = sum(min(count, tops[gram][count == tops[gram][0]]) for gram, count in mine.items())
        if not met and not logs:  # no word in common
            return 0.0
        logs.append(math.log((met or FLOOR) / total))
    size = len(texts[place])
    nearest = _nearest_other(size, lengths)
    brevity = 0.0 if size >= nearest else 1 - nearest / size
    return 100 * math.exp(brevity + sum(logs) / len(logs))


def _best(counts: Sequence[Counter[Gram]]) -> dict[Gram, tuple[int, int]]:
    """The highest and second highest count of each n-gram over the texts; equal where two texts share the highest."""
    tops: dict[Gram, tuple[int, int]] = {}
    for count in counts:
        for gram, times in count.items():
            first, second = tops.get(gram, (0, 0))
            tops[gram] = (times, first) if times > first else (first, max(second, times))
    return tops


def _nearest_other(size: int, lengths: Sequence[int]) -> int:
    """The length of another text that is nearest to this one's; of two, the shorter."""
    place = bisect_left(lengths, size)
    around = [*lengths[max(0, place - 1) : place], *lengths[place + 1 : place + 2]]
    return min(around, key=lambda length: (abs(length - size), length))


def _grams(text: Sequence[str], n: int) -> list[Gram]:
    return [tuple(text[start : start + n]) for start in range(len(text) - n + 1)]
