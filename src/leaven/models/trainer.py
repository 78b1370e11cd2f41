"""trl's SFTTrainer with our order of rows, a learning rate for the token's row, and logits only where there is loss."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from transformers import PrinterCallback, TrainerCallback
from trl import SFTTrainer

from leaven.models.batches import IGNORED, Order

OnStep = Callable[[int, int, float, int], None]
"""Called after each optimiser step with the step, all steps, the loss, and the real tokens seen so far."""


class Trainer(SFTTrainer):  # type: ignore[misc]
    """`token_learning_rate` is that of the token's row in the embedding."""

    def __init__(self, *args: Any, order: Order, token_learning_rate: float | None, **kwargs: Any) -> None:
        self.order, self.token_learning_rate = order, token_learning_rate
        super().__init__(*args, **kwargs)
        self.remove_callback(PrinterCallback)
        # With a tokenizer at hand, `train` would make its end token the only one that ends the model's answers.
        self.processing_class = None

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        return self.order

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW; the token's rows without decay, and the one of the embedding with its own rate."""
        named = [(name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad]
        adapter = [weight for name, weight in named if not is_token_row(name)]
        rows = [(name, weight) for name, weight in named if is_token_row(name)]
        groups: list[dict[str, Any]] = [{"params": adapter, "weight_decay": self.args.weight_decay}]
        for name, weight in rows:
            # An output row has no meaning to find: at the adapter's rate it stays near where it began.
            rate = self.token_learning_rate if is_input_row(name) else None
            groups.append({"params": [weight], "lr": rate or self.args.learning_rate, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(groups, lr=self.args.learning_rate)
        return self.optimizer

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Cross-entropy, summed over the pass and divided by the trained tokens of the whole optimiser step."""
        labels = inputs.pop("labels")
        target = functional.pad(labels, (0, 1), value=IGNORED)[:, 1:]  # (rows, tokens): what each must predict
        columns = (target != IGNORED).any(0).nonzero().squeeze(1)
        logits = model(**inputs, use_cache=False, logits_to_keep=columns).logits  # (rows, columns, vocabulary)
        total = functional.cross_entropy(
            logits.float().flatten(0, 1), target[:, columns].flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total / ((target != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)

    def released(self) -> Any:
        """The trained model in evaluation mode, without what trl and accelerate put on its forward pass."""
        model = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        model.get_base_model().__dict__.pop("forward", None)
        if self.args.gradient_checkpointing:
            model.activation_checkpointing_disable()
        return model.eval()

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None beside a checkpoint: the adapter's own card is written by `models/adapter`."""


class Watch(TrainerCallback):  # type: ignore[misc]
    """Tells `on_step` of every optimiser step."""

    def __init__(self, on_step: OnStep, order: Order) -> None:
        self.on_step, self.order = on_step, order

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Called after each step, since `logging_steps` is 1."""
        if logs and "loss" in logs:
            tokens = self.order.seen(self.order.lengths, state.global_step)
            self.on_step(state.global_step, state.max_steps, float(logs["loss"]), tokens)


def is_token_row(name: str) -> bool:
    """Whether a parameter is the row of a new token, by peft's name for it."""
    return "trainable_tokens_delta" in name


def is_input_row(name: str) -> bool:
    """Whether it is the row of the embedding (which a tied output layer shares)."""
    return is_token_row(name) and "lm_head" not in name
