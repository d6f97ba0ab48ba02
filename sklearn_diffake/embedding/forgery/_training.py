"""How a face network learns to distinguish real crops from pseudo-deepfakes.

Loads torch and skorch. skorch's EpochScoring does not fit: it cannot score averaged weights, which
belong to no epoch.
"""

from __future__ import annotations

import copy
import hashlib
import logging
import multiprocessing
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from skorch import NeuralNet
from skorch.helper import predefined_split
from torch import nn

from sklearn_diffake.embedding.backbones._base import Backbone
from sklearn_diffake.embedding.backbones._torch import module_arrays, normalized
from sklearn_diffake.embedding.backbones._weights import (
    join_classifier,
    split_classifier,
)
from sklearn_diffake.embedding.forgery._checkpoint import (
    Checkpoint,
    Progress,
    State,
    TrainingSettings,
)
from sklearn_diffake.embedding.forgery._crops import (
    BatchLoader,
    EpochBatches,
    FakeDataset,
    GenuineCrops,
)
from sklearn_diffake.embedding.forgery._monitor import (
    TrainingMonitor,
    train_epochs,
    training_callbacks,
)
from sklearn_diffake.embedding.forgery._sam import SAM, batch_norms
from sklearn_diffake.utils._callbacks import restore_history
from sklearn_diffake.utils._device import seeded
from sklearn_diffake.utils._progress import log_step, progress_bar

_logger = logging.getLogger(__name__)
#: Positions of the crops to train and to validate on.
Split = tuple[NDArray[np.intp], NDArray[np.intp]]


class TrainedNetwork(NamedTuple):
    """The result of a training."""

    network: State
    history: list[dict[str, Any]]
    best_epochs: list[int]
    validation_auc: float | None


class ForgeryNet(nn.Module):
    """A backbone with a linear classifier on its features, for uint8 crops.

    Parameters
    ----------
    backbone : Backbone
        Its network is copied.
    precision : torch.dtype or None
        Number format of the backbone's forward pass where that is safe; None is float32.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: Backbone, precision: torch.dtype | None) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone.module).requires_grad_(True)
        # Checkpoints name its momentum by the name of this attribute.
        self.head = nn.utils.skip_init(nn.Linear, backbone.width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        for name in ("mean", "std"):
            value = torch.tensor(getattr(backbone, name)) * 255
            self.register_buffer(name, value, persistent=False)
        self.precision = precision

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return the logit of being real for crops of shape (b, S, S, 3), uint8."""
        x = normalized(crops, self.mean, self.std)
        with torch.autocast(crops.device.type, self.precision, enabled=self.precision is not None):
            features = self.backbone(x)
        return self.head(features.float()).squeeze(1)

    def arrays(self) -> State:
        """Copy all weights; the names of the classifier's have a prefix."""
        return join_classifier(module_arrays(self.backbone), module_arrays(self.head))

    def load(self, arrays: State) -> None:
        """Load weights that `arrays` returned."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        features, classifier = split_classifier(tensors)
        self.backbone.load_state_dict(features)
        self.head.load_state_dict(classifier)


class RealOrFakeLoss(nn.BCEWithLogitsLoss):
    """The classification loss, which collects logits and targets in validation."""

    def __init__(self) -> None:
        super().__init__()
        self.validation_batches: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over a batch."""
        if not self.training:
            self.validation_batches.append((input.detach(), target))
        return super().forward(input, target)

    def pop_auc(self) -> float:
        """Return the ROC-AUC of the collected logits, and delete them; 0 if any is not finite."""
        columns = zip(*self.validation_batches, strict=True)
        logits, targets = (torch.cat(column).cpu().numpy() for column in columns)
        self.validation_batches.clear()
        if not np.isfinite(logits).all():
            return 0.0
        return float(roc_auc_score(targets, logits))


