"""vLLM in this process: the fastest way to many replies on a GPU (extra `leaven[vllm]`)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from leaven.errors import UserError
from leaven.llm.protocol import Reply, Sampling, spoken
from leaven.models import names
from leaven.rows.example import Prompt


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
        """Every reply, in the order of the prompts; each draw has the seed of its own place."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        asked = [
            [{"role": turn.role, "content": turn.content} for turn in prompt] for prompt in spoken(prompts, self.name)
        ]
        held = StructuredOutputsParams(json=json.loads(sampling.schema)) if sampling.schema else None
        drawn = [
            SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_new_tokens,
                seed=sampling.seed + sampling.first + place,
                structured_outputs=held,
                logit_bias=dict.fromkeys(self.silent, -100.0) or None,
            )
            for place in range(len(asked))
        ]
        for index, found in enumerate(self.model.chat(asked, drawn, use_tqdm=False)):
            said = found.outputs[0]
            tokens = len(found.prompt_token_ids), len(said.token_ids)
            yield index, Reply(said.text, None, said.finish_reason, *tokens)


def _silent(path: str) -> tuple[int, ...]:
    from transformers import GenerationConfig

    try:
        return tuple(GenerationConfig.from_pretrained(path).suppress_tokens or ())
    except OSError:  # it has no generation config
        return ()
