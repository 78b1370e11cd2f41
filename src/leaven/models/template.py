"""Chat turns as the one string that a model reads, by its tokenizer's own chat template."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from leaven.errors import UserError
from leaven.rows.example import Message, custom_tools
from leaven.rows.turns import openai

QUESTION = "QUESTION-STANDS-HERE"


Tools = Sequence[Mapping[str, Any]]
"""Tools that are offered to a model, in the form of OpenAI."""


def render(tokenizer: Any, messages: Sequence[Message] | str, add_generation_prompt: bool, tools: Tools = ()) -> str:
    """The turns as text, special tokens included: tokenise it with `encode`, which adds no second BOS.

    A text is taken for rendered already. Where the template has a place for `tools`, it says them (`takes_tools`).
    A template without a system role (Gemma) gets the system text at the head of the first user turn.
    Raises UserError when the template refuses the turns.
    """
    if isinstance(messages, str):
        return messages
    try:
        return _apply(tokenizer, messages, add_generation_prompt, tools)
    except TemplateError as error:
        folded = _fold_system(messages)
        if folded is None:
            raise _refusal(messages, error) from error
    try:
        return _apply(tokenizer, folded, add_generation_prompt, tools)
    except TemplateError as error:
        raise _refusal(messages, error) from error


def takes_tools(tokenizer: Any, messages: Sequence[Message], tools: Tools) -> bool:
    """Whether the template says anything of these tools; others leave them out without a word."""
    return render(tokenizer, messages, True, tools) != render(tokenizer, messages, True)


def around_question(tokenizer: Any) -> tuple[str, str]:
    """What the template writes before a user's first words, and after their last: blanks after them left out."""
    text = render(tokenizer, (Message("user", QUESTION),), True)
    before, question, after = text.partition(QUESTION)
    if not question:
        raise UserError("the model's chat template changes what the user says", "Sample by another form: --form plain.")
    return before, after.split("\n")[0].strip() or after.strip()


def end_ids(generation_config: Any) -> list[int]:
    """The tokens that end an answer by a generation config, which has one, several or none."""
    ids = getattr(generation_config, "eos_token_id", None)
    return [each for each in (ids if isinstance(ids, (list, tuple)) else [ids]) if each is not None]


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a rendered text; the template has already written BOS where the model wants one."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _apply(tokenizer: Any, messages: Sequence[Message], add_generation_prompt: bool, tools: Tools) -> str:
    if picture := next((turn for turn in messages if not turn.is_text), None):
        raise UserError(
            f"a turn of the {picture.role} holds what is no text, which no model here reads",
            "Leave such rows out of what is trained or asked.",
        )
    if custom_tools(messages, tools):
        raise UserError(
            "it has custom tools, for which chat templates have no place: they say functions and their arguments",
            "Leave such rows out of what is trained or asked, or write the tool as a function.",
        )
    turns = [{**openai(message), "content": message.content} for message in messages]
    text: str = tokenizer.apply_chat_template(
        turns, tools=list(tools) or None, tokenize=False, add_generation_prompt=add_generation_prompt
    )
    return text


def _fold_system(messages: Sequence[Message]) -> tuple[Message, ...] | None:
    """The system text put before the first user turn's, or None when there is nothing to fold."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return None
    return (Message("user", f"{messages[0].content}\n\n{messages[1].content}"), *messages[2:])


def _refusal(messages: Sequence[Message], error: TemplateError) -> UserError:
    roles = ", ".join(message.role for message in messages)
    return UserError(
        f"the model's chat template refuses a row with the roles {roles}: {error}",
        "Most templates want an optional system turn, then user and assistant in turn.",
    )