def train_network(
    settings: TrainingSettings,
    backbone: Backbone,
    classifier: State,
    crops: GenuineCrops,
    split: Split,
    earlier_epochs: Sequence[Mapping[str, Any]] = (),
) -> TrainedNetwork:
    """Train a copy of a backbone, or resume its training.

    Parameters
    ----------
    settings : TrainingSettings
    backbone : Backbone
        A torch backbone, at the size of the crops.
    classifier : dict of str to ndarray
        Weights of a classifier to continue with; empty for a new one.
    crops : GenuineCrops
    split : (ndarray, ndarray) of intp
        Positions of the crops to train and to validate on.
    earlier_epochs : sequence of dict
        Figures of the epochs in which the given weights were trained before.

    Returns
    -------
    TrainedNetwork
        With the figures of all epochs, the earlier ones included.
    """
    device = settings.device
    checkpoint = open_checkpoint(settings, backbone, classifier, crops, split)
    with seeded(settings.seed, device):
        module = _new_module(settings, backbone, classifier)
        train, valid = _batches(settings, crops, split, _seeds(settings.seed, classifier))
        progress = Progress(settings, checkpoint)
        monitor = TrainingMonitor(progress, train)
        net = _net(settings, module, valid, monitor)
        progress.resume(net)
        restore_history(net, renumbered([*earlier_epochs, *progress.history]))
        n_epochs = 0 if progress.finished else settings.max_epochs - len(progress.history)
        message = "training %s on %d images, %d held out, on %s: %d of %d epochs to go"
        counts = len(split[0]), len(split[1]), device, n_epochs, settings.max_epochs
        log_step(_logger, settings.verbose, message, backbone.name, *counts)
        n_batches = n_epochs * (train.n_batches + (valid.n_batches if valid else 0))
        with progress_bar(
            total=n_batches, desc="ForgeryEmbedder", unit="batch", verbose=settings.verbose
        ) as monitor.bar:
            train_epochs(net, train, n_epochs, monitor)
            network, best_epochs, auc = _best_network(progress, net, valid)
        history = renumbered([*earlier_epochs, *progress.history])
        best_epochs = [epoch + len(earlier_epochs) for epoch in best_epochs]
        return TrainedNetwork(network, history, best_epochs, auc)


