"""How a face network learns to tell real crops from pseudo-deepfakes. Loads torch and skorch."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import logging
import math
import multiprocessing
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from joblib import effective_n_jobs
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.helper import predefined_split
from torch import nn

from ..utils._progress import log_step, progress_bar
from ..utils._seeded import seeded
from ._forgery_checkpoint import SEED, Checkpoint, State
from ._forgery_data import GenuineCrops
from ._forgery_feed import Fakes, Feed, Part
from ._forgery_progress import Progress, validate
from ._forgery_sam import SAM, batch_norms
from .backbones._backbone import Backbone
from .backbones._torch import module_arrays, normalized
from .backbones._torch_weights import HEAD

if TYPE_CHECKING:
    from ._forgery_embedder import ForgeryEmbedder

_logger = logging.getLogger(__name__)
#: Parameters of the estimator that decide what is learned; a training is resumed with the same.
_DECISIVE = (
    "techniques",
    "landmarks",
    "margin",
    "augment",
    "blending",
    "match_sharpness",
    "max_epochs",
    "images_per_epoch",
    "batch_size",
    "lr",
    "momentum",
    "rho",
    "weight_decay",
    "validation_fraction",
    "early_stopping",
    "n_iter_no_change",
    "n_best",
    "dtype",
)


class Learned(NamedTuple):
    """What is left of a training."""

    network: State
    history: list[dict[str, Any]]
    best_epochs: list[int]
    validation_auc: float | None


class ForgeryNet(nn.Module):
    """A backbone with a linear classifier on its features, fed with uint8 crops.

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
        """Copy all weights; those of the classifier are marked by `HEAD`."""
        head = {HEAD + name: array for name, array in module_arrays(self.head).items()}
        return {**module_arrays(self.backbone), **head}

    def load(self, arrays: State) -> None:
        """Take over weights that `arrays` returned."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in arrays.items()}
        head = {n.removeprefix(HEAD): t for n, t in tensors.items() if n.startswith(HEAD)}
        self.backbone.load_state_dict({n: t for n, t in tensors.items() if not n.startswith(HEAD)})
        self.head.load_state_dict(head)


class RealOrFake(nn.BCEWithLogitsLoss):
    """The classification loss, which remembers the logits it has seen in validation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean over a batch."""
        if not self.training:
            self.seen.append((input.detach(), target))
        return super().forward(input, target)


def learn(
    estimator: ForgeryEmbedder,
    backbone: Backbone,
    first: State,
    crops: GenuineCrops,
    split: tuple[NDArray[np.intp], NDArray[np.intp]],
    device: str,
    seed: int,
) -> Learned:
    """Train a copy of a backbone with the settings of an estimator, or resume doing so.

    Parameters
    ----------
    estimator : ForgeryEmbedder
        Its parameters are read.
    backbone : Backbone
        A torch backbone, at the size of the crops.
    first : dict of str to ndarray
        Weights of a classifier to go on from; empty for a new one.
    crops : GenuineCrops
    split : (ndarray, ndarray) of intp
        Positions of the crops to train and to validate on.
    device : str
    seed : int
        Of the order of the images and of the fakes.

    Returns
    -------
    Learned
    """
    precision = None
    if estimator.dtype != "float32":
        precision = torch.bfloat16  # float16 would overflow without a scale for the loss
    checkpoint = open_checkpoint(estimator, backbone, first, crops, split, seed)
    with seeded(seed, device):
        module = ForgeryNet(backbone, precision)
        if first:
            module.load({**module.arrays(), **first})
        feed, train, valid = _feed(estimator, crops, split, device, _seeds(seed, first))
        progress = Progress(estimator, checkpoint)
        watch = Watch(progress, feed, train, seed)
        net = _net(estimator, module, valid, watch, device)
        progress.resume(net)
        left = 0 if progress.finished else estimator.max_epochs - len(progress.history)
        said = "training %s on %d images, %d held out, on %s: %d of %d epochs to go"
        counts = len(split[0]), len(split[1]), device, left, estimator.max_epochs
        log_step(_logger, estimator.verbose, said, backbone.name, *counts)
        n_batches = left * (train.n_batches + (valid.n_batches if valid else 0))
        with progress_bar(
            total=n_batches, desc="ForgeryEmbedder", unit="batch", verbose=estimator.verbose
        ) as watch.bar:
            with contextlib.suppress(_Finished):
                net.fit_loop(train, epochs=left)
            return Learned(*_result(progress, net, valid))


class _Finished(Exception):
    """Training has come to its end before its last epoch."""


class Watch(Callback):
    """Sets the learning rate, looks at every loss, and closes every epoch.

    Parameters
    ----------
    progress : Progress
    feed : Feed
    train : Part
    seed : int
        Of torch's own generators, from which layers such as dropout draw.

    Attributes
    ----------
    bar : tqdm.tqdm
        Set when the number of steps is known.
    """

    bar: Any

    def __init__(self, progress: Progress, feed: Feed, train: Part, seed: int) -> None:
        self.progress, self.feed, self.train = progress, feed, train
        self.seed, self.step = seed, 0

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        """Give the epoch its own order, fakes and random numbers."""
        epoch = self.train.epoch = self.progress.epoch
        self.step = (epoch - 1) * self.train.n_batches
        torch.manual_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **_: Any) -> None:
        """Set the learning rate of the step."""
        if training:
            n_steps = net.max_epochs * self.train.n_batches
            for group in net.optimizer_.param_groups:
                group["lr"] = net.lr * min(1.0, (n_steps - self.step) / (n_steps / 4))
            self.step += 1

    def on_batch_end(self, net: NeuralNet, training: bool = False, **_: Any) -> None:
        """Stop at a loss that is no number."""
        if training:
            loss = net.history[-1, "batches", -1, "train_loss"]
            if not math.isfinite(loss):
                done = (self.step - 1) % self.train.n_batches + 1
                self.progress.fail(f"The loss became {loss} in step {done} of")
        self.bar.update()

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Note the epoch's figures and keep its weights."""
        figures = self.progress.close_epoch(net)
        shown = {"epoch": figures["epoch"], "loss": f"{figures['train_loss']:.3g}"}
        if figures["valid_auc"] is not None:
            shown["AUC"] = f"{figures['valid_auc']:.4f}"
        said = ", ".join(f"{name} {value}" for name, value in shown.items())
        log_step(_logger, self.progress.estimator.verbose, "%s of %d", said, net.max_epochs)
        self.bar.set_postfix(**shown, waiting=f"{self.feed.waiting:.0%}")
        if self.progress.finished:
            raise _Finished


