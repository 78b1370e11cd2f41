"""A model of leaven as lm-evaluation-harness asks it: likelihoods by our batches, answers by our decode loop."""

from collections.abc import Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM

from leaven.errors import UserError
from leaven.models.generate import generate
from leaven.models.likelihood import Choices, Likelihood, likelihoods
from leaven.models.load import Loaded
from leaven.models.template import render
from leaven.rows.example import Message
from leaven.runs.progress import Progress


class LeavenLM(TemplateLM):  # type: ignore[misc]
    """A loaded model, adapter and all; greedy answers have `max_new_tokens` at most, whatever a task says."""

    def __init__(self, loaded: Loaded, max_new_tokens: int, progress: Progress, name: str) -> None:
        super().__init__()
        self.loaded, self.max_new_tokens, self.progress, self.name = loaded, max_new_tokens, progress, name
        self.tokenizer = loaded.tokenizer

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text without a context."""
        first = self.tokenizer.bos_token_id
        return self.eot_token_id if first is None else int(first)

    @property
    def tokenizer_name(self) -> str:
        """Whose tokenizer it is."""
        return self.loaded.path

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids; a text that begins with BOS gets no other."""
        begins = self.tokenizer.bos_token is not None and string.startswith(self.tokenizer.bos_token)
        special = not begins if add_special_tokens is None else add_special_tokens
        ids: list[int] = self.tokenizer(string, add_special_tokens=special)["input_ids"]
        return ids

    def apply_chat_template(self, chat_history: Sequence[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The turns as the model's template writes them; a text that the answer is to begin with stands at the end."""
        turns = [Message(turn["role"], turn["content"]) for turn in chat_history]
        if add_generation_prompt:
            return render(self.tokenizer, turns, True)
        return render(self.tokenizer, turns[:-1], True) + turns[-1].content

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """(log-probability, whether it is the greedy one) of each continuation."""
        results: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return results

    def _loglikelihood_tokens(self, requests: Sequence[Any], **_: Any) -> list[tuple[float, bool]]:
        """Requests with one context, such as the choices of a question, are one reading of it."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, (_, context, _) in enumerate(requests):
            groups.setdefault(tuple(context), []).append(place)
        questions = [Choices(context, [requests[place][2] for place in places]) for context, places in groups.items()]
        results: dict[int, Likelihood] = {}
        with self.progress.track(self.name, len(questions), "questions") as advance:
            for done, (index, values) in enumerate(likelihoods(self.loaded, questions), 1):
                results.update(zip(groups[tuple(questions[index].context)], values, strict=True))
                advance(done)
        return [(results[place].total, results[place].greedy) for place in range(len(requests))]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        """Greedy answers, each cut where one of its stop texts begins."""
        prompts = [request.args[0] for request in requests]
        answers = [""] * len(requests)
        with self.progress.track(self.name, len(requests), "answers") as advance:
            texts = generate(self.loaded.model, self.tokenizer, prompts, max_new_tokens=self.max_new_tokens)
            for done, (index, generated) in enumerate(texts, 1):
                answers[index] = _until(generated.text, requests[index].args[1].get("until") or [])
                advance(done)
        return answers

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = True) -> list[float]:
        """Never asked: such tasks are refused before (`harness/benchmark.py`)."""
        raise UserError("perplexity of whole texts is not measured", "Choose a benchmark with questions.")


def _until(text: str, stops: str | Sequence[str]) -> str:
    """The text before the first of the stop texts."""
    for stop in [stops] if isinstance(stops, str) else stops:
        text = text.partition(stop)[0] if stop else text
    return text
