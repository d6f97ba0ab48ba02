"""Sharpness-aware minimization over stochastic gradient descent. Loads torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_EPS = 1e-12  # keeps a gradient of zero from being divided by zero


class SAM(torch.optim.SGD):
    """Step along the gradient at the worst point nearby, not at the point itself [1]_.

    From the weights `w` with gradient `g`, the gradient of the step is taken at
    ``w + rho * g / ||g||`` (equations 2 and 3), which costs a second forward and backward pass.
    The step itself is that of SGD with momentum.

    Parameters
    ----------
    params : iterable of parameters
    lr, momentum, weight_decay : float
        As in :class:`torch.optim.SGD`; the weight decay takes no part in the search nearby.
    rho : float, default=0.05
        Distance to the worst point; 0 is plain SGD, at half the cost.
    batch_norms : iterable of modules, default=()
        Their running statistics do not change in the second pass, whose weights are discarded.

    References
    ----------
    .. [1] P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, "Sharpness-Aware Minimization for
       Efficiently Improving Generalization", ICLR 2021.
    """

    def __init__(
        self,
        params: Any,
        *,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        rho: float = 0.05,
        batch_norms: Iterable[nn.Module] = (),
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
        self.rho, self.batch_norms = rho, list(batch_norms)

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Make one step; `closure` computes the loss and its gradients, and returns the loss."""
        with torch.enable_grad():
            loss = closure()
        if self.rho:
            weights = self._climb()
            with torch.enable_grad(), _frozen(self.batch_norms):
                closure()
            with torch.no_grad():
                torch._foreach_copy_(list(weights), list(weights.values()))
        super().step()
        return loss

    @torch.no_grad()
    def _climb(self) -> dict[torch.Tensor, torch.Tensor]:
        """Move to the worst point nearby; return copies of the weights before, by parameter."""
        groups = self.param_groups
        parameters = [p for group in groups for p in group["params"] if p.grad is not None]
        gradients = [p.grad for p in parameters]
        weights = {p: p.clone() for p in parameters}
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        torch._foreach_add_(parameters, torch._foreach_mul(gradients, self.rho / (norm + _EPS)))
        return weights


@contextmanager
def _frozen(batch_norms: list[nn.Module]) -> Iterator[None]:
    momenta: list[Any] = [norm.momentum for norm in batch_norms]
    counts: list[Any] = [norm.num_batches_tracked for norm in batch_norms]
    for norm in batch_norms:
        norm.momentum = 0.0  # type: ignore[assignment]
        norm.num_batches_tracked = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for norm, momentum, count in zip(batch_norms, momenta, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """Return the layers of a network that keep running statistics of their batches."""
    kind = nn.modules.batchnorm._BatchNorm
    return [m for m in module.modules() if isinstance(m, kind) and m.track_running_stats]