def open_checkpoint(
    estimator: ForgeryEmbedder,
    backbone: Backbone,
    first: State,
    crops: GenuineCrops,
    split: tuple[NDArray[np.intp], NDArray[np.intp]],
    seed: int,
) -> Checkpoint:
    """Open the folder of `checkpoint_dir` for one training and no other."""
    weights = hashlib.blake2b(backbone.fingerprint.encode(), digest_size=8)
    images = hashlib.blake2b(np.ascontiguousarray(crops.images).data, digest_size=8)
    for name, array in sorted(first.items()):
        weights.update(name.encode() + np.ascontiguousarray(array).tobytes())
    for numbers in (crops.people, *split):
        images.update(np.ascontiguousarray(numbers).tobytes())
    settings = {name: _plain(getattr(estimator, name)) for name in _DECISIVE}
    settings |= {"backbone": backbone.name, "input_size": backbone.input_size[0], SEED: seed}
    settings |= {"first weights": weights.hexdigest(), "genuine images": images.hexdigest()}
    return Checkpoint(estimator.checkpoint_dir, settings, describe(backbone))


def describe(backbone: Backbone) -> dict[str, str]:
    """Return what a file with the weights of a trained network says about them."""
    return {"backbone": backbone.name, "input_size": str(backbone.input_size[0])}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def _seeds(seed: int, first: State) -> list[int]:
    """Return the seeds of fakes to train on, of those to validate on, and of the order.

    A training that goes on from a trained classifier sees other fakes than the training before.
    """
    train, valid, order = np.random.SeedSequence(seed).generate_state(3).tolist()
    if first:
        known = zlib.crc32(b"".join(first[name].tobytes() for name in sorted(first)))
        train, order = np.random.SeedSequence([seed, known]).generate_state(2).tolist()
    return [train, valid, order]


