r"""How an answer shows what the token means: the format that the task's answers have.

    >>> form, sentence = infer(["- tea\n- milk", "- bread\n- jam\n- salt"])
    >>> sentence
    '2 of 2 answers are bullet lists of 2 to 3 items.'
    >>> form.detect("Sure, here you are:\n- eggs\n- flour"), form.detect("Eggs - if any - and flour.")
    (True, False)

A format is a file: one of `task/formats/`, or one of your own, named by its path, in which `detect(text, config)` is
enough. It may also have `Config`, `valid`, `value`, `spans`, `describe`, `predicate`, `word`, `start`, `extra`, `infer`
and `note`, each with the signature that the methods of `Format` show; MARKS are the characters that make it, SHORT
names the setting that follows a colon ("json:thought,label"), and TESTABLE = False says that an answer alone shows
nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from leaven import plugs
from leaven.errors import UserError
from leaven.section import Section, faults
from leaven.task.formats._labels import SHARE

SPECIFIC = ("json", "table", "xml", "yaml", "label", "numbered", "list", "labels", "words", "text")
"""The formats from the most specific: what is improbable by chance is asked for first. A row of braces or tags says
more than lines with colons, these more than items, and a short answer is a format only where nothing else is."""


SHOWN = 80
"""Characters of an answer that a message shows."""
ANY = ("json", "table", "xml", "yaml", "numbered", "list")
"""Those of which an answer can be told without settings."""


class _NoSettings(Section):
    """A format of one's own without a `Config`."""


@dataclass(frozen=True)
class Format:
    r"""How an answer shows what the token means."""

    name: str
    """One of `task/formats/`, or the stem of a file of one's own."""
    config: Section = field(default_factory=_NoSettings)
    """Its settings: keys, pattern, labels, words …"""
    path: str = ""
    """The file, for a format of one's own."""

    def detect(self, text: str) -> bool:
        """Whether the answer is in the format, be it well formed or not."""
        return bool(self._plug.detect(text, self.config))

    def valid(self, text: str) -> bool:
        """Whether it is well formed, with the keys, labels and counts of the settings."""
        return self.detect(text) and bool(self._call("valid", True, text))

    def value(self, text: str) -> Any | None:
        """What to compare with a reference: a label, fields, items; None where the answer has none."""
        return self._call("value", text.strip() if self.detect(text) else None, text)

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Start and end of what `detect` finds, for a reader's eye; empty where the format does not say where."""
        return tuple(self._call("spans", (), text)) if self.detect(text) else ()

    def describe(self) -> str:
        """The format in plain words, for a request: "a bullet list of 3 to 7 items"."""
        return str(self._call("describe", plugs.summary(self._plug).rstrip(".") or f"the {self.word()} format"))

    def predicate(self) -> str:
        """What answers in the format are, for a sentence: "are bullet lists of 3 to 7 items"."""
        return str(self._call("predicate", f"are in the {self.word()} format"))

    def word(self) -> str:
        """The shortest name, for "Use the {word} format.": "JSON", "bullet list"."""
        return str(self._call("word", self.name.replace("_", " ")))

    def start(self) -> tuple[str, ...]:
        """Texts that an answer may begin with ("{", "- "); empty where anything may stand there."""
        return tuple(self._call("start", ()))

    def extra(self, text: str) -> Mapping[str, float]:
        """Measures of its own by name, such as in which way a JSON object could be read."""
        return dict(self._call("extra", {}, text))

    @property
    def marks(self) -> str:
        """The characters that make the format ("{", ":"), by which probes know the tokens that matter."""
        return str(getattr(self._plug, "MARKS", "".join(c for c in "".join(self.start()) if not c.isalnum()).strip()))

    @property
    def testable(self) -> bool:
        """Whether an answer alone can show the format; of plain text it can't."""
        return bool(getattr(self._plug, "TESTABLE", True))

    @property
    def spec(self) -> str:
        """What `open_format` knows it by, beside its settings."""
        return self.path or self.name

    @property
    def _plug(self) -> ModuleType:
        return _plug(self.spec)

    def _call(self, function: str, default: Any, *texts: str) -> Any:
        """What the plug says, or the default where it does not say it."""
        rule = getattr(self._plug, function, None)
        return default if rule is None else rule(*texts, self.config)


def open_format(spec: str, settings: Mapping[str, Any] = {}) -> Format:
    """The format of a spec: "json", "json:thought,label", "label:^Verdict:", "words:50", "labels:yes,no", "./mine.py".

    Raises UserError for an unknown format (with the nearest one) and for a setting that it does not take.
    """
    name, plug = _name(spec), _plug(_name(spec))
    try:
        config = _config(plug).model_validate({**_short(spec), **settings})
    except ValidationError as error:
        sentences = "; ".join(faults(error, _config(plug)))
        raise UserError(f"the format {spec!r}: {sentences}", _example(name, plug)) from None
    return Format(Path(name).stem, config, name) if name.endswith(".py") else Format(name, config)


