"""One model in several processes: the first one works, the others hold shards of its blocks and join in its passes.

`accelerate launch -m leaven …` and torchrun start leaven once for each accelerator. The first process alone reads,
asks, decides and writes; the others do what it tells them (`follow`). `spread` puts a model into all of them: FSDP2
shards the frozen weights of its blocks; embedding, norms and adapter, which are small, stand whole in each. For each
piece of work every process gets the weights that learn as they are in the first, and a share of what is to be done;
gradients are summed in the first. So optimiser, schedule, checkpoints and files exist once, and no process can drift
from another.
"""

import copy
import gc
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any

import torch
from peft import PeftModel
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from leaven.errors import UserError

Work = Callable[[Any, Sequence[Any]], Any]
"""What is done with a model and some parts of what there is to do; in several processes it and its result are sent."""
Within = Callable[[Any], AbstractContextManager[None]]
"""The state that a model is in while it works."""
PATIENCE = timedelta(days=365)
"""How long the others wait to be told something: the first one may ask a server for hours."""
NOTHING, BOTH, FORWARD = range(3)
"""What a process is about to do: nothing more, a forward pass and its backward pass, a forward pass alone."""


def processes() -> int:
    """How many processes a model is spread over."""
    return distributed.get_world_size() if _orders.cache_info().currsize else 1


def is_too_large(model: Any) -> bool:
    """Whether a model is too large for one device: the first process then holds it in memory, and it works in shards.

    (`load` puts it there.)
    """
    return processes() > 1 and bool(model.device.type != _mesh().device_type)


def join() -> None:
    """Meet the other processes of the launch. Raises UserError where this one has no GPU of its own."""
    if torch.cuda.is_available():
        place, count = int(os.environ.get("LOCAL_RANK", os.environ["RANK"])), torch.cuda.device_count()
        if place >= count > 1:
            raise UserError(
                f"more processes were started than there are GPUs here ({count})",
                "accelerate launch --num_processes N -m leaven …, with a GPU for each.",
            )
        torch.cuda.set_device(place if count > 1 else 0)  # some launchers show each process its own GPU alone
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    _orders()


@contextmanager
def leading() -> Iterator[None]:
    """The first process at its work; the others end with it, and where it fails the launcher ends them."""
    join()
    try:
        yield
    except SystemExit as end:
        if end.code:
            raise
    _tell(None)
    distributed.destroy_process_group()


def follow() -> None:
    """What every process but the first does: what that one tells it, until it has ended."""
    join()
    _serve(None)
    distributed.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Whole:
    """A model in this process alone."""

    model: Any

    def run(self, work: Work, parts: Sequence[Any], seed: int = 0) -> list[Any]:
        """What comes of the work on all parts, in a list of one; its gradients stay at the model's weights."""
        return [work(self.model, parts)]


class Shards:
    """A model in all processes, whose weights that learn are those of `model`."""

    def __init__(self, model: Any, twin: "_Twin") -> None:
        self.model, self.weights, self.twin = model, _learning_weights(model), twin

    def run(self, work: Work, parts: Sequence[Any], seed: int = 0) -> list[Any]:
        """What comes of the work in each process, on every n-th part; the sum of its gradients stays at the weights.

        From `seed` on, as many as there are processes are for dropout in the others.
        """
        shares = [parts[place :: processes()] for place in range(processes())]
        for own, weight in zip(self.twin.weights, self.weights, strict=True):
            own.data.copy_(weight.data)
        _tell(partial(_share, work, shares, seed))
        results: list[Any] = self.twin.run(work, shares[0])
        for own, weight in zip(self.twin.weights, self.weights, strict=True):
            weight.grad = None if own.grad is None else own.grad.to(weight.device)
        return results


_open: list[Shards] = []
"""What is spread, the last one last; the first process's alone."""


