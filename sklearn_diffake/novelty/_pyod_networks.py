"""Make PyOD's detectors with a network reproducible, and store them without torch objects."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import sys
from collections.abc import Iterator
from inspect import signature
from typing import Any

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray

from sklearn_diffake.utils._device import SHARED_GENERATORS
from sklearn_diffake.utils._threads import one_thread, torch_threads

# Supported detectors with a network, and the attribute that holds it.
NETWORKS = {
    "pyod.models.auto_encoder.AutoEncoder": "model",
    "pyod.models.deep_svdd.DeepSVDD": "model_",
    "pyod.models.lunar.LUNAR": "network",
    "pyod.models.vae.VAE": "model",
}


def name_of(detector: Any) -> str:
    """Return the full name of a detector's type."""
    return f"{type(detector).__module__}.{type(detector).__qualname__}"


@contextlib.contextmanager
def own_randomness(seed: int | None = None) -> Iterator[None]:
    """Reserve the global generators for one detector at a time, and restore them afterwards.

    Parameters
    ----------
    seed : int or None, default=None
        Seed of numpy's, Python's and (if it is loaded) torch's generator within the block. None
        does not seed them.

    Notes
    -----
    Within the block, OpenMP and torch use one thread, for a fixed order of sums, and joblib runs
    sequentially. Otherwise a dask worker that waits for subtasks could start another task, which
    would wait for the end of this block.
    """
    torch: Any = sys.modules.get("torch")
    with contextlib.ExitStack() as stack:
        stack.enter_context(SHARED_GENERATORS)
        stack.enter_context(one_thread("openmp"))
        stack.enter_context(parallel_config("sequential"))
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        stack.callback(random.setstate, random.getstate())
        stack.callback(_restore_hash_seed, os.environ.get("PYTHONHASHSEED"))
        if torch is not None:
            devices = range(torch.cuda.device_count())
            stack.enter_context(torch.random.fork_rng(devices=devices))
            stack.enter_context(torch_threads(1))
        if seed is not None:
            np.random.seed(seed)  # noqa: NPY002
            random.seed(seed)
            if torch is not None:
                torch.manual_seed(seed)
        yield


def _restore_hash_seed(value: str | None) -> None:
    """Undo a change of the environment by constructors of PyOD."""
    os.environ.pop("PYTHONHASHSEED", None)
    if value is not None:
        os.environ["PYTHONHASHSEED"] = value


def fit_network(detector: Any, X: NDArray[np.float64]) -> None:
    """Fit a detector with a network such that scores are independent and reproducible."""

    def first_scores(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        del detector.decision_function  # restore the method of the class
        _score_in_float64(detector)
        return detector.decision_function(rows)

    if name_of(detector).endswith(".LUNAR"):
        detector.fit(X)
        _score_in_float64(detector)
        detector.decision_scores_ = _lunar_scores_of_training_rows(detector, X)
        detector._process_decision_scores()
    else:
        detector.decision_function = first_scores  # called at the end of fit
        detector.fit(X)


def _score_in_float64(detector: Any) -> None:
    """Convert a trained network to float64: in float32, scores depend on the batch."""
    attribute = NETWORKS[name_of(detector)]
    network = getattr(detector, attribute)
    network = getattr(network, "_orig_mod", network)  # unwrap torch.compile
    setattr(detector, attribute, network)
    if next(network.parameters()).device.type != "mps":  # mps has no float64
        network.double()
        network.register_forward_pre_hook(_to_float64)
    if hasattr(network, "reparameterize"):  # a variational network scores by a random draw
        network.reparameterize = _mean_of_latent


def _to_float64(network: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(tensor.double() for tensor in inputs)


def _mean_of_latent(mean: Any, logvar: Any) -> Any:
    return mean


def _lunar_scores_of_training_rows(detector: Any, X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score each training row by its neighbors without itself."""
    import torch

    Z = X.astype(np.float32)
    Z = Z if detector.scaler_ is None else detector.scaler_.transform(Z)
    distances, nearest = detector.neigh.kneighbors(Z, detector.n_neighbours + 1)
    is_self = (detector.neigh._fit_X[nearest[:, 0]] == Z).all(axis=1)  # False for held-out rows
    distances = np.where(is_self[:, None], distances[:, 1:], distances[:, :-1])
    with torch.no_grad():
        scores = detector.network(torch.tensor(distances, dtype=torch.float32).to(detector.device))
    return scores.cpu().numpy().ravel()


def pack(detector: Any) -> dict[str, Any]:
    """Convert a detector with a network, fitted or not, to values without torch or PyOD objects."""
    import torch

    params = detector.get_params(deep=False)
    saved_params = {  # PyOD replaces None by a device
        key: None if isinstance(value, torch.device) else value for key, value in params.items()
    }
    packed: dict[str, Any] = {"pyod": name_of(detector), "params": saved_params}
    if not hasattr(detector, "decision_scores_"):
        return packed
    packed.update(state={}, tensors={})
    network = getattr(detector, NETWORKS[name_of(detector)])
    packed["weights"] = {key: t.cpu().numpy() for key, t in network.state_dict().items()}
    for key, value in vars(detector).items():
        if isinstance(value, torch.Tensor):
            packed["tensors"][key] = value.cpu().numpy()
        elif key not in params and key != "best_model_dict" and not _is_torch(value):
            packed["state"][key] = value
    return packed


def _is_torch(value: Any) -> bool:
    """Return whether only training needs it: networks, optimizers, criteria, loss functions."""
    return type(value).__module__.partition(".")[0] == "torch" or callable(value)


def unpack(packed: dict[str, Any]) -> Any:
    """Create the detector from the result of `pack`.

    Raises
    ------
    ValueError
        If the detector is not supported; other types are never imported.
    """
    if packed["pyod"] not in NETWORKS:
        raise ValueError(f"{packed['pyod']!r} is not one of {sorted(NETWORKS)}.")
    module, _, name = packed["pyod"].rpartition(".")
    detector_type = getattr(importlib.import_module(module), name)
    with own_randomness():  # constructors seed global generators, networks draw initial weights
        detector = detector_type(**packed["params"])
        if "weights" in packed:
            _restore(detector, packed)
    return detector


def _restore(detector: Any, packed: dict[str, Any]) -> None:
    """Set the fitted state of a new detector from the packed one."""
    import torch

    for name in (*packed["state"], *packed["tensors"]):
        if name.startswith("__") or hasattr(type(detector), name):
            raise ValueError(f"{packed['pyod']} has no attribute {name!r} that is fitted")
    vars(detector).update(packed["state"])
    vars(detector).update({key: torch.from_numpy(a) for key, a in packed["tensors"].items()})
    if name_of(detector).endswith(".DeepSVDD"):
        from pyod.models.deep_svdd import InnerDeepSVDD

        options = {name: getattr(detector, name) for name in signature(InnerDeepSVDD).parameters}
        detector.model_ = InnerDeepSVDD(**options)
    elif hasattr(detector, "build_model"):
        detector.build_model()
    network = getattr(detector, NETWORKS[name_of(detector)])
    network.to(getattr(detector, "device", "cpu"))
    _score_in_float64(detector)
    network.load_state_dict({k: torch.from_numpy(a) for k, a in packed["weights"].items()})
