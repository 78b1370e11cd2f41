"""Training speed: `trl.SFTTrainer` against `leaven.models.train`, same rows and model, side by side.

Prints real tokens a second (padding does not count) and the ratio to trl with its defaults, and to trl with our number
of rows in a step; rounds alternate, and the median counts.
"""

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import torch
from datasets import Dataset as ArrowDataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

from leaven.lab import checkpoint, hallucination
from leaven.models import mask, tokens, train
from leaven.models.load import load
from leaven.models.settings import TuneSection
from leaven.rows.dataset import Dataset
from leaven.task.token import TokenSection

ROWS, ROUNDS = 1024, 3


def plain(data: Dataset, **options: int) -> float:
    loaded = load(str(checkpoint.path()))
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
    return total / (time.perf_counter() - began)


def ours(data: Dataset) -> float:
    loaded = load(str(checkpoint.path()))
    token_id = tokens.add(loaded.model, loaded.tokenizer, TokenSection(), 0)
    with tempfile.TemporaryDirectory() as folder:
        config = TuneSection.model_validate({"preset": "lab"})
        tuned = train.fit(loaded, data, config, seed=0, token_id=token_id, folder=Path(folder) / "work")
    return tuned.tokens / tuned.seconds


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_flush_denormal(True)
    data = hallucination.task("<sep>", pool_rows=ROWS).pool
    rows = TuneSection.model_validate({"preset": "lab"}).per_device_train_batch_size
    rounds = [(plain(data), plain(data, per_device_train_batch_size=rows), ours(data)) for _ in range(ROUNDS)]
    default, same, mine = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"training, {ROWS:,} rows, real tokens/s: trl.SFTTrainer defaults {default:,.0f} · trl with our {rows} rows "
          f"a step {same:,.0f} · leaven {mine:,.0f} · ratio {mine / default:.2f} and {mine / same:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
