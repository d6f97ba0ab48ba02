"""Train the network of Deep SVDD by skorch. Loads torch and skorch."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from skorch.helper import predefined_split
from torch import nn

from sklearn_diffake.novelty._standardize import blocks, standardize
from sklearn_diffake.novelty._svdd_batches import Batches, Rows
from sklearn_diffake.novelty._svdd_closed_form import ClosedFormNet
from sklearn_diffake.novelty._svdd_losses import ReconstructionLoss, SVDDLoss
from sklearn_diffake.novelty._svdd_net import (
    CollapseProbe,
    PlainNetwork,
    initialize,
    load_weights,
    make_encoder,
    make_mlp,
    state_of,
)
from sklearn_diffake.utils._callbacks import callbacks_of_fit, restore_history
from sklearn_diffake.utils._progress import log_step, progress_bar

_logger = logging.getLogger(__name__)
_CENTER_EPS = 0.1  # no coordinate of the center is closer to zero
_N_PROBES = 64  # genuine rows, and as many rows of noise, for the detection of a collapse
_SHRUNK = 0.01  # fraction of the loss of the first epoch below which a warning is issued
_UNREPEATABLE = {"dur", "train_batch_count", "valid_batch_count"}


@dataclass(frozen=True)
class SVDDSettings:
    """Settings of a training: parameters of `DeepSVDD`, of the same names."""

    objective: str
    nu: float
    hidden_layer_sizes: Sequence[int]
    representation_size: int
    encoder: str | Callable[..., Any] | None
    batch_norm: bool
    pretrain_epochs: int
    max_epochs: int
    warm_up_epochs: int
    lr: float
    weight_decay: float
    batch_size: int
    early_stopping: bool
    n_iter_no_change: int
    callbacks: list[Any] | None
    verbose: int

    @classmethod
    def from_parameters(cls, detector: Any) -> SVDDSettings:
        """Copy the parameters of a detector."""
        return cls(**{f.name: getattr(detector, f.name) for f in fields(cls)})


class TrainingResult(NamedTuple):
    """The result of a training."""

    weights: dict[str, NDArray[Any]]
    center: NDArray[np.float64]
    history: list[dict[str, Any]]
    pretrain_history: list[dict[str, Any]]


class EarlierFit(NamedTuple):
    """The fitted state that a warm start continues."""

    weights: dict[str, NDArray[Any]]
    center: NDArray[np.float64]
    radius: float
    history: list[dict[str, Any]]
    pretrain_history: list[dict[str, Any]]


def train_network(
    settings: SVDDSettings,
    X: NDArray[Any],
    X_valid: NDArray[Any] | None,
    scaling: tuple[NDArray[Any], NDArray[Any]],
    device: str,
    seed: int,
    earlier_fit: EarlierFit | None = None,
) -> TrainingResult:
    """Train a new network, or continue with an earlier one.

    Parameters
    ----------
    settings : SVDDSettings
    X, X_valid : ndarray of shape (n_samples, ...)
        Genuine training rows, and held-out rows or None.
    scaling : (ndarray, ndarray)
        Location and scale of the features, which standardize the rows.
    device : str
        Device of the training.
    seed : int
        Seed of the weights, of the order of rows, and of the noise for the detection of a collapse.
    earlier_fit : EarlierFit or None
        What a warm start continues.

    Returns
    -------
    TrainingResult
        With the figures of all epochs, the earlier ones included.
    """
    earlier_epochs = earlier_fit.history if earlier_fit else []
    draw = torch.Generator().manual_seed(seed)
    shuffle = torch.Generator(device).manual_seed(seed + len(earlier_epochs))
    module = _new_encoder(settings, X.shape[1:], draw)
    probe = CollapseProbe(standardize(X[:_N_PROBES], *scaling), seed)
    initial_outputs = probe.answers(module)  # fails here if the encoder is not valid
    module.to(device)
    rows = Rows(X, *scaling, device)
    rows_valid = None if X_valid is None else Rows(X_valid, *scaling, device)
    pretrain_history = earlier_fit.pretrain_history if earlier_fit else []
    epochs = settings.max_epochs + (0 if earlier_fit else settings.pretrain_epochs)
    with progress_bar(total=epochs, desc="DeepSVDD", unit="epoch", verbose=settings.verbose) as bar:
        if earlier_fit:
            load_weights(module, earlier_fit.weights)
        elif settings.pretrain_epochs:
            decoder = _new_decoder(settings, initial_outputs.shape[1], X.shape[1:], draw)
            pretrain_history = _pretrain(settings, module, decoder, rows, shuffle, bar)
            initial_outputs = probe.answers(module)
        loss = _loss(settings, module, rows, earlier_fit)
        history = train(
            settings,
            module,
            loss,
            rows,
            rows_valid,
            max_epochs=settings.max_epochs,
            shuffle=shuffle,
            callbacks=_callbacks(settings, bar),
            earlier_epochs=earlier_epochs,
        )
    probe.compare(initial_outputs, probe.answers(module), history[-1]["train_loss"])
    ends = [history[i]["train_loss"] for i in (0, -1)]
    message = "trained on %d rows on %s for %d epochs: loss from %.3g to %.3g"
    log_step(_logger, settings.verbose, message, len(X), device, len(history), *ends)
    if loss.nu is None:
        _warn_of_shrinking(history[0]["train_loss"], history[-1]["train_loss"])
    first = {"epoch": None, "train_loss": None, "valid_loss": None}  # these keys first
    history = [first | epoch for epoch in history]
    center = loss.center.cpu().numpy().astype(np.float64)
    return TrainingResult(state_of(module), center, history, pretrain_history)


def _pretrain(
    settings: SVDDSettings,
    module: nn.Module,
    decoder: nn.Module,
    rows: Rows,
    shuffle: torch.Generator,
    bar: Any,
) -> list[dict[str, Any]]:
    """Train the network as a part of an autoencoder; return the figures of the epochs."""
    return train(
        settings,
        _autoencoder(module, decoder.to(rows.X.device)),
        ReconstructionLoss(),
        rows,
        max_epochs=settings.pretrain_epochs,
        shuffle=shuffle,
        callbacks=[("monitor", EpochMonitor(bar, "pretraining"))],
    )


def _autoencoder(module: nn.Module, decoder: nn.Module) -> nn.Sequential:
    if isinstance(module, PlainNetwork) and isinstance(decoder, PlainNetwork):
        return PlainNetwork(*module, *decoder)
    return nn.Sequential(module, decoder)


def _loss(
    settings: SVDDSettings, module: nn.Module, rows: Rows, earlier_fit: EarlierFit | None
) -> SVDDLoss:
    """Return the objective, with the center and the radius of an earlier fit if there is one."""
    nu = settings.nu if settings.objective == "soft-boundary" else None
    if earlier_fit is None:
        return SVDDLoss(first_center(module, rows), nu)
    center = torch.tensor(earlier_fit.center, dtype=torch.float32, device=rows.X.device)
    loss = SVDDLoss(center, nu)
    loss.radius2 = earlier_fit.radius**2
    return loss


def _warn_of_shrinking(first: float, last: float) -> None:
    if last < _SHRUNK * first:
        warnings.warn(
            f"Deep SVDD's loss fell from {first:.3g} to {last:.3g}: the network is about to map "
            "all genuine rows to one point, whatever they hold, and then separates little. Reduce "
            "max_epochs or lr.",
            UserWarning,
            stacklevel=2,
        )


def _new_encoder(
    settings: SVDDSettings, shape: tuple[int, ...], generator: torch.Generator
) -> nn.Module:
    if settings.encoder is not None:
        return make_encoder(settings.encoder, shape)
    sizes = [*shape, *settings.hidden_layer_sizes, settings.representation_size]
    return initialize(make_mlp(sizes, batch_norm=settings.batch_norm), generator)


def _new_decoder(
    settings: SVDDSettings, size: int, shape: tuple[int, ...], generator: torch.Generator
) -> nn.Module:
    sizes = [size, *reversed(settings.hidden_layer_sizes), math.prod(shape)]
    return initialize(make_mlp(sizes, batch_norm=settings.batch_norm), generator)


def _callbacks(settings: SVDDSettings, bar: Any) -> list[Any]:
    """Return the monitor, the user's callbacks, and early stopping as the last."""
    monitor = EpochMonitor(bar, "training", settings.warm_up_epochs)
    callbacks = [("monitor", monitor), *callbacks_of_fit(settings.callbacks)]
    if settings.early_stopping:
        stop = EarlyStopping(patience=settings.n_iter_no_change, load_best=True)
        callbacks.append(("early_stopping", stop))
    return callbacks


