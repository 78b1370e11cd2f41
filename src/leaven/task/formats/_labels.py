"""Labels: a few short values that answers share, how they are compared, and how several things are said."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from unicodedata import category, normalize

SHARE = 0.95
"""This share of the answers has to be valid in a format for it to be theirs."""
MOST = 20
"""More values than this are no set of labels."""
MOST_NUMBERS = 6
"""More different numbers than this are counts or scores, and no labels."""
USES = 3
"""Labels recur: on average each occurs this often; values that do not are answers of their own."""
LENGTH = 40
"""A longer value is a sentence and no label."""

# From the first letter or digit to the last, with the signs that belong to it: -1, .5, <=50K, >50K, C++, C#, A-.
_CORE = re.compile(
    r"(?:(?:[<≤≥]=? ?|>= ?|>)?[-−]?(?:(?<!\.)\.)?(?=\d))?[^\W_](?:.*[^\W_])?(?:[+#]+|(?<=\b\w)-)?", re.DOTALL
)


def normal(label: str) -> str:
    """The label as it is compared: without capitals, and without quotes, stars and full stops around it.

    >>> normal('**"Yes."**'), normal("-1"), normal(">50K"), normal("C++")
    ('yes', '-1', '>50k', 'c++')
    """
    label = normalize("NFC", label)
    match = _CORE.search(label)
    if match is None:
        return label.strip()
    # A vowel sign of Hindi or Thai is no letter to a regular expression, and yet what tells two words apart.
    marks = "".join(takewhile(lambda sign: category(sign).startswith("M"), label[match.end() :]))
    return (match[0] + marks).replace("−", "-").casefold()


def labels_of(values: Sequence[str]) -> tuple[str, ...]:
    """The labels that (nearly) all values are, in their order; empty where the values are no labels.

    >>> labels_of(["Yes", "no", "yes", "no", "no", "yes."])
    ('no', 'yes')
    """
    counts = Counter(map(normal, values))
    repeated = Counter({value: count for value, count in counts.items() if count > 1})
    for labels in (counts, repeated):
        are_numbers = all(label.lstrip("-").isdigit() for label in labels)
        few = 2 <= len(labels) <= (MOST_NUMBERS if are_numbers else MOST) and USES * len(labels) <= len(values)
        if few and labels.total() >= SHARE * len(values) and max(map(len, labels)) <= LENGTH:
            return tuple(sorted(labels))
    return ()


def one_of(value: str, labels: Iterable[str]) -> bool:
    """Whether the value is one of the labels."""
    return normal(value) in map(normal, labels)


def series(things: Sequence[str], conjunction: str = "and") -> str:
    """The things in a row, as a sentence says them.

    >>> series(["a", "b", "c"], "or")
    'a, b or c'
    """
    return f" {conjunction} ".join([", ".join(things[:-1]), things[-1]]) if len(things) > 1 else "".join(things)
