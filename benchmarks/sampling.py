"""Self-sampling speed: a plain batched `generate` loop against `leaven.models.generate`, same prompts and batch size.

Prints rows a second and their ratio; rounds alternate, and the median counts.
"""

import statistics
import time

import torch

from leaven.lab import checkpoint, hallucination
from leaven.models.generate import generate
from leaven.models.load import Loaded, load
from leaven.models.template import render
from leaven.rows.example import Prompt

ROWS, ROUNDS, BATCH, NEW_TOKENS = 512, 3, 64, 96
SAMPLING = {"temperature": 0.7, "top_p": 0.95}


def plain(loaded: Loaded, prompts: list[Prompt]) -> float:
    began = time.perf_counter()
    for start in range(0, len(prompts), BATCH):
        texts = [render(loaded.tokenizer, prompt, True) for prompt in prompts[start : start + BATCH]]
        batch = loaded.tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.no_grad():
            found = loaded.model.generate(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], do_sample=True,
                max_new_tokens=NEW_TOKENS, **SAMPLING,
            )  # fmt: skip
        loaded.tokenizer.batch_decode(found[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return len(prompts) / (time.perf_counter() - began)


def ours(loaded: Loaded, prompts: list[Prompt]) -> float:
    began = time.perf_counter()
    found = list(
        generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=NEW_TOKENS, batch_size=BATCH, **SAMPLING)
    )
    assert len(found) == len(prompts)
    return len(prompts) / (time.perf_counter() - began)


def main() -> None:
    loaded = load(str(checkpoint.path()))
    prompts = [example.prompt for example in hallucination.task("<sep>", pool_rows=ROWS).pool]
    ours(loaded, prompts[:BATCH])
    pairs = [(plain(loaded, prompts), ours(loaded, prompts)) for _ in range(ROUNDS)]
    theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"self-sampling, {ROWS} rows, batch {BATCH}, rows/s: generate {theirs:.0f} · leaven {mine:.0f} · "
          f"ratio {mine / theirs:.2f} (rounds {', '.join(f'{b / a:.2f}' for a, b in pairs)})")  # fmt: skip


if __name__ == "__main__":
    main()