def _feed(
    estimator: ForgeryEmbedder,
    crops: GenuineCrops,
    split: tuple[NDArray[np.intp], NDArray[np.intp]],
    device: str,
    seeds: list[int],
) -> tuple[Feed, Part, Part | None]:
    """Set up what makes the fakes; nobody's crops are seen by both parts."""
    from ..generation import PseudoDeepfakeDataset

    data = {
        name: PseudoDeepfakeDataset(
            [crops.images[row] for row in rows],  # not copied
            techniques=estimator.techniques,
            identity=crops.people[rows],
            landmarks=estimator.landmarks,
            margin=estimator.margin,
            augment=estimator.augment,
            blending=estimator.blending,
            match_sharpness=estimator.match_sharpness,
            seed=part_seed,
        )
        for name, rows, part_seed in zip(("train", "valid"), split, seeds, strict=False)
        if len(rows)
    }
    n_processes = 0 if estimator.n_jobs is None else effective_n_jobs(estimator.n_jobs)
    if multiprocessing.current_process().daemon:
        n_processes = 0  # a daemon must not have children
    feed = Feed(Fakes(data), n_processes, pin_memory=device.startswith("cuda"))
    sizes = [len(rows) for rows in split]
    shown = min(sizes[0], estimator.images_per_epoch or sizes[0])
    train = Part(feed, "train", sizes[0], estimator.batch_size, seeds[2], shown)
    if not sizes[1]:
        return feed, train, None
    return feed, train, Part(feed, "valid", sizes[1], estimator.batch_size, None)


def _net(
    estimator: ForgeryEmbedder, module: nn.Module, valid: Part | None, watch: Watch, device: str
) -> NeuralNet:
    return NeuralNet(
        module,
        RealOrFake(),
        optimizer=SAM,
        optimizer__momentum=estimator.momentum,
        optimizer__weight_decay=estimator.weight_decay,
        optimizer__rho=estimator.rho,
        optimizer__batch_norms=batch_norms(module),
        lr=estimator.lr,
        max_epochs=estimator.max_epochs,
        batch_size=estimator.batch_size,
        iterator_train=Part.itself,
        iterator_valid=Part.itself,
        train_split=None if valid is None else predefined_split(valid),
        callbacks=[("watch", watch)],
        callbacks__print_log=None,
        device=device,
        verbose=0,
    ).initialize()


def _result(progress: Progress, net: NeuralNet, valid: Part | None) -> tuple[Any, ...]:
    """Choose between the best epoch and the average of the best ones, by validation."""
    history, best = progress.history, progress.best_epochs()
    if valid is None:
        return progress.networks[len(history)], history, [len(history)], None
    chosen, auc = progress.networks[best[0]], history[best[0] - 1]["valid_auc"]
    if len(best) == 1:
        return chosen, history, best, auc
    average = {
        name: np.mean([progress.networks[e][name] for e in best], axis=0, dtype=np.float64)
        for name in chosen
    }
    average = {name: np.asarray(a, dtype=chosen[name].dtype) for name, a in average.items()}
    net.module_.load(average)
    of_average = validate(net, valid)
    if of_average < auc:
        return chosen, history, best[:1], auc
    return average, history, best, of_average
