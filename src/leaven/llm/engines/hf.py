"""A causal language model of transformers, in this process."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.llm.protocol import Reply, Sampling
from leaven.rows.example import Prompt

if TYPE_CHECKING:
    from leaven.models.load import Loaded


LARGEST_CHUNK, SMALLEST_CHUNK = 256, 32
WORK = 2e12
"""What a chunk of replies may take on a CPU, in weights times tokens: half a minute of one core."""


@dataclass(frozen=True, slots=True)
class HF:
    """The engine of a loaded model; `batch_size` prompts are answered at a time (0: as many as do well)."""

    loaded: "Loaded"
    name: str
    batch_size: int = 0
    takes_schema: bool = False

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
        """The engine of a folder, a hub id or a name such as lab, with or without an adapter."""
        from leaven.models import names
        from leaven.models.load import load

        loaded = load(
            names.path(path),
            adapter=adapter,
            dtype=dtype,
            load_in_8bit=load_in_8bit,
            trust_remote_code=trust_remote_code,
        )
        return cls(loaded, f"hf:{path}+{adapter}" if adapter else f"hf:{path}", batch_size)

    @classmethod
    def of(cls, loaded: "Loaded", name: str | None = None, batch_size: int = 0) -> "HF":
        """The engine of a model that is in memory already."""
        return cls(loaded, name or f"hf:{loaded.path}", batch_size)

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Replies as they finish; each depends on its prompt, the seed and its index, not on its neighbours.

        For an empty prompt the model is shown how its chat template opens a user's turn (Magpie, arXiv 2406.08464).
        """
        from leaven.models.template import around_question

        turns = list(prompts)
        before, after = around_question(self.loaded.tokenizer) if () in turns else ("", "")
        for index, reply in self._completions([prompt or before for prompt in turns], sampling):
            if turns[index]:
                yield index, reply
            else:
                question, ended, _ = (reply.text or "").partition(after)
                yield index, replace(reply, text=question, finish_reason="stop" if ended else reply.finish_reason)

    def _completions(self, prompts: Sequence[Prompt | str], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        from leaven.models.generate import generate

        for index, generated in generate(
            self.loaded.model,
            self.loaded.tokenizer,
            prompts,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_new_tokens=sampling.max_new_tokens,
            seed=_seed_at(sampling.seed, sampling.first),
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


def chunk(config: Any, max_new_tokens: int) -> int:
    """How many prompts a maker asks a model of this configuration at a time, each time with a file of its own.

    A run that is killed loses the chunk in flight, so that on a CPU one of a large model is small. It depends on
    nothing that is measured: a chunk that is made anew has the same rows in the same batches.
    """
    import torch

    if torch.cuda.is_available():
        return LARGEST_CHUNK
    weights = 12 * config.num_hidden_layers * config.hidden_size**2 + config.vocab_size * config.hidden_size
    rows = int(WORK / (weights * max_new_tokens))
    return max(SMALLEST_CHUNK, min(LARGEST_CHUNK, rows // SMALLEST_CHUNK * SMALLEST_CHUNK))


def _seed_at(seed: int, first: int) -> int:
    """A seed of its own for each part of a longer row of prompts: a draw depends on the seed and its place."""
    return int.from_bytes(hashlib.sha256(f"self_sample/{seed}/{first}".encode()).digest()[:4]) >> 1
