"""Raise a small dataset: adapt an open language model from few examples, with the proof beside it.

    import leaven
    rows = leaven.read("task.jsonl")                          # or dicts, messages, a polars or pandas frame, …
    proof = leaven.compare(rows, model="lab", token="<sep>")  # methods side by side, tested
    print(proof.table())
    fitted = leaven.delia(rows, model="lab", token="<sep>")   # the adapted model
    print(fitted.answer(["List three birds. Use the <sep> format."]))

Each name is loaded when it is first used (PEP 562); the commands call the same functions.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaven.api.adapt import Adapted as Adapted
    from leaven.api.adapt import delia as delia
    from leaven.api.curation import Lifted as Lifted
    from leaven.api.curation import lift as lift
    from leaven.api.curation import select as select
    from leaven.api.evaluation import Evaluation as Evaluation
    from leaven.api.evaluation import evaluate as evaluate
    from leaven.api.proof import Proof as Proof
    from leaven.api.proof import compare as compare
    from leaven.errors import UserError as UserError
    from leaven.rows.dataset import Dataset as Dataset
    from leaven.rows.files import read as read
    from leaven.rows.outcomes import Outcome as Outcome
    from leaven.task.format import Format as Format
    from leaven.task.format import infer as infer
    from leaven.task.format import open_format as open_format

_API = {
    "read": "rows.files",
    "delia": "api.adapt",
    "compare": "api.proof",
    "lift": "api.curation",
    "select": "api.curation",
    "evaluate": "api.evaluation",
    "Format": "task.format",
    "open_format": "task.format",
    "infer": "task.format",
    "Dataset": "rows.dataset",
    "Outcome": "rows.outcomes",
    "Adapted": "api.adapt",
    "Proof": "api.proof",
    "Lifted": "api.curation",
    "Evaluation": "api.evaluation",
    "UserError": "errors",
}
__all__ = list(_API)


class _Function(ModuleType):
    """A room whose name is a function of the API too: `leaven.delia(…)`, and still `leaven.delia.bench`.

    `help(leaven.delia)` and an editor's hints show the function.
    """

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self.__wrapped__(*args, **settings)

    @property
    def __wrapped__(self) -> Any:
        return _load(self.__name__.rpartition(".")[2])

    def _help(self) -> str:
        import inspect

        function = self.__wrapped__
        return f"{inspect.getdoc(function)}\n\n{function.__name__}{inspect.signature(function)}"

    __doc__ = property(_help)


class _Api(ModuleType):
    """The import system puts a room into its package when it is first imported: then it becomes a function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _API and isinstance(value, ModuleType):
            value.__class__ = _Function
        super().__setattr__(name, value)


def _load(name: str) -> Any:
    if _API[name] in ("api.adapt", "api.evaluation", "api.proof"):
        from leaven import extras

        extras.require(*extras.STUDY)
    return getattr(import_module(f"leaven.{_API[name]}"), name)


def __getattr__(name: str) -> Any:
    if name not in _API:
        raise AttributeError(f"module 'leaven' has no attribute {name!r}")
    value = _load(name)
    return sys.modules[f"leaven.{name}"] if f"leaven.{name}" in sys.modules else value


def __dir__() -> list[str]:
    return sorted({*_API, *(name for name in globals() if name.startswith("__"))})


sys.modules[__name__].__class__ = _Api