@contextmanager
def spread(model: Any, within: Within) -> Iterator[Whole | Shards]:
    """The model over all processes, in the state `within`; it stays as it is, but for the gradients of its weights.

    Of its weights the others need none at hand: each block comes from the first process as it is sharded. A model that
    was spread last, and still is, is the same there, in the state that it is in.
    """
    if processes() == 1:
        with within(model):
            yield Whole(model)
        return
    if _open and _open[-1].model is model:
        yield _open[-1]
        return
    _tell(partial(_hold, _with_weights(model, partial(torch.empty_like, device="meta")), within))
    twin = _Twin(_with_weights(model, torch.Tensor.detach))
    with within(twin.model):
        _open.append(Shards(model, twin))
        yield _open[-1]
        _open.pop()
    _tell(None)  # an error ends the process, and with it all of them


class _Twin:
    """A process's copy of a model: its shard of each block, and all the rest."""

    def __init__(self, model: Any) -> None:
        gc.collect()  # an earlier twin, whose hooks hold it in a circle
        blocks, mesh = _blocks(model), _mesh()
        for block in blocks:
            _arrive(block.modules())
            learning = {weight for weight in block.parameters() if weight.requires_grad}
            fully_shard(block, mesh=mesh, reshard_after_forward=True, ignored_params=learning)
        within_blocks = {module for block in blocks for module in block.modules()}
        _arrive(module for module in model.modules() if module not in within_blocks)
        body = _base(model).base_model
        whole = {weight for weight in body.parameters() if not isinstance(weight, DTensor)}
        fully_shard(body, mesh=mesh, ignored_params=whole)  # the blocks' streams and prefetching hang on it
        self.model, self.weights, self.passes = model, _learning_weights(model), _Passes(body)

    def run(self, work: Work, share: Sequence[Any]) -> Any:
        """What comes of the work in all processes, and the sum of its gradients; each in the first process alone."""
        for weight in self.weights:
            weight.grad = None
            distributed.broadcast(weight.data, 0)
        result = work(self.model, share)
        if self.passes.finish():
            for weight in self.weights:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                distributed.reduce(weight.grad, 0)
        results = [None] * processes() if distributed.get_rank() == 0 else None
        distributed.gather_object(result, results, 0, _orders())
        return results


class _Passes:
    """The same passes in all processes, in the same order, for in each of them the blocks' weights are gathered.

    Before each pass the processes agree on its kind; those that have none of that kind make an empty one beside it.
    `body` is the model without its output layer.
    """

    def __init__(self, body: Any) -> None:
        self.body, self.is_empty, self.is_open, self.has_gradients = body, False, False, False
        body.register_forward_pre_hook(self._before, prepend=True)
        body.register_forward_hook(self._after)

    def finish(self) -> bool:
        """Make empty passes until no process has another; whether any had gradients."""
        while (kind := _agreed(NOTHING)) != NOTHING:
            self._make_empty(kind)
        had, self.has_gradients = self.has_gradients, False
        return had

    def _before(self, *_: Any) -> None:
        if self.is_empty:
            return
        if self.is_open:
            raise UserError(
                "an objective asks the model once more between a forward pass and its backward pass",
                "In several processes it has to ask for what has no gradient first (see models/losses/kl_to_base.py).",
            )
        own = BOTH if torch.is_grad_enabled() else FORWARD
        while (kind := _agreed(own)) != own:
            self._make_empty(kind)
        self.is_open = own == BOTH
        self.has_gradients |= self.is_open

    def _after(self, _body: Any, _inputs: Any, output: Any) -> None:
        if self.is_open:
            output.last_hidden_state.register_hook(self._close)

    def _close(self, _gradient: Any) -> None:
        self.is_open = False

    def _make_empty(self, kind: int) -> None:
        self.is_empty = True
        with torch.set_grad_enabled(kind == BOTH):
            token = torch.zeros(1, 1, dtype=torch.long, device=self.body.device)
            states = self.body(input_ids=token, use_cache=False).last_hidden_state
            if kind == BOTH:
                states.backward(torch.zeros_like(states))
                self.has_gradients = True
        self.is_empty = False


@cache
def _orders() -> Any:
    """The group over which the first process tells the others what to do; all make it at the same time, in `join`."""
    return distributed.new_group(backend="gloo", timeout=PATIENCE)