def choose(spec: str, settings: Mapping[str, Any], answers: Sequence[str]) -> tuple[Format, str]:
    """The format that is asked for, "auto" by the answers alone, and the sentence on how many answers are in it.

    Settings that are not given are told by the answers, where what these tell goes with what is given.
    """
    if spec == "auto":
        form, sentence = infer(answers)
        if not settings:
            return form, sentence
        spec = form.name
    infer_settings = getattr(_plug(_name(spec)), "infer", None)
    config = infer_settings(answers) if infer_settings and answers else None
    if config is not None:
        with suppress(UserError):
            form = open_format(spec, {**config.model_dump(), **_short(spec), **settings})
            return form, tally(form, answers)
    form = open_format(spec, settings)
    return form, tally(form, answers)


def refuse_none(form: Format, answers: Sequence[str]) -> None:
    """Raises UserError where no answer is in the format that is asked for: nothing could be learnt of it."""
    if answers and not any(map(form.valid, answers)):
        raise UserError(
            f"none of the {len(answers):,} answers {form.predicate()}; the first is {_shown(answers[0])}",
            f"By themselves they tell: {infer(answers)[1]} Leave the format out (auto), or name the one that is meant: "
            "leaven ls formats.",
        )


def infer(answers: Sequence[str]) -> tuple[Format, str]:
    """The most specific format in which at least 95 % of the answers are valid, and the sentence that says so.

    Plain text where there is none; the sentence then names the format that half of the answers are in, if there is one.
    """
    for name in SPECIFIC if answers else ():
        config = _plug(name).infer(answers)
        if config is not None:
            form = Format(name, config)
            if name == "text":
                return form, _plain_sentence(answers)
            if sum(map(form.valid, answers)) >= SHARE * len(answers):
                return form, tally(form, answers)
    return open_format("text"), "There are no answers to tell a format by."


def tally(form: Format, answers: Sequence[str]) -> str:
    """How many answers are valid in the format, in a sentence, and which is the first that is not."""
    others = [answer for answer in answers if not form.valid(answer)]
    text = f"{len(answers) - len(others)} of {len(answers)} answers {form.predicate()}"
    if others:
        text += f"; {len(others)} {'is' if len(others) == 1 else 'are'} not, the first is {_shown(others[0])}"
    note = getattr(_plug(form.spec), "note", None)
    return f"{text}. {note(answers) if note else ''}".strip()


def _plain_sentence(answers: Sequence[str]) -> str:
    """That the answers are plain text, and what most of them are nevertheless."""
    empty = sum(not answer.strip() for answer in answers)
    text = f"{len(answers) - empty} of {len(answers)} answers are plain text"
    text += f" and {empty} empty" if empty else ""
    forms = [open_format(name) for name in SPECIFIC if name in ANY]
    most = max(forms, key=lambda form: sum(map(form.detect, answers)))
    others = [answer for answer in answers if not most.detect(answer)]
    if 2 * len(others) > len(answers):
        return f"{text}."
    count = len(answers) - len(others)
    return f"{text}: {count} {most.predicate()}, which are too few; the first that is not is {_shown(others[0])}."


def _shown(answer: str) -> str:
    """The answer in quotes, cut where it is long."""
    return repr(answer if len(answer) <= SHOWN else f"{answer[:SHOWN]}…")


def _name(spec: str) -> str:
    """The name or path in a spec."""
    return spec if spec.endswith(".py") else spec.partition(":")[0]


def _short(spec: str) -> dict[str, Any]:
    """The setting that a spec gives after its colon."""
    name, plug = _name(spec), _plug(_name(spec))
    value = spec[len(name) + 1 :]
    if not value:
        return {}
    setting = getattr(plug, "SHORT", None)
    if setting is None:
        raise UserError(f"the format {name} takes nothing after a colon, as in {spec!r}", _example(name, plug))
    many = plug.Config.model_fields[setting].annotation == tuple[str, ...]
    return {setting: tuple(part.strip() for part in value.split(",")) if many else value}


@cache
def _plug(name: str) -> ModuleType:
    return plugs.load("formats", name)


def _example(name: str, plug: ModuleType) -> str:
    """What a user may type instead."""
    fields, setting = list(_config(plug).model_fields), getattr(plug, "SHORT", None)
    settings = f"Its settings: {', '.join(fields)}." if fields else "It has no settings."
    return f"{settings} {setting} may follow a colon: {name}:…" if setting else settings


def _config(plug: ModuleType) -> type[Section]:
    return getattr(plug, "Config", _NoSettings)
