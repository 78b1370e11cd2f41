"""Sampling speed: a plain batched `generate` loop against `leaven.models.generate`, same prompts, side by side.

    python benchmarks/sampling.py                 # the lab; smollm2 where it is there, on 64 questions that ship
    python benchmarks/sampling.py alpaca.jsonl    # smollm2 on the questions of the first 64 rows of a file

The lab: rows a second; rounds alternate, and the median counts. smollm2: tokens a second, prompts read and ends
counted, `generate` in float32 and bfloat16 once each, ours before, between and after them; and of what a step of ours
takes, the share of the draw.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from leaven.errors import UserError
from leaven.lab import hallucination
from leaven.models import generate as module
from leaven.models import names
from leaven.models.generate import generate, stop_ids
from leaven.models.load import Loaded, load
from leaven.models.names import LAB
from leaven.models.template import render
from leaven.rows import files
from leaven.rows.example import Prompt
from leaven.study import questions

ROWS, ROUNDS, BATCH, NEW_TOKENS = 512, 3, 64, 96
REAL_ROWS, REAL_TOKENS, WARM_TOKENS = 64, 128, 4
SAMPLING = {"temperature": 0.7, "top_p": 0.95}


def plain(loaded: Loaded, prompts: Sequence[Prompt], new_tokens: int) -> tuple[float, int]:
    """Seconds and answer tokens of `generate`, a batch after another; what it says after an end does not count."""
    stops = torch.tensor(sorted(stop_ids(loaded.model, loaded.tokenizer)))
    began, tokens = time.perf_counter(), 0
    for start in range(0, len(prompts), BATCH):
        texts = [render(loaded.tokenizer, prompt, True) for prompt in prompts[start : start + BATCH]]
        batch = loaded.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.no_grad():
            whole = loaded.model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], do_sample=True,
                max_new_tokens=new_tokens, pad_token_id=loaded.tokenizer.pad_token_id, **SAMPLING,
            )  # fmt: skip
        answers = whole[:, batch["input_ids"].shape[1] :]
        loaded.tokenizer.batch_decode(answers, skip_special_tokens=True)
        ended = torch.isin(answers, stops).long().cumsum(-1)
        tokens += int((ended - torch.isin(answers, stops).long() == 0).sum())
    return time.perf_counter() - began, tokens


def ours(loaded: Loaded, prompts: Sequence[Prompt], new_tokens: int) -> tuple[float, int]:
    """Seconds and answer tokens of leaven."""
    began = time.perf_counter()
    answers = generate(
        loaded.model, loaded.tokenizer, prompts, max_new_tokens=new_tokens, batch_size=BATCH, **SAMPLING
    )  # fmt: skip
    tokens = sum(answer.completion_tokens for _, answer in answers)
    return time.perf_counter() - began, tokens


def lab() -> None:
    loaded = load(str(LAB))
    prompts = [example.prompt for example in hallucination.task("<sep>", pool_rows=ROWS).pool]
    ours(loaded, prompts[:BATCH], NEW_TOKENS)
    pairs = [[ROWS / run(loaded, prompts, NEW_TOKENS)[0] for run in (plain, ours)] for _ in range(ROUNDS)]
    theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"self-sampling, the lab, {ROWS} rows, batch {BATCH}, rows/s: generate {theirs:.0f} · leaven {mine:.0f} · "
          f"ratio {mine / theirs:.2f} (rounds {', '.join(f'{b / a:.2f}' for a, b in pairs)})")  # fmt: skip


def real(file: str | None) -> None:
    try:
        path = names.path("smollm2")
    except UserError as error:
        print(f"self-sampling, smollm2: left out, {error}")
        return
    rows = files.read(file).kept if file else questions.shipped()
    prompts = [row.prompt for row in list(rows)[:REAL_ROWS]]
    auto = load(path)
    models = {name: auto if auto.model.dtype == dtype else load(path, dtype=name)
              for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))}  # fmt: skip
    runs = [("leaven", auto), ("generate", models["float32"]), ("leaven", models["bfloat16"]),
            ("generate", models["bfloat16"]), ("leaven", auto)]  # fmt: skip
    speeds: dict[str, list[float]] = {}
    with _timed("_step") as steps, _timed("draw") as draws:
        for kind, loaded in runs:
            run = ours if kind == "leaven" else plain
            run(loaded, prompts, WARM_TOKENS)
            seconds, tokens = run(loaded, prompts, REAL_TOKENS)
            speeds.setdefault(f"{kind} {_numbers(loaded)}", []).append(tokens / seconds)
    own = {name: statistics.mean(values) for name, values in speeds.items()}
    default, half = own[f"leaven {_numbers(auto)}"], own["leaven bfloat16"]
    print(f"self-sampling, smollm2, {len(prompts)} prompts, {REAL_TOKENS} new tokens, tokens/s with prompts read: "
          + " · ".join(f"{name} {', '.join(f'{value:.0f}' for value in values)}" for name, values in speeds.items())
          + f" · leaven by default ({_numbers(auto)}) to generate float32 {default / own['generate float32']:.2f} · "
          f"leaven bfloat16 to generate bfloat16 {half / own['generate bfloat16']:.2f} · "
          f"the draw takes {statistics.median(draws) / statistics.median(steps):.1%} of a step")  # fmt: skip


def _numbers(loaded: Loaded) -> str:
    return f"{loaded.model.dtype}".removeprefix("torch.")


@contextmanager
def _timed(name: str) -> Iterator[list[float]]:
    """The seconds of each call of a function of the sampler."""
    function, seconds = getattr(module, name), []

    def timed(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            seconds.append(time.perf_counter() - began)

    setattr(module, name, timed)
    try:
        yield seconds
    finally:
        setattr(module, name, function)


def main() -> None:
    torch.set_flush_denormal(True)
    lab()
    real(sys.argv[1] if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    main()
