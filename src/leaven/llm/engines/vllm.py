"""vLLM in this process: the fastest way to many replies on a GPU (extra `leaven[vllm]`)."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from leaven.errors import UserError
from leaven.llm.protocol import Reply, Sampling, refuse_empty
from leaven.models import names
from leaven.rows.example import Prompt
from leaven.rows.turns import wire

CHUNK = 2048
"""Prompts in one call. vLLM hands replies out when all of a call are done, so that a kill loses those of one chunk. It
answers 256 to 1,024 at a time: a chunk of several times that leaves the GPU idle only while its last replies end."""
Turns = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class VLLM:
    """The engine of a model that vLLM has loaded."""

    model: Any
    name: str
    takes_schema: bool = True
    silent: tuple[int, ...] = ()
    """Tokens that the model may not say: `suppress_tokens` of its generation config, which vLLM does not read."""

    @classmethod
    def load(cls, path: str, **options: Any) -> "VLLM":
        """The engine of a folder or hub id; `options` go to `vllm.LLM`. Raises UserError where vLLM is absent."""
        try:
            from vllm import LLM
        except ImportError as error:
            raise UserError(
                "vLLM is not installed",
                "pip install 'leaven[vllm]', or use hf:MODEL, or serve it and use openai:MODEL.",
            ) from error
        folder = names.path(path)
        return cls(LLM(model=folder, **options), f"vllm:{path}", silent=_silent(folder))

    def replies(self, prompts: Iterable[Prompt], sampling: Sampling) -> Iterator[tuple[int, Reply]]:
        """Every reply, in the order of the prompts and a chunk at a time; each draw has the seed of its own place."""
        waiting = enumerate(refuse_empty(prompts, self.name))
        while chunk := list(islice(waiting, CHUNK)):
            places = [place for place, _ in chunk]
            turns = [wire(prompt) for _, prompt in chunk]
            yield from zip(places, self._answers(turns, self._drawn(places, sampling)), strict=True)

    def _answers(self, turns: Sequence[Turns], samplings: Sequence[Any]) -> list[Reply]:
        """A chunk's replies; what vLLM refuses (a prompt that is too long) is found by halves, and fails alone."""
        try:
            return [_reply(output) for output in self.model.chat(turns, samplings, use_tqdm=False)]
        except ValueError as error:
            if len(turns) == 1:
                return [Reply(None, f"vLLM refuses it: {str(error)[:200]}")]
        half = len(turns) // 2
        return self._answers(turns[:half], samplings[:half]) + self._answers(turns[half:], samplings[half:])

    def _drawn(self, places: Sequence[int], sampling: Sampling) -> list[Any]:
        """How each place of a chunk is drawn, in vLLM's words."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        outputs = StructuredOutputsParams(json=json.loads(sampling.schema)) if sampling.schema else None
        return [
            SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_new_tokens,
                seed=sampling.seed + sampling.first + place,
                structured_outputs=outputs,
                logit_bias=dict.fromkeys(self.silent, -100.0) or None,
            )
            for place in places
        ]


def _reply(output: Any) -> Reply:
    completion = output.outputs[0]
    return Reply(
        completion.text, None, completion.finish_reason, len(output.prompt_token_ids), len(completion.token_ids)
    )


def _silent(path: str) -> tuple[int, ...]:
    from transformers import GenerationConfig

    try:
        return tuple(GenerationConfig.from_pretrained(path).suppress_tokens or ())
    except OSError:  # it has no generation config
        return ()
