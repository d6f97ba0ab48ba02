"""What accompanies the epochs of a training: the monitor, and the callbacks of the user.

Loads torch and skorch. The monitor sets the learning rate, and `Progress` decides when to stop,
since a training is resumed bit for bit: skorch's LRScheduler and EarlyStopping have a state of
their own, which no checkpoint holds.
"""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, LRScheduler

from sklearn_diffake.embedding.forgery._checkpoint import Progress, TrainingSettings
from sklearn_diffake.embedding.forgery._crops import EpochBatches
from sklearn_diffake.utils._callbacks import callbacks_of_fit, record_figures
from sklearn_diffake.utils._progress import log_step

_logger = logging.getLogger(__name__)


class TrainingMonitor(Callback):
    """Sets the learning rate, checks every loss, and closes every epoch.

    Parameters
    ----------
    progress : Progress
    train : EpochBatches

    Attributes
    ----------
    bar : tqdm.tqdm
        Set when the number of steps is known.
    step : int
        Number of the next step, from 0.
    epoch_closed : bool
        Whether the present epoch is complete and saved.
    """

    bar: Any

    def __init__(self, progress: Progress, train: EpochBatches) -> None:
        self.progress, self.train = progress, train
        self.step = 0
        self.epoch_closed = False

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        """Set the order, the fakes and the random numbers of the epoch."""
        self.epoch_closed = False
        epoch = self.train.epoch = self.progress.epoch
        self.step = (epoch - 1) * self.train.n_batches
        # torch's own generators: layers such as dropout draw from them
        seed = np.random.SeedSequence([self.progress.settings.seed, epoch]).generate_state(1)[0]
        torch.manual_seed(int(seed))

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **_: Any) -> None:
        """Set the learning rate of the step."""
        if training:
            n_steps = net.max_epochs * self.train.n_batches
            for group in net.optimizer_.param_groups:
                group["lr"] = net.lr * min(1.0, (n_steps - self.step) / (n_steps / 4))
            self.step += 1

    def on_batch_end(self, net: NeuralNet, training: bool = False, **_: Any) -> None:
        """Stop at a loss that is not finite."""
        if training:
            loss = net.history[-1, "batches", -1, "train_loss"]
            if not math.isfinite(loss):
                step = (self.step - 1) % self.train.n_batches + 1
                self.progress.fail(f"The loss became {loss} in step {step} of")
        self.bar.update()

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Record the figures of the epoch and save its weights."""
        figures = self.progress.close_epoch(net)
        record_figures(net, {name: figures[name] for name in ("valid_auc", "lr")})
        summary = {"epoch": figures["epoch"], "loss": f"{figures['train_loss']:.3g}"}
        if figures["valid_auc"] is not None:
            summary["AUC"] = f"{figures['valid_auc']:.4f}"
        text = ", ".join(f"{name} {value}" for name, value in summary.items())
        log_step(_logger, self.progress.settings.verbose, "%s of %d", text, net.max_epochs)
        self.bar.set_postfix(**summary, waiting=f"{self.train.loader.waiting_fraction:.0%}")
        self.epoch_closed = True


class StopWhenFinished(Callback):
    """Ends a training whose `Progress` is finished, after all other callbacks of the epoch."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Stop as skorch's callbacks do."""
        if self.progress.finished:
            raise KeyboardInterrupt


def training_callbacks(settings: TrainingSettings, monitor: TrainingMonitor) -> list[Any]:
    """Return the monitor, the callbacks of the user, and what ends the training.

    Raises
    ------
    TypeError
        If one is not a callback of skorch.
    ValueError
        If one would have no effect.
    """
    callbacks = callbacks_of_fit(settings.callbacks)
    for item in callbacks:
        callback = item[1] if isinstance(item, tuple) else item
        if isinstance(callback, LRScheduler):
            raise ValueError(
                "callbacks must not hold an LRScheduler: it would have no effect, because "
                "ForgeryEmbedder sets the learning rate of every step. Use the parameter lr."
            )
    last = ("stop_when_finished", StopWhenFinished(monitor.progress))
    return [("monitor", monitor), *callbacks, last]


def train_epochs(
    net: NeuralNet, train: EpochBatches, n_epochs: int, monitor: TrainingMonitor
) -> None:
    """Train for some epochs, or until a callback stops the training at the end of an epoch."""
    net.notify("on_train_begin", X=train, y=None)
    try:
        net.fit_loop(train, epochs=n_epochs)
    except KeyboardInterrupt:
        if not monitor.epoch_closed:  # Ctrl-C
            raise
    net.notify("on_train_end", X=train, y=None)
