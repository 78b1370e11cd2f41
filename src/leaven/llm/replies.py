"""What makers do with the replies of an engine: all of them in order, and those that are no use with the reason."""

from collections.abc import Callable, Sequence

from leaven.llm import thinking
from leaven.llm.protocol import LLM, Reply, Sampling
from leaven.rows.example import Prompt


def all_of(
    llm: LLM, prompts: Sequence[Prompt], sampling: Sampling, on_reply: Callable[[int], None] | None = None
) -> list[Reply]:
    """A reply to every prompt, in their order; `on_reply` is told how many are no failures, each time there is one.

    Raises RuntimeError for an engine that breaks its promise.
    """
    replies, good = dict[int, Reply](), 0
    for index, reply in thinking.replies(llm, prompts, sampling):
        replies[index] = reply
        good += reply.text is not None
        if on_reply:
            on_reply(good)
    if missing := [index for index in range(len(prompts)) if index not in replies]:
        raise RuntimeError(f"{llm.name} left {len(missing)} of {len(prompts)} prompts without a reply")
    return [replies[index] for index in range(len(prompts))]


def fault(reply: Reply) -> str:
    """Why a reply is no answer; "" where it is one."""
    if reply.text is None:
        return "the model failed"
    if reply.truncated:  # first: of a reply that was cut while it thought nothing is left
        return "truncated reply"
    return "" if reply.text.strip() else "empty reply"
