"""What Ollama needs beside a GGUF file: a Modelfile, whose template says the chat template in Go.

Ollama reads no Jinja. Where turns are written one after another, each with something before and after it, the same can
be said in its own language; where a template does more, it is left out and said so.
"""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from leaven.errors import UserError
from leaven.models.load import Loaded
from leaven.models.template import end_ids, render
from leaven.rows.example import Message
from leaven.runs import folder as runs

TALKS = (("user",), ("system", "user"), ("user", "assistant", "user"), ("system", "user", "assistant", "user"))
"""Conversations that the template in Go must write as the chat template does."""
CANNOT = (
    "Modelfile: Ollama's language can't say this model's chat template. TEMPLATE is left out, and /api/chat "
    "would write other prompts than it was tuned on"
)


class Template(NamedTuple):
    """Turns one after another: what stands before and after those of each role, before all, and at the end."""

    head: str
    """Only where the first turn is not the system's."""
    around: dict[str, tuple[str, str]]
    tail: str

    def text(self, turns: Sequence[Message]) -> str:
        """A conversation as it is written."""
        parts = [self.around[turn.role][0] + turn.content + self.around[turn.role][1] for turn in turns]
        return ("" if turns[0].role == "system" else self.head) + "".join(parts) + self.tail

    def go(self) -> str:
        """The same in the language of Ollama."""
        branches = " else ".join(
            f'{{{{ if eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}{{{{' for role, (before, after) in
            self.around.items()
        ).replace(" else {{ if", " else if")  # fmt: skip
        head = f'{{{{ if ne (index .Messages 0).Role "system" }}}}{self.head}{{{{ end }}}}' if self.head else ""
        return f"{head}{{{{ range .Messages }}}}{branches} end }}}}{{{{ end }}}}{self.tail}"


def write(loaded: Loaded, folder: Path) -> str:
    """Write the Modelfile of `merged-F16.gguf`; what has to be known of it, or nothing."""
    tokenizer = loaded.tokenizer
    template = of(tokenizer)
    stops = tokenizer.convert_ids_to_tokens(end_ids(loaded.model.generation_config))
    lines = ["FROM ./merged-F16.gguf", *(f'PARAMETER stop "{stop}"' for stop in stops), "PARAMETER temperature 0"]
    if template is not None:
        lines.append(f'TEMPLATE """{_without_bos(template, tokenizer).go()}"""')
    runs.write_text(folder / "Modelfile", "\n".join(lines) + "\n")
    return "" if template is not None else CANNOT


def of(tokenizer: Any) -> Template | None:
    """The chat template as one that writes turns one after another; None for one that does more."""
    try:
        (first, last), (system, between, _), (_, answered, again, _) = (_gaps(tokenizer, roles) for roles in TALKS[:3])
        before_user = _common_ending(first, between, again)
        after_user = _common_beginning(answered, last)
        around = {
            "system": (system, between.removesuffix(before_user)),
            "user": (before_user, after_user),
            "assistant": (answered.removeprefix(after_user), again.removesuffix(before_user)),
        }
        template = Template(first.removesuffix(before_user), around, last.removeprefix(after_user))
        same = all(template.text(talk) == render(tokenizer, talk, True) for talk in map(_talk, TALKS))
    except (UserError, ValueError):  # refused, or a turn left out or changed
        return None
    return template if same else None


def _talk(roles: Sequence[str]) -> tuple[Message, ...]:
    return tuple(Message(role, f"CONTENT-{place}-STANDS-HERE") for place, role in enumerate(roles))


def _gaps(tokenizer: Any, roles: Sequence[str]) -> list[str]:
    """What a conversation is written with besides its turns. Raises ValueError where a turn is not there as it was."""
    rest = render(tokenizer, talk := _talk(roles), True)
    gaps = []
    for turn in talk:
        gap, there, rest = rest.partition(turn.content)
        if not there:
            raise ValueError(turn.role)
        gaps.append(gap)
    return [*gaps, rest]


def _common_ending(*texts: str) -> str:
    return _common_beginning(*(text[::-1] for text in texts))[::-1]


def _common_beginning(*texts: str) -> str:
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


def _without_bos(template: Template, tokenizer: Any) -> Template:
    """Ollama puts the BOS token before a prompt by itself, where the tokenizer does."""
    bos = tokenizer.bos_token
    if not bos or tokenizer("a")["input_ids"][0] != tokenizer.bos_token_id:
        return template
    before, after = template.around["system"]
    around = {**template.around, "system": (before.removeprefix(bos), after)}
    return template._replace(head=template.head.removeprefix(bos), around=around)