def renumbered(epochs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Copy the figures of epochs, numbered from 1."""
    return [{**figures, "epoch": number} for number, figures in enumerate(epochs, start=1)]


def open_checkpoint(
    settings: TrainingSettings,
    backbone: Backbone,
    classifier: State,
    crops: GenuineCrops,
    split: Split,
) -> Checkpoint:
    """Open the folder `checkpoint_dir` for one training and no other."""
    weights = hashlib.blake2b(backbone.fingerprint.encode(), digest_size=8)
    images = hashlib.blake2b(np.ascontiguousarray(crops.images).data, digest_size=8)
    for name, array in sorted(classifier.items()):
        weights.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for numbers in (crops.people, *split):
        images.update(np.ascontiguousarray(numbers).tobytes())
    decisive = settings.decisive()
    decisive |= {"backbone": backbone.name, "input_size": backbone.input_size[0]}
    decisive |= {"first weights": weights.hexdigest(), "genuine images": images.hexdigest()}
    return Checkpoint(settings.checkpoint_dir, decisive, describe(backbone))


def describe(backbone: Backbone) -> dict[str, str]:
    """Return the metadata of a file with the weights of a trained network."""
    return {"backbone": backbone.name, "input_size": str(backbone.input_size[0])}


def _new_module(settings: TrainingSettings, backbone: Backbone, classifier: State) -> ForgeryNet:
    precision = None
    if settings.dtype != "float32":
        precision = torch.bfloat16  # float16 would overflow without a scale for the loss
    module = ForgeryNet(backbone, precision)
    if classifier:
        module.load({**module.arrays(), **classifier})
    return module


def _seeds(seed: int, classifier: State) -> list[int]:
    """Return the seeds of the fakes to train on, of those to validate on, and of the order.

    A training that continues from a trained classifier gets other fakes than the one before.
    """
    train, valid, order = np.random.SeedSequence(seed).generate_state(3).tolist()
    if classifier:
        checksum = zlib.crc32(b"".join(classifier[name].tobytes() for name in sorted(classifier)))
        train, order = np.random.SeedSequence([seed, checksum]).generate_state(2).tolist()
    return [train, valid, order]


def _batches(
    settings: TrainingSettings, crops: GenuineCrops, split: Split, seeds: list[int]
) -> tuple[EpochBatches, EpochBatches | None]:
    """Return the batches to train and to validate on; no person is in both."""
    from sklearn_diffake.generation import PseudoDeepfakeDataset

    datasets = {
        name: PseudoDeepfakeDataset(
            [crops.images[row] for row in rows],  # not copied
            techniques=settings.techniques,
            identity=crops.people[rows],
            landmarks=settings.landmarks,
            margin=settings.margin,
            augment=settings.augment,
            blending=settings.blending,
            match_sharpness=settings.match_sharpness,
            seed=seed,
        )
        for name, rows, seed in zip(("train", "valid"), split, seeds, strict=False)
        if len(rows)
    }
    n_processes = 0 if settings.n_jobs is None else effective_n_jobs(settings.n_jobs)
    if multiprocessing.current_process().daemon:
        n_processes = 0  # a daemon must not have children
    pin_memory = settings.device.startswith("cuda")
    loader = BatchLoader(FakeDataset(datasets), n_processes, pin_memory=pin_memory)
    n_train, n_valid = (len(rows) for rows in split)
    n_per_epoch = min(n_train, settings.images_per_epoch or n_train)
    train = EpochBatches(loader, "train", n_train, settings.batch_size, seeds[2], n_per_epoch)
    if not n_valid:
        return train, None
    return train, EpochBatches(loader, "valid", n_valid, settings.batch_size, None)


def _net(
    settings: TrainingSettings,
    module: nn.Module,
    valid: EpochBatches | None,
    monitor: TrainingMonitor,
) -> NeuralNet:
    return NeuralNet(
        module,
        RealOrFakeLoss(),
        optimizer=SAM,
        optimizer__momentum=settings.momentum,
        optimizer__weight_decay=settings.weight_decay,
        optimizer__rho=settings.rho,
        optimizer__batch_norms=batch_norms(module),
        lr=settings.lr,
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_size,
        iterator_train=EpochBatches.as_iterator,
        iterator_valid=EpochBatches.as_iterator,
        train_split=None if valid is None else predefined_split(valid),
        callbacks=training_callbacks(settings, monitor),
        callbacks__print_log=None,
        device=settings.device,
        verbose=0,
    ).initialize()


def validate(net: NeuralNet, valid: EpochBatches) -> float:
    """Return the ROC-AUC of a net on the validation images."""
    for crops, target in valid:
        net.criterion_(net.evaluation_step((crops, target)), target.to(net.device))
    return net.criterion_.pop_auc()


def _best_network(
    progress: Progress, net: NeuralNet, valid: EpochBatches | None
) -> tuple[State, list[int], float | None]:
    """Choose between the best epoch and the average of the best ones, by validation."""
    history, best = progress.history, progress.best_epochs()
    if valid is None:
        return progress.networks[len(history)], [len(history)], None
    network, auc = progress.networks[best[0]], history[best[0] - 1]["valid_auc"]
    if len(best) == 1:
        return network, best, auc
    means = {
        name: np.mean([progress.networks[e][name] for e in best], axis=0, dtype=np.float64)
        for name in network
    }
    average: State = {
        name: np.asarray(mean, dtype=network[name].dtype) for name, mean in means.items()
    }
    net.module_.load(average)
    average_auc = validate(net, valid)
    if average_auc < auc:
        return network, best[:1], auc
    return average, best, average_auc
