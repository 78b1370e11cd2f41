"""Our losses beside those of TRL's own trainers, on a tiny model and the same rows: values and gradients."""

import os

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig

from leaven.delia.methods.on_policy_sdft import with_example
from leaven.llm.prompts.render import render
from leaven.models.batches import IGNORED, Batch
from leaven.models.load import load_tokenizer
from leaven.models.losses import probability_weighted, self_distillation
from leaven.models.mask import Encoded
from leaven.models.template import encode
from leaven.models.template import render as rendered
from leaven.rows.example import Origin, pair

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning")]  # trl and peft call what is to go
CPU = torch.device("cpu")
COMMON = {"report_to": [], "use_cpu": True, "bf16": False, "activation_checkpointing": False, "max_steps": 1}


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_same(model, ours, theirs):
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)
    own, other = gradients(model, ours), gradients(model, theirs)
    assert own.keys() == other.keys() and any(float(each.abs().max()) > 1e-4 for each in own.values())
    assert all(torch.allclose(own[name], other[name], rtol=1e-3, atol=1e-6) for name in own)


def test_dft_is_that_of_the_sft_trainer(tiny_model, tmp_path):
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"prompt": [{"role": "user", "content": q}], "completion": [{"role": "assistant", "content": a}]}
        for q, a in [("is one so?", "yes, one"), ("what of two three four?", "the capital of France is Paris")]
    ]
    config = SFTConfig(
        output_dir=str(tmp_path), loss_type="dft", per_device_train_batch_size=2, dataset_num_proc=None, **COMMON
    )
    trainer = SFTTrainer(model=tiny_model("qwen3"), args=config, train_dataset=Dataset.from_list(rows))
    inputs = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    encoded = [
        Encoded(ids[mask == 1].tolist(), (labels[mask == 1] != IGNORED).int().tolist())
        for ids, labels, mask in zip(inputs["input_ids"], inputs["labels"], inputs["attention_mask"], strict=True)
    ]
    batch = Batch.of(encoded, 0, False, CPU)
    ours = probability_weighted.loss(trainer.model, batch, anchor=0) / len(batch.answers)
    assert_same(trainer.model, ours, trainer.compute_loss(trainer.model, inputs))


@pytest.mark.parametrize(("direction", "alpha"), [("reverse", 1.0), ("forward", 0.0)])
def test_self_distillation_is_that_of_the_sdft_trainer(tiny_model, tmp_path, direction, alpha):
    from trl.experimental.sdft import SDFTConfig, SDFTTrainer

    row = pair("is one so?", "yes, one", Origin("x"))
    data = {"prompt": [{"role": "user", "content": row.question}], "privileged_context": row.answer}
    config = SDFTConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=1, num_generations=1, max_completion_length=6,
        distillation_mode="full_logits", distillation_alpha=alpha, num_loss_tokens_to_skip=2,
        teacher_prompt_template=render("with_example", question="{prompt}", answer="{privileged_context}"), **COMMON,
    )  # fmt: skip
    path = tiny_model("qwen3")
    trainer = SDFTTrainer(
        model=path, args=config, train_dataset=Dataset.from_list([data]), processing_class=load_tokenizer(path),
        peft_config=LoraConfig(target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )  # fmt: skip
    for name, weight in trainer.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)  # a student that has learnt something
    trainer.model.eval()
    inputs = trainer._prepare_training_batch([data])
    answer, (prompt,) = inputs["completion_ids"][0].tolist(), inputs["prompt_ids"].tolist()
    context = encode(trainer.processing_class, rendered(trainer.processing_class, with_example(row), True))
    assert inputs["teacher_input_ids"][0].tolist() == [*context, *answer]
    mask = [0] * (len(prompt) + 2) + [1] * (len(answer) - 2)
    encoded = Encoded([*prompt, *answer], mask, context=(*context, *answer[:2]))
    batch = Batch.of([encoded], 0, False, CPU)
    ours = self_distillation.loss(trainer.model, batch, direction) / len(batch.answers)
    assert_same(trainer.model, ours, trainer.compute_loss(trainer.model, inputs))
