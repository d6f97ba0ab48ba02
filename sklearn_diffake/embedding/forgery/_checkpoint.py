"""State of a training: its settings, its epochs, and the folder that keeps them.

The folder holds safetensors and JSON, never pickle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.utils._atomic_files import atomic_write, private_folder
from sklearn_diffake.utils._checksums import verify_checksum, with_checksum

State = dict[str, NDArray[Any]]

_FORMAT = 2
_COMMIT = "checkpoint.json"
#: Settings that folders of release 0.1 do not state, with the values that applied then.
_ADDED = {"blending": "rgb", "match_sharpness": 0.0, "images_per_epoch": None}
#: Name of the setting that holds the seed.
SEED = "seed drawn from random_state"
# Settings that do not change the result: they may differ when a training is resumed.
_NOT_DECISIVE = {"device", "checkpoint_dir", "callbacks", "n_jobs", "verbose"}


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training: the parameters of `ForgeryEmbedder` that it reads, device and seed.

    Attributes
    ----------
    device : str
        Where to compute.
    seed : int
        Draws the order of the images and the fakes.
    techniques, landmarks, ..., verbose
        Parameters of `ForgeryEmbedder`, of the same names.
    """

    device: str
    seed: int
    techniques: Any
    landmarks: str
    margin: float
    augment: bool | str
    blending: str
    match_sharpness: float
    max_epochs: int
    images_per_epoch: int | None
    batch_size: int
    lr: float
    momentum: float
    rho: float
    weight_decay: float
    validation_fraction: float
    early_stopping: bool
    n_iter_no_change: int
    n_best: int
    dtype: str
    checkpoint_dir: Any
    callbacks: list[Any] | None
    n_jobs: int | None
    verbose: int

    @classmethod
    def from_parameters(cls, estimator: Any, *, device: str, seed: int) -> TrainingSettings:
        """Copy the parameters of an estimator."""
        names = [f.name for f in fields(cls) if f.name not in ("device", "seed")]
        parameters = {name: getattr(estimator, name) for name in names}
        return cls(device=device, seed=seed, **parameters)

    def decisive(self) -> dict[str, Any]:
        """Return the settings that decide the result, as plain values."""
        names = [f.name for f in fields(self) if f.name not in _NOT_DECISIVE]
        return {SEED if name == "seed" else name: _plain(getattr(self, name)) for name in names}


