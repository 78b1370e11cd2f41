"""A causal language model of transformers, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.llm.protocol import Reply, Sampling
from leaven.types import Prompt

if TYPE_CHECKING:
    from leaven.weights.load import Loaded


@dataclass(frozen=True, slots=True)
class HF:
    """The engine of a loaded model; `batch_size` prompts are answered at a time (0: as many as do well)."""

    loaded: "Loaded"
    name: str
    batch_size: int = 0

    @classmethod
    def load(
        cls,
        path: str,
        *,
        adapter: Path | None = None,
        dtype: str = "auto",
        load_in_8bit: bool = False,
        trust_remote_code: bool = False,
        batch_size: int = 0,
    ) -> "HF":
        """The engine of a folder or hub id, with or without an adapter."""
        from leaven.weights.load import load

        loaded = load(
            path, adapter=adapter, dtype=dtype, load_in_8bit=load_in_8bit, trust_remote_code=trust_remote_code
        )
        return cls(loaded, f"hf:{path}+{adapter}" if adapter else f"hf:{path}", batch_size)

    @classmethod
    def of(cls, loaded: "Loaded", name: str | None = None, batch_size: int = 0) -> "HF":
        """The engine of a model that is in memory already."""
        return cls(loaded, name or f"hf:{loaded.path}", batch_size)

    def questions(self, n: int, sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """What the model writes where its chat template lets a user speak (Magpie, papers.md 5.2)."""
        from leaven.weights.template import around_question

        before, after = around_question(self.loaded.tokenizer)
        for index, reply in self._completions([before] * n, sampling):
            said, ended, _ = (reply.text or "").partition(after)
            yield index, replace(reply, text=said, finish_reason="stop" if ended else reply.finish_reason)

    def replies(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies as they finish; each depends on its prompt, the seed and its index, not on its neighbours."""
        yield from self._completions(prompts, sampling)

    def _completions(self, prompts: Sequence[Prompt | str], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        from leaven.weights.generate import generate

        for index, generated in generate(
            self.loaded.model,
            self.loaded.tokenizer,
            prompts,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_new_tokens=sampling.max_new_tokens,
            seed=sampling.seed,
            batch_size=self.batch_size,
        ):
            yield (
                index,
                Reply(
                    generated.text,
                    finish_reason=generated.finish_reason,
                    prompt_tokens=generated.prompt_tokens,
                    completion_tokens=generated.completion_tokens,
                ),
            )