class EpochMonitor(Callback):
    """Raise an error for a loss that is not finite, update the radius and the progress bar.

    Parameters
    ----------
    bar : tqdm.tqdm
    stage : str
        Name of the training, for messages.
    warm_up_epochs : int, default=0
        Epochs before the radius is first set.
    """

    def __init__(self, bar: Any, stage: str, warm_up_epochs: int = 0) -> None:
        self.bar, self.stage, self.warm_up_epochs = bar, stage, warm_up_epochs

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Check and record an epoch."""
        epoch, loss = net.history[-1, "epoch"], net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise RuntimeError(
                f"The loss became {loss} in epoch {epoch} of {self.stage}. Reduce lr={net.lr:g}, "
                "or look for extreme values in X."
            )
        if isinstance(net.criterion_, SVDDLoss):
            net.history.record("radius", math.sqrt(net.criterion_.radius2))
            net.criterion_.end_epoch(set_radius=epoch >= self.warm_up_epochs)
        _logger.debug("%s, epoch %d: loss %.6g", self.stage, epoch, loss)
        self.bar.set_postfix(loss=f"{loss:.3g}", refresh=False)
        self.bar.update()


def first_center(module: nn.Module, rows: Rows) -> torch.Tensor:
    """Return the mean representation before training, moved away from zero.

    A coordinate closer to zero than 0.1, or equal to zero, is moved to 0.1 on its side of zero: a
    network without biases can reach zero with all weights zero.
    """
    module.eval()
    with torch.no_grad():
        sums = [module(rows[block][0]).sum(dim=0).cpu().double() for block in blocks(rows.X)]
    center = torch.stack(sums).sum(dim=0) / len(rows)
    shifted = torch.where(center < 0, -_CENTER_EPS, _CENTER_EPS)
    return torch.where(center.abs() < _CENTER_EPS, shifted, center).float().to(rows.X.device)


def train(
    settings: SVDDSettings,
    module: nn.Module,
    criterion: nn.Module,
    rows: Rows,
    rows_valid: Rows | None = None,
    *,
    max_epochs: int,
    shuffle: torch.Generator,
    callbacks: Sequence[Any],
    earlier_epochs: Sequence[dict[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Train a module in place with Adam, on the device of the rows.

    Returns
    -------
    list of dict
        For every epoch, the earlier ones included, the recorded numbers without the duration, which
        differs in every fit.
    """
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ValueError("the encoder must have parameters to train, got none.")
    device = rows.X.device
    net = ClosedFormNet(
        module,
        criterion,
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=settings.weight_decay,
        optimizer__fused=device.type in ("cpu", "cuda"),
        lr=settings.lr,
        max_epochs=max_epochs,
        batch_size=settings.batch_size,
        iterator_train=Batches,
        iterator_train__generator=shuffle,
        iterator_valid=Batches,
        train_split=None if rows_valid is None else predefined_split(rows_valid),
        callbacks=list(callbacks),
        callbacks__print_log=None,
        device=str(device),
        verbose=0,
    )
    net.initialize()
    restore_history(net, earlier_epochs)
    net.partial_fit(rows)
    if len(net.history) == len(earlier_epochs) or "train_loss" not in net.history[-1]:
        # skorch handles it as an early stop, but it was in the middle of an epoch
        raise KeyboardInterrupt
    return [_figures(epoch) for epoch in net.history]


def _figures(epoch: dict[str, Any]) -> dict[str, Any]:
    return {
        name: int(value) if isinstance(value, (int, np.integer)) else float(value)
        for name, value in epoch.items()
        if isinstance(value, Real) and not isinstance(value, bool) and name not in _UNREPEATABLE
    }