class Checkpoint:
    """A folder with the latest state of one training.

    ``epoch-0007.safetensors`` holds the network (a file that `ForgeryEmbedder` takes as
    `weights`), ``momentum-0007.safetensors`` the optimizer, ``checkpoint.json`` names the valid
    files, under a checksum. That last file is replaced atomically after the others, so that
    whenever the process is killed, the folder holds the state of one epoch or of the next.

    Parameters
    ----------
    folder : str, Path or None
        None saves nothing.
    settings : dict
        Plain values on which the result depends; a folder with others is refused.
    metadata : dict of str to str
        Written into the files of the network.
    """

    def __init__(self, folder: Any, settings: dict[str, Any], metadata: dict[str, str]) -> None:
        self.folder = None if folder is None else Path(folder).expanduser().absolute()
        self.settings = json.loads(json.dumps(settings))
        self.metadata = metadata

    def load(self) -> dict[str, Any] | None:
        """Return the arguments of the last `save`, with the arrays of all its networks, or None.

        Raises
        ------
        ValueError
            If the folder holds another training, or is damaged.
        """
        if self.folder is None or not (self.folder / _COMMIT).exists():
            return None
        try:
            content = json.loads((self.folder / _COMMIT).read_text(encoding="utf-8"))
            settings, epoch = {"format": content["format"], **content["settings"]}, content["epoch"]
            settings = {k: v for k, v in _ADDED.items() if k in self.settings} | settings
            if settings["format"] == _FORMAT and content.pop("checksum") != _checksum(content):
                raise ValueError("its checksum is another")
            if any(type(e) is not int or e < 0 for e in (epoch, *content["best"])):
                raise ValueError("it names an epoch that is no number")  # part of a file name
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(_COMMIT, error) from error
        self._compare(settings)
        content["networks"] = {e: self._read(_network(e)) for e in {epoch, *content["best"]}}
        content["momentum"] = self._read(_momentum(epoch))
        return content

    def save(
        self, epoch: int, network: State, momentum: State, best: list[int], **record: Any
    ) -> None:
        """Save the state after an epoch, and keep the networks of the epochs in `best`.

        Parameters
        ----------
        epoch : int
            Number of completed epochs.
        network, momentum : dict of str to ndarray
        best : list of int
            Earlier epochs whose networks are kept.
        **record : dict
            Further plain values.
        """
        if self.folder is None:
            return
        private_folder(self.folder)
        self._write(_network(epoch), network)
        self._write(_momentum(epoch), momentum)
        content = {"format": _FORMAT, "epoch": epoch, "best": best, **record}
        content = json.loads(json.dumps({**content, "settings": self.settings}))
        content["checksum"] = _checksum(content)
        atomic_write(self.folder / _COMMIT, json.dumps(content, indent=1).encode())
        current_files = {_network(e) for e in {epoch, *best}} | {_momentum(epoch)}
        for kind in ("epoch-*", "momentum-*"):
            for file in self.folder.glob(f"{kind}.safetensors"):
                if file.name not in current_files:
                    file.unlink(missing_ok=True)

    def describe(self, epoch: int) -> str:
        """Return a sentence on where the weights after an epoch are."""
        if self.folder is None:
            return "nothing was kept, since checkpoint_dir=None."
        return (
            f"the weights after epoch {epoch} are kept in {str(self.folder / _network(epoch))!r}."
        )

    def _compare(self, stored: dict[str, Any]) -> None:
        """Raise ValueError if the settings in the folder differ from those of this training."""
        expected = {"format": _FORMAT, **self.settings}
        differences = [
            f"{name}={_short(stored.get(name))} there, {_short(expected.get(name))} here"
            for name in {**expected, **stored}
            if stored.get(name) != expected.get(name)
        ]
        if differences:
            raise ValueError(
                f"checkpoint_dir={str(self.folder)!r} holds another training, which cannot be "
                f"resumed with these settings: {'; '.join(differences)}. Restore them, or choose "
                "another folder."
            )

    def _read(self, name: str) -> State:
        from safetensors import SafetensorError
        from safetensors.numpy import load

        assert self.folder is not None
        try:
            content = (self.folder / name).read_bytes()
            verify_checksum(content)
            return load(content)
        except (OSError, ValueError, SafetensorError) as error:
            raise self._damaged(name, error) from error

    def _write(self, name: str, arrays: State) -> None:
        assert self.folder is not None
        write_network(self.folder / name, arrays, self.metadata)

    def _damaged(self, name: str, error: Exception) -> ValueError:
        return ValueError(
            f"checkpoint_dir={str(self.folder)!r} is damaged: {name} cannot be read ({error}). "
            "Remove the folder to train from the start."
        )


