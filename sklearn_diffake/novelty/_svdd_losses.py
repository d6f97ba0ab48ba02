"""The losses of Deep SVDD, and their gradients in closed form. Loads torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class SVDDLoss(nn.Module):
    """Deep SVDD's objectives (Ruff et al., equations 3 and 4) without their weight decay.

    Parameters
    ----------
    center : tensor of shape (representation_size,)
    nu : float or None
        For the soft boundary, the fraction of rows outside; None for one-class.
    """

    center: torch.Tensor

    def __init__(self, center: torch.Tensor, nu: float | None) -> None:
        super().__init__()
        self.register_buffer("center", center)
        self.nu = nu
        self.radius2 = 0.0
        self.distances: list[torch.Tensor] = []

    def forward(self, representation: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """Return the mean over a batch."""
        if self.nu is None:  # one fused operation
            mean = nn.functional.mse_loss(representation, self.center.expand_as(representation))
            return mean * len(self.center)
        distance2 = (representation - self.center).square().sum(dim=1)
        return self._soft_boundary(distance2, self.nu)

    def loss_and_gradient_(
        self, representation: torch.Tensor, _: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of a batch and its gradient, which overwrites the representation."""
        difference = representation.sub_(self.center)
        distance2 = difference.square().sum(dim=1)
        n_rows = len(difference)
        if self.nu is None:
            return distance2.mean(), difference.mul_(2 / n_rows)
        is_outside = (distance2 > self.radius2).unsqueeze(1)
        loss = self._soft_boundary(distance2, self.nu)
        return loss, difference.mul_(2 / (self.nu * n_rows)).mul_(is_outside)

    def _soft_boundary(self, distance2: torch.Tensor, nu: float) -> torch.Tensor:
        if self.training:
            self.distances.append(distance2.detach())
        return self.radius2 + torch.relu(distance2 - self.radius2).mean() / nu

    def end_epoch(self, *, set_radius: bool) -> None:
        """End an epoch; if `set_radius`, a fraction `nu` of its rows is outside of the radius."""
        if set_radius and self.nu is not None:
            epoch_distances = torch.cat(self.distances).cpu().numpy().astype(np.float64)
            self.radius2 = float(np.quantile(epoch_distances, 1 - self.nu))
        self.distances.clear()


class ReconstructionLoss(nn.Module):
    """Mean squared error of an autoencoder whose output is flat."""

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over a batch."""
        return (output - target.flatten(1)).square().mean()

    def loss_and_gradient_(
        self, output: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of a batch and its gradient, which overwrites the output."""
        difference = output.sub_(target.flatten(1))
        return difference.square().mean(), difference.mul_(2 / difference.numel())
