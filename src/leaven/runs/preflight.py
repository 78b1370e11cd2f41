"""Checks before a run begins: all are made, and all that they find is said at once."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from leaven import extras
from leaven.errors import RecipeError, UserError


def examine(checks: Sequence[Callable[[], object]]) -> list[UserError]:
    """What each of the checks has to say, once; packages that are missing are said together, by one command."""
    errors: dict[str, UserError] = {}
    missing: list[str] = []
    for check in checks:
        try:
            check()
        except extras.Missing as error:
            missing += error.packages
        except UserError as error:
            errors.setdefault(str(error), error)
        except ImportError as error:
            if (explained := extras.explain(error)) is None:
                raise
            missing += explained.packages
    return [*([extras.Missing(missing)] if missing else []), *errors.values()]


def together(errors: Sequence[UserError], before: str = "the first step") -> UserError:
    """One error that says all of them."""
    if len(errors) == 1:
        return errors[0]
    lines = [line for error in errors for line in _lines(error)]
    return RecipeError(f"before {before}", lines, "Nothing was trained or paid for.")


def check_writable(folder: Path) -> None:
    """Raises UserError for a folder that can't be made, or in which nothing can be written."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise UserError(f"{nearest} is a file, not a folder", "Choose another --out.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"nothing can be written in {nearest}", "Choose another --out.")


def _lines(error: UserError) -> tuple[str, ...]:
    return error.faults if isinstance(error, RecipeError) else (f"{error.problem}. {error.hint}".strip(),)
