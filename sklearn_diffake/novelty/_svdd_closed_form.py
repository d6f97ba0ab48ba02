"""Train plain networks with gradients in closed form. Loads torch and skorch.

With batches of a few dozen rows, the bookkeeping of autograd, of modules and of skorch takes longer
than the matrix products of a small network. Here a step is these products and little else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import nn
from torch.optim.adam import adam

from sklearn_diffake.novelty._svdd_batches import Batches
from sklearn_diffake.novelty._svdd_losses import ReconstructionLoss, SVDDLoss
from sklearn_diffake.novelty._svdd_net import PlainNetwork

_leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
_BATCH_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class ClosedFormNet(NeuralNet):
    """A net of skorch that trains without autograd where nobody can notice.

    That is with a `PlainNetwork` on the CPU, all of it trained and without hooks, and if no
    callback waits for events of single batches. Everything else is skorch's own training. Both
    leave the same history, and differ by the rounding of float32.
    """

    _gradients: ClosedFormGradients | None = None

    def run_single_epoch(
        self,
        iterator: Batches | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., Any],
        **fit_params: Any,
    ) -> None:
        """Run an epoch of training or validation, and record its batches."""
        if not training or iterator is None or not self._is_plain():
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        self._set_training(True)
        with torch.no_grad():
            losses, sizes = self._train_plain(iterator)
        batches = self.history[-1]["batches"]
        for loss, size in zip(torch.stack(losses).tolist(), sizes, strict=True):
            batches.append({f"{prefix}_loss": loss, f"{prefix}_batch_size": size})
        self.history.record(f"{prefix}_batch_count", len(sizes))

    def _train_plain(self, iterator: Batches) -> tuple[list[torch.Tensor], list[int]]:
        """Train on all batches; return their losses and sizes."""
        if self._gradients is None:
            self._gradients = ClosedFormGradients(
                self.module_, self.criterion_, iterator.largest_batch
            )
        gradients = self._gradients
        gradients.attach()
        losses, sizes = [], []
        step = self.optimizer_.step  # of the first batch: it creates Adam's moments
        for rows, target in iterator:
            losses.append(gradients(rows, target))
            sizes.append(len(rows))
            step()
            if len(sizes) == 1:
                step = _adam_step(self.optimizer_)
        return losses, sizes

    def _is_plain(self) -> bool:
        """Whether closed form is exact; asked in every epoch, as callbacks may change the net."""
        weights = list(self.module_.parameters())
        parts = [*self.module_.modules(), *weights, self.criterion_, self.optimizer_]
        return (
            type(self.module_) is PlainNetwork
            and all(weight.requires_grad and weight.device.type == "cpu" for weight in weights)
            and not any(_has_hooks(part) for part in parts)
            and not any(_waits_for_batches(callback) for _, callback in self.callbacks_)
        )


def _adam_step(optimizer: torch.optim.Adam) -> Callable[[], None]:
    """Return the step of Adam without the checks around it, which take as long as itself."""
    (group,) = optimizer.param_groups
    weights = group["params"]
    states = [optimizer.state[weight] for weight in weights]
    moments, squared_moments, n_steps = (
        [state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")
    )
    beta1, beta2 = group["betas"]
    return partial(
        adam, weights, [weight.grad for weight in weights], moments, squared_moments, [], n_steps,
        fused=True, amsgrad=False, beta1=beta1, beta2=beta2, lr=group["lr"],
        weight_decay=group["weight_decay"], eps=group["eps"], maximize=False,
    )  # fmt: skip


def _has_hooks(part: nn.Module | nn.Parameter | torch.optim.Optimizer) -> bool:
    names = (
        ("_backward_hooks", "_post_accumulate_grad_hooks")
        if isinstance(part, nn.Parameter)
        else [name for name in vars(part) if name.endswith("_hooks")]
    )
    return any(getattr(part, name) for name in names)


def _waits_for_batches(callback: Callback) -> bool:
    return any(
        getattr(getattr(callback, event), "__func__", None) is not getattr(Callback, event)
        for event in _BATCH_EVENTS
    )


class _Layer(NamedTuple):
    """A linear layer, the slope of the leaky ReLU before it if there is one, and memory."""

    weight: torch.Tensor
    weight_gradient: torch.Tensor
    slope: float | None
    outputs: torch.Tensor
    input_gradients: torch.Tensor


class ClosedFormGradients:
    """Gradients of a plain network, written into ``grad`` of its parameters.

    Memory is allocated once, because new memory takes as long as a small product.

    Parameters
    ----------
    network : PlainNetwork
    criterion : SVDDLoss or ReconstructionLoss
    largest_batch : int
        Number of rows in a batch, at most.
    """

    def __init__(
        self, network: PlainNetwork, criterion: SVDDLoss | ReconstructionLoss, largest_batch: int
    ) -> None:
        self.criterion = criterion
        self.layers: list[_Layer] = []
        slope = None
        for module in network:
            if isinstance(module, nn.Linear):
                weight = module.weight
                outputs = weight.new_empty(largest_batch, module.out_features)
                input_gradients = weight.new_empty(  # those of the rows are not needed
                    largest_batch if self.layers else 0, module.in_features
                )
                gradient = torch.empty_like(weight)
                self.layers.append(_Layer(weight, gradient, slope, outputs, input_gradients))
            slope = module.negative_slope if isinstance(module, nn.LeakyReLU) else None

    def attach(self) -> None:
        """Let ``grad`` of the parameters be what calls write to."""
        for layer in self.layers:
            layer.weight.grad = layer.weight_gradient

    def __call__(self, rows: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Write the gradients of a batch, and return its loss; needs ``torch.no_grad()``."""
        n_rows, layer_inputs, outputs = len(rows), [], rows
        for weight, _, slope, memory, _ in self.layers:
            if slope is not None:
                nn.functional.leaky_relu_(outputs, slope)
            layer_inputs.append(outputs)
            outputs = torch.mm(outputs, weight.t(), out=memory[:n_rows])
        loss, gradient = self.criterion.loss_and_gradient_(outputs, target)
        for (weight, weight_gradient, slope, _, memory), inputs in zip(
            reversed(self.layers), reversed(layer_inputs), strict=True
        ):
            torch.mm(gradient.t(), inputs, out=weight_gradient)
            if inputs is not rows:
                gradient = torch.mm(gradient, weight, out=memory[:n_rows])
            if slope is not None:  # a leaky ReLU keeps the sign: its outputs tell its slope
                _leaky_relu_backward(gradient, inputs, slope, True, grad_input=gradient)
        return loss
