"""What a study needs of a machine: memory of the accelerator, and hours; rough, and said to be.

Work is counted as 2 operations for each parameter and token forward, 2 more backward (LoRA's base is frozen, so only
activations have gradients), and 2 for a second forward pass where activations are not kept. Memory is the weights, the
trained rows with AdamW's two moments, the activations of a forward pass, and the logits of its trained tokens.
"""

import math
import re
from dataclasses import dataclass

from leaven import plugs
from leaven.delia import work as works
from leaven.delia.work import Work
from leaven.errors import UserError
from leaven.models.batches import MOST_TOKENS_GPU
from leaven.models.schedule import Schedule
from leaven.models.settings import TuneSection
from leaven.study.cells import cells
from leaven.study.recipe import MethodChoice, Recipe

USE = (0.15, 0.45)
"""The share of an accelerator's peak that training reaches, from bad to good."""
WRITING = (0.01, 0.10)
"""The same for answers, one token after another."""
KEPT = 60
"""Bytes that a layer keeps for the backward pass, for each token and unit of width, in 16 bits: measured on a Llama."""
WIDTH_TO_LAYERS = 128
"""How many times wider than deep models are, where only their size is known: 128 at 7, 8 and 14 billion, 102 at 70."""
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's size; `source` says how it is known."""

    parameters: float
    width: int
    layers: int
    vocabulary: int
    source: str


@dataclass(frozen=True, slots=True)
class Needs:
    """Cells, rows that are trained on and answered, gibibytes (low, high) and hours (low, high)."""

    cells: int
    trained_rows: int
    answers: int
    gib: tuple[float, float]
    hours: tuple[float, float]


def shape(model: str) -> Shape:
    """From the model's configuration; where that is out of reach, guessed from a size in the name, like 7b."""
    try:
        return _of_config(model)
    except Exception as error:  # transformers and the hub raise of all kinds; the name is what is left then
        size = re.search(r"(\d+(?:\.\d+)?)\s*b\b", model.lower())
        if not size:
            raise UserError(f"the size of {model} is unknown: {error}", "Name a folder that holds it.") from error
        parameters = float(size[1]) * 1e9
        layers = max(1, round((parameters / 12 / WIDTH_TO_LAYERS**2) ** (1 / 3)))
        return Shape(parameters, WIDTH_TO_LAYERS * layers, layers, 128_000, "guessed from the name")


def needs(
    recipe: Recipe,
    model: Shape,
    *,
    task_rows: int,
    test_rows: int,
    tokens: int,
    teraflops: float,
    processes: int = 1,
) -> Needs:
    """What the study takes on an accelerator of so many teraflops, with rows of so many tokens.

    Of several `processes` each has one, over which a model is sharded; they share its training, and answers are taken
    for no quicker than by one.
    """
    plan = cells(recipe, task_rows)
    trained = [work(cell.method, cell.size, recipe.tune).schedule.trained_rows for cell in plan]
    passes = 6 if recipe.tune.gradient_checkpointing else 4
    sampled = 0 if recipe.sampler else most_sampled(recipe, task_rows) * len(recipe.seeds)
    answers = len(plan) * test_rows
    operations = 2 * model.parameters * tokens * (answers + sampled)
    training = passes * model.parameters * tokens * sum(trained)
    low, high = (
        (training / processes / use + operations / writing) / (teraflops * 1e12) / 3600
        for use, writing in zip(reversed(USE), reversed(WRITING), strict=True)
    )
    gib = _memory(recipe.tune, model, tokens, processes)
    return Needs(len(plan), sum(trained), answers + sampled, gib, (low, high))


def _of_config(model: str) -> Shape:
    from leaven.models.outline import outline

    shape = outline(model)
    parameters = sum(weight.numel() for weight in shape.parameters())
    text = shape.config.get_text_config()
    return Shape(parameters, text.hidden_size, text.num_hidden_layers, text.vocab_size, "from its configuration")


def work(method: MethodChoice, size: int, tune: TuneSection) -> Work:
    """What a method of the study does with so many task rows."""
    return works.of(plugs.load("methods", method.name), method.settings, size, tune)


def most_sampled(recipe: Recipe, task_rows: int) -> int:
    """The self-samples of the method that takes the most of them, at the largest size."""
    size = max(recipe.sizes_of(task_rows))
    return max(work(method, size, recipe.tune).sampled_rows for method in recipe.methods)


def largest_step(recipe: Recipe, task_rows: int) -> tuple[int, int]:
    """The rows of the task in a step, and the diverse ones, of the cell that trains the most rows."""
    plan = [work(cell.method, cell.size, recipe.tune) for cell in cells(recipe, task_rows)]
    most = max(plan, key=lambda one: one.schedule.trained_rows)
    share = most.schedule.step_rows / max(1, most.task_rows + most.diverse_rows)
    return max(1, round(most.task_rows * share)), round(most.diverse_rows * share)


def _memory(tune: TuneSection, model: Shape, tokens: int, processes: int) -> tuple[float, float]:
    """Gibibytes of an accelerator, low and high; of several processes each holds a share of the blocks and two whole.

    The embedding and the output layer, taken for two tables, stand in all of them.
    """
    schedule = Schedule.of(10**6, tune)
    rows = min(schedule.pass_rows, math.ceil(schedule.step_rows / processes))
    batch = min(rows * tokens, max(tokens, MOST_TOKENS_GPU))
    tables = min(2 * model.vocabulary * model.width, model.parameters / 2)
    blocks = model.parameters - tables
    at_hand = blocks if processes == 1 else blocks / processes + 2 * blocks / model.layers
    weights = (at_hand + tables) * (1.1 if tune.load_in_8bit and processes == 1 else 2)
    adapter = 16 * 2 * tune.lora_r * model.width * len(tune.target_modules) * model.layers
    layers = 2 / KEPT * model.layers + 1 if tune.gradient_checkpointing else model.layers
    activations = KEPT * batch * model.width * layers
    logits = batch * model.vocabulary * 4  # of trained tokens alone, in 16 bits, with their gradient: at most
    total = weights + adapter + activations + logits
    return total / GIB, total * 1.4 / GIB


def lines(needs: Needs, model: Shape, teraflops: float, processes: int = 1) -> list[str]:
    """What a plan prints: cells and rows, the model, memory and hours; of several processes what the first holds."""
    whose = f"Each of {processes} accelerators" if processes > 1 else "Accelerator"
    sentences = [
        f"{needs.cells:,} cells; {needs.trained_rows:,} rows trained on, {needs.answers:,} answers written.",
        f"Model: {model.parameters / 1e9:.2f} billion parameters ({model.source}), {model.layers} layers.",
        f"{whose}: {needs.gib[0]:.0f} to {needs.gib[1]:.0f} GiB; at {teraflops:g} teraflops about "
        f"{needs.hours[0]:.1f} to {needs.hours[1]:.1f} hours.",
    ]
    if processes > 1:
        sentences.append(
            f"The first process also holds the whole model, {2 * model.parameters / GIB:.0f} GiB: on its accelerator "
            "where that is less than half of it, else in the machine's memory."
        )
    return sentences
