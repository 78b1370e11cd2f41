"""The two kinds of failure: what the user can mend, and (anything else) our bug.

LeavenError
└── UserError      problem + hint; the command line prints both and exits with 2, without a traceback
    ├── RecipeError    every fault of a recipe at once
    └── Unfinished     calls failed, and the same command goes on: exits with 3
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any


class LeavenError(Exception):
    """Anything that leaven raises on purpose."""


class UserError(LeavenError):
    """Something the user can mend: `problem` says what was wrong and where, `hint` what to type next."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}\n{hint}" if hint else problem)
        self.problem = problem
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """It goes from process to process as it is: pickle would build it anew from its one text."""
        return UserError.__new__, (type(self), *self.args), self.__dict__


class RecipeError(UserError):
    """All faults of one recipe together, a line each."""

    def __init__(self, place: str, faults: Sequence[str], hint: str = "") -> None:
        self.faults = tuple(faults)
        noun = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__("\n".join([f"{place}: {noun}", *(f"  - {fault}" for fault in faults)]), hint)


class Unfinished(UserError):
    """Work is left open, since calls failed; the same command goes on from what there is."""


def first_line(error: BaseException) -> str:
    """What a library says of its error in its first line; the error's kind, where it says nothing."""
    return str(error).strip().partition("\n")[0].rstrip() or type(error).__name__


def nearest(word: str, known: Iterable[str]) -> str:
    """The sentence that names the closest known word, or all of them when none is close.

    A word of five letters that has three of them is none: 'meens' is not 'seeds'.
    """
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.65)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names)}."
