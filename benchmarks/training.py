"""Training speed: `trl.SFTTrainer` against `leaven.models.train`, same rows and model, side by side.

    python benchmarks/training.py                 # the lab; smollm2 where it is there, on 64 questions that ship
    python benchmarks/training.py alpaca.jsonl    # smollm2 on the first 64 rows of a file

Prints real tokens a second (padding does not count) and ratios to trl; for smollm2 also the share of what this
machine's own product of matrices allows, and the most memory that each run held (each in a process of its own). On the
lab rounds alternate, and the median counts; on smollm2 leaven trains first and last, and the mean counts.
"""

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset as ArrowDataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from leaven.errors import UserError
from leaven.lab import hallucination
from leaven.models import mask, names, tokens, train
from leaven.models.generate import generate
from leaven.models.load import load
from leaven.models.names import LAB
from leaven.models.settings import TuneSection
from leaven.rows import files
from leaven.rows.dataset import Dataset
from leaven.rows.example import Example, Message
from leaven.study import questions
from leaven.task.token import TokenSection

LAB_ROWS, ROUNDS = 1024, 3
REAL_ROWS, REAL_STEP, ANSWER_TOKENS, PRODUCT_ROWS, PRODUCT_SECONDS = 64, 16, 96, 512, 0.2
SMALL = {"preset": "small", "step_task_rows": 0, "small_data_batch": REAL_STEP}


def plain(path: str, data: Dataset, dtype: str = "auto", **options: Any) -> tuple[float, str]:
    """Real tokens a second of trl, and what it computes in."""
    loaded = load(path, dtype=dtype)
    total = sum(len(mask.encode(loaded.tokenizer, example).input_ids) for example in data)
    rows = [{"messages": [{"role": m.role, "content": m.content} for m in example.messages]} for example in data]
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=loaded.model,
            args=SFTConfig(output_dir=folder, num_train_epochs=1, report_to="none", disable_tqdm=True,
                           use_cpu=not torch.cuda.is_available(),
                           save_strategy="no", logging_strategy="no", **options),
            train_dataset=ArrowDataset.from_list(rows),
            processing_class=loaded.tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
        )  # fmt: skip
        began = time.perf_counter()
        trainer.train()
        numbers = f"{loaded.model.dtype}".removeprefix("torch.") + " under bfloat16 autocast" * bool(trainer.args.bf16)
    return total / (time.perf_counter() - began), numbers


def ours(path: str, data: Dataset, settings: dict[str, Any]) -> tuple[float, str, Any]:
    """Our real tokens a second, what the base computes in, and the model."""
    loaded = load(path)
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    with tempfile.TemporaryDirectory() as folder:
        config = TuneSection.model_validate(settings)
        tuned = train.fit(loaded, data, config, seed=0, token_id=token_id, folder=Path(folder) / "work")
    return tuned.tokens / tuned.seconds, f"{loaded.model.dtype}".removeprefix("torch."), loaded.model


def allowed(model: Any) -> float:
    """Tokens a second if a token were 4 operations for each parameter, at the speed of the model's own products."""
    shapes = [tuple(layer.weight.shape) for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    seconds = sum(shapes.count(shape) * _product(*shape, model.dtype) for shape in set(shapes))
    operations = sum(4 * PRODUCT_ROWS * out * width for out, width in shapes)
    return operations / seconds / (4 * sum(weight.numel() for weight in model.parameters()))


def _product(out: int, width: int, dtype: torch.dtype) -> float:
    """Seconds of a product forward and the one backward, at best."""
    states, weight, gradient = (torch.randn(shape).to(dtype) for shape in ((PRODUCT_ROWS, width), (out, width),
                                                                          (PRODUCT_ROWS, out)))  # fmt: skip
    best, end = float("inf"), time.perf_counter() + PRODUCT_SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        torch.nn.functional.linear(states, weight)
        gradient @ weight
        best = min(best, time.perf_counter() - began)
    return best


def lab() -> None:
    path = str(LAB)
    data = hallucination.task("<sep>", pool_rows=LAB_ROWS).pool
    rows = TuneSection.model_validate({"preset": "lab"}).per_device_train_batch_size
    rounds = [
        (
            plain(path, data)[0],
            plain(path, data, per_device_train_batch_size=rows)[0],
            ours(path, data, {"preset": "lab"})[0],
        )
        for _ in range(ROUNDS)
    ]
    default, same, mine = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"training, the lab, {LAB_ROWS:,} rows, real tokens/s: trl.SFTTrainer defaults {default:,.0f} · trl with our "
          f"{rows} rows a step {same:,.0f} · leaven {mine:,.0f} · ratio {mine / default:.2f} and "
          f"{mine / same:.2f}")  # fmt: skip


def real(file: str | None) -> None:
    """smollm2 in one process after another: leaven, trl with its defaults, trl in 16 bits with our rows, leaven."""
    try:
        path = names.path("smollm2")
    except UserError as error:
        print(f"training, smollm2: left out, {error}")
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        data = files.read(file).kept if file else _answered(path)
        few = data.take(min(REAL_ROWS, len(data)), 0)
        files.write(few, rows)
        first, default, same, last = (_child(kind, path, rows) for kind in ("leaven", "trl", "trl-16-bits", "leaven"))
    mine = (first["speed"] + last["speed"]) / 2
    limit = max(first["allowed"], last["allowed"])
    print(f"training, smollm2, {len(few)} rows, real tokens/s (peak GiB): "
          f"trl.SFTTrainer defaults, {default['numbers']}, {default['speed']:,.0f} ({default['gib']:.1f}) · "
          f"trl in {same['numbers']} with our {REAL_STEP} rows a step {same['speed']:,.0f} ({same['gib']:.1f}) · "
          f"leaven in {first['numbers']} {mine:,.0f} ({last['gib']:.1f}; "
          f"rounds {first['speed']:,.0f}, {last['speed']:,.0f}) · "
          f"ratio {mine / default['speed']:.2f} and {mine / same['speed']:.2f} · "
          f"{mine / limit:.0%} of the {limit:,.0f} that the product of matrices allows")  # fmt: skip


def _answered(path: str) -> Dataset:
    """Questions that ship, answered by the model itself."""
    loaded = load(path)
    asked = list(questions.shipped())[:REAL_ROWS]
    prompts = [question.prompt for question in asked]
    said = dict(generate(loaded.model, loaded.tokenizer, prompts, max_new_tokens=ANSWER_TOKENS))
    return Dataset.of(
        Example((*question.prompt, Message("assistant", said[place].text or ".")), question.origin)
        for place, question in enumerate(asked)
    )


def _child(kind: str, path: str, rows: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", kind, path, str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one(kind: str, path: str, rows: str) -> None:
    """One training; its speed, its numbers and its peak as JSON."""
    data = files.read(rows).kept
    more: dict[str, float] = {}
    with contextlib.redirect_stdout(sys.stderr):
        if kind == "leaven":
            speed, numbers, model = ours(path, data, SMALL)
            gib = _peak()
            more = {"allowed": allowed(model)}
        elif kind == "trl":
            speed, numbers = plain(path, data, dtype="float32")
            gib = _peak()
        else:
            speed, numbers = plain(path, data, dtype="bfloat16", per_device_train_batch_size=REAL_STEP, bf16=True,
                                   gradient_checkpointing=False)  # fmt: skip
            gib = _peak()
    print(json.dumps({"speed": speed, "numbers": numbers, "gib": gib, **more}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_flush_denormal(True)
    if sys.argv[1:2] == ["--one"]:
        return one(*sys.argv[2:])
    lab()
    real(sys.argv[1] if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    main()