class Progress:
    """The completed epochs of a training, and the state from which it is resumed.

    Parameters
    ----------
    settings : TrainingSettings
    checkpoint : Checkpoint

    Attributes
    ----------
    history : list of dict
        Per epoch: `epoch`, `train_loss`, `valid_loss`, `valid_auc`, `lr`.
    networks : dict of int to State
        Weights after the latest and after the best epochs.
    """

    def __init__(self, settings: TrainingSettings, checkpoint: Checkpoint) -> None:
        self.settings, self.checkpoint = settings, checkpoint
        self.history: list[dict[str, Any]] = []
        self.networks: dict[int, State] = {}

    @property
    def epoch(self) -> int:
        """Number of the present epoch, from 1."""
        return len(self.history) + 1

    @property
    def finished(self) -> bool:
        """Whether all epochs are complete, or early stopping ends the training.

        This depends on the history alone, so that a resumed training stops in the same epoch.
        skorch's EarlyStopping counts in a state of its own, which a checkpoint does not hold.
        """
        n_epochs, patience = len(self.history), self.settings.n_iter_no_change
        if n_epochs >= self.settings.max_epochs:
            return True
        if not (n_epochs and self.settings.early_stopping) or self.history[0]["valid_auc"] is None:
            return False
        best = max(self.history, key=lambda figures: figures["valid_auc"])
        return n_epochs - best["epoch"] >= patience

    def best_epochs(self) -> list[int]:
        """Return the epochs of highest validation AUC, the best first; ties go by the loss."""
        ranked = sorted(
            (f for f in self.history if f["valid_auc"] is not None),
            key=lambda f: (-f["valid_auc"], f["valid_loss"]),
        )
        return [figures["epoch"] for figures in ranked[: self.settings.n_best]]

    def resume(self, net: Any) -> None:
        """Restore the state of the checkpoint; without a checkpoint, save the first weights.

        Parameters
        ----------
        net : skorch.NeuralNet
            Initialized; its module is a `ForgeryNet`.
        """
        content = self.checkpoint.load()
        if content is None:
            self.networks = {0: net.module_.arrays()}
            self._save(net)
            return
        import torch

        self.history, self.networks = content["history"], content["networks"]
        net.module_.load(self.networks[len(self.history)])
        for name, parameter in net.module_.named_parameters():
            if name in content["momentum"]:
                buffer = torch.empty_like(parameter)
                buffer.copy_(torch.from_numpy(content["momentum"][name]))
                net.optimizer_.state[parameter]["momentum_buffer"] = buffer

    def close_epoch(self, net: Any) -> dict[str, Any]:
        """Save the weights and the figures of an epoch that has ended, and return the figures."""
        row = net.history[-1]
        network = net.module_.arrays()
        if not all(np.isfinite(array).all() for array in network.values()):
            self.fail("The weights became NaN or infinite in")
        if not np.isfinite(row.get("valid_loss", 0.0)):
            self.fail(f"The validation loss became {row['valid_loss']} in")
        auc = net.criterion_.pop_auc() if "valid_loss" in row else None
        figures = {
            "epoch": self.epoch,
            "train_loss": float(row["train_loss"]),
            "valid_loss": None if auc is None else float(row["valid_loss"]),
            "valid_auc": auc,
            "lr": float(net.optimizer_.param_groups[0]["lr"]),
        }
        self.history.append(figures)
        self.networks[len(self.history)] = network
        epochs = {len(self.history), *self.best_epochs()}
        self.networks = {e: network for e, network in self.networks.items() if e in epochs}
        self._save(net)
        return figures

    def fail(self, problem: str) -> NoReturn:
        """Raise RuntimeError, with the location of the last good weights.

        Parameters
        ----------
        problem : str
            Beginning of a sentence that ends with the number of the epoch.
        """
        raise RuntimeError(
            f"{problem} epoch {self.epoch}. Reduce lr={self.settings.lr:g}, or look for damaged "
            f"images in X; {self.checkpoint.describe(len(self.history))}"
        )

    def _save(self, net: Any) -> None:
        state = net.optimizer_.state
        momentum = {
            name: state[parameter]["momentum_buffer"].detach().cpu().numpy()
            for name, parameter in net.module_.named_parameters()
            if state.get(parameter, {}).get("momentum_buffer") is not None
        }
        self.checkpoint.save(
            len(self.history),
            self.networks[len(self.history)],
            momentum,
            self.best_epochs(),
            history=self.history,
        )


def stored_seed(folder: Any) -> int | None:
    """Return the seed of the training in a folder, or None if it holds no training."""
    try:
        content = json.loads((Path(folder).expanduser() / _COMMIT).read_text(encoding="utf-8"))
        return int(content["settings"][SEED])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a damaged file is reported when it is loaded


def write_network(file: Path, arrays: State, metadata: dict[str, str]) -> None:
    """Write arrays to a .safetensors file with a checksum, atomically."""
    atomic_write(file, with_checksum(arrays, metadata))


def _checksum(content: dict[str, Any]) -> str:
    """Return a checksum of plain values that were read from JSON or converted by it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _network(epoch: int) -> str:
    return f"epoch-{epoch:04}.safetensors"


def _momentum(epoch: int) -> str:
    return f"momentum-{epoch:04}.safetensors"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it; other objects by their text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