@cache
def _mesh() -> DeviceMesh:
    return init_device_mesh("cuda" if torch.cuda.is_available() else "cpu", (processes(),))


def _tell(order: Callable[[Any], None] | None) -> None:
    """Let the others do something; None: end what they were told to hold. Raises UserError for what can't be sent."""
    try:
        distributed.broadcast_object_list([order], 0, _orders(), torch.device("cpu"))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(
            f"what is to be done can't be sent to the other processes: {error}",
            "An objective of your own has to be imported from a module, and not to stand in the file of a method.",
        ) from error


def _serve(twin: "_Twin | None") -> None:
    """Do what is told, until told to end."""
    box: list[Any] = [None]
    while True:
        try:
            distributed.broadcast_object_list(box, 0, _orders(), torch.device("cpu"))
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"what the first process sends can't be read here: {error}",
                "An objective of your own has to lie in a module that every process can import.",
            ) from error
        except RuntimeError as error:
            if "onnection" not in str(error):
                raise
            raise SystemExit("The first process has ended.") from None
        order, box[0] = box[0], None
        if order is None:
            return
        order(twin)
        del order  # a model that it brought is not held until the next one


def _hold(skeleton: Any, within: Within, _twin: "_Twin | None") -> None:
    """What others do in `spread`."""
    twin = _Twin(skeleton)
    with within(twin.model):
        _serve(twin)


def _share(work: Work, shares: Sequence[Sequence[Any]], seed: int, twin: "_Twin") -> None:
    """What others do in `Shards.run`."""
    place = distributed.get_rank()
    torch.manual_seed(seed + place)
    twin.run(work, shares[place])


def _with_weights(model: Any, make: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of the model with other tensors in place of its own; those that are tied stay tied."""
    learns = isinstance(model, PeftModel)
    memo: dict[int, Any] = {id(buffer): make(buffer) for buffer in model.buffers()}
    for weight in model.parameters():
        memo[id(weight)] = torch.nn.Parameter(make(weight), requires_grad=learns and weight.requires_grad)
    return copy.deepcopy(model, memo)


def _arrive(modules: Iterable[torch.nn.Module]) -> None:
    """Put the first process's tensors of these modules onto the device of each; none of them is sharded yet."""
    device, arrived = torch.device(_mesh().device_type), dict[int, tuple[torch.Tensor, torch.Tensor]]()
    for module in modules:
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is None:
                    continue
                if id(tensor) not in arrived:
                    arrived[id(tensor)] = tensor, _on(device, tensor)
                table[name] = arrived[id(tensor)][1]  # type: ignore[assignment]


def _on(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_meta:
        data = torch.empty_like(tensor, device=device)
    else:
        data = tensor.detach().to(device).contiguous()
    distributed.broadcast(data.view(-1).view(torch.uint8), 0)  # as bytes, since gloo doesn't know every type
    return torch.nn.Parameter(data, tensor.requires_grad) if isinstance(tensor, torch.nn.Parameter) else data


def _blocks(model: Any) -> list[torch.nn.Module]:
    """The blocks of a model. Raises UserError where its class doesn't name them."""
    base = _base(model)
    names = set(getattr(base, "_no_split_modules", None) or ())
    blocks = [module for module in model.modules() if type(module).__name__ in names]
    if not blocks:
        raise UserError(
            f"{type(base).__name__} does not say what its blocks are, which are to be sharded", "Use one process."
        )
    return blocks


def _base(model: Any) -> Any:
    return model.get_base_model() if isinstance(model, PeftModel) else model


def _learning_weights(model: Any) -> list[Any]:
    """The weights that learn; of a model without an adapter none does."""
    return [weight for weight in model.parameters() if weight.requires_grad and isinstance(model, PeftModel)]


def _agreed(kind: int) -> int:
    """The kind of pass that comes next in all processes."""
    largest = torch.tensor(kind)
    distributed.all_reduce(largest, distributed.ReduceOp.MAX, _orders())
    return int(largest)
