"""The detectors and loaders that a configuration may name; nothing else is imported by name."""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from sklearn_diffake import datasets, novelty
from sklearn_diffake.benchmark._toml import ConfigError
from sklearn_diffake.utils._messages import nearest
from sklearn_diffake.utils._optional import import_pyod

# Arguments of loaders that a configuration cannot give; with templates a row has several reference
# videos, which splits would have to keep on one side.
_NOT_OFFERED = ("return_X_y", "as_frame", "templates")
_WRAPPERS = ("GenuineOnly", "PyODDetector")  # the detectors of other packages get one anyway
_NOVELTY = tuple(
    n for n in novelty.__all__ if n.endswith(("Detector", "SVDD")) and n not in _WRAPPERS
)
_SKLEARN = {
    "EllipticEnvelope": "covariance",
    "IsolationForest": "ensemble",
    "LocalOutlierFactor": "neighbors",
    "OneClassSVM": "svm",
    "SGDOneClassSVM": "linear_model",
}
_PYOD = {
    "ABOD": "abod",
    "AE1SVM": "ae1svm",
    "ALAD": "alad",
    "AnoGAN": "anogan",
    "AutoEncoder": "auto_encoder",
    "CBLOF": "cblof",
    "CD": "cd",
    "COF": "cof",
    "COPOD": "copod",
    "DIF": "dif",
    "DeepSVDD": "deep_svdd",
    "ECOD": "ecod",
    "FeatureBagging": "feature_bagging",
    "GMM": "gmm",
    "HBOS": "hbos",
    "IForest": "iforest",
    "INNE": "inne",
    "KDE": "kde",
    "KNN": "knn",
    "KPCA": "kpca",
    "LMDD": "lmdd",
    "LOCI": "loci",
    "LODA": "loda",
    "LOF": "lof",
    "LUNAR": "lunar",
    "MCD": "mcd",
    "MO_GAAL": "mo_gaal",
    "OCSVM": "ocsvm",
    "PCA": "pca",
    "QMCD": "qmcd",
    "ROD": "rod",
    "SOD": "sod",
    "SOS": "sos",
    "SO_GAAL": "so_gaal",
    "Sampling": "sampling",
    "VAE": "vae",
}

#: Names of detectors: the package's own, scikit-learn's, and PyOD's with ``pyod.`` before.
DETECTORS = (*_NOVELTY, *_SKLEARN, *(f"pyod.{name}" for name in _PYOD))
#: Names of functions that give datasets.
LOADERS = tuple(n for n in datasets.__all__ if n.startswith(("load_", "fetch_", "make_")))


def detector_name(text: str) -> str:
    """Return the name in `DETECTORS` for another spelling of it.

    Case, hyphens, underscores and "detector" at the end make no difference:
    ``"gaussian-mixture"`` is `GaussianMixtureDetector`.

    Parameters
    ----------
    text : str

    Returns
    -------
    name : str

    Raises
    ------
    ConfigError
        If there is no such detector.
    """
    names = {_plain_name(name): name for name in DETECTORS}
    if _plain_name(text) not in names:
        raise ConfigError(f"{text!r} is no detector; {nearest(text, DETECTORS)}", "name")
    return names[_plain_name(text)]


def _plain_name(text: str) -> str:
    return text.lower().replace("-", "").replace("_", "").removesuffix("detector")


def make_detector(spec: Mapping[str, Any], *, seed: int, device: str) -> Any:
    """Build a one-class detector from its name and parameters.

    scikit-learn's detectors come in a `GenuineOnly`, PyOD's in a `PyODDetector`. A detector that
    has a `random_state` and is given none gets the seed; one whose `device` is "auto" gets the
    device.

    Parameters
    ----------
    spec : mapping
        ``name``, one of `DETECTORS`, and parameters. The string "none" stands for None, and a
        table with a ``name`` for a detector inside this one.
    seed : int
    device : str

    Returns
    -------
    detector : estimator

    Raises
    ------
    ConfigError
        If there is no such detector or parameter, or a parameter has no sensible value.
    """
    params = dict(spec)
    name = params.pop("name", None)
    if not isinstance(name, str) or name not in DETECTORS:
        raise ConfigError(f"{name!r} is no detector; {nearest(str(name), DETECTORS)}", "name")
    common: dict[str, Any] = {"seed": seed, "device": device}
    if name in _NOVELTY:
        return _build(getattr(novelty, name), params, **common)
    wrapper_params = {key: params.pop(key) for key in ("contamination",) if key in params}
    if name in _SKLEARN:
        if name == "LocalOutlierFactor":
            params.setdefault("novelty", True)
        inner = _build(_import(f"sklearn.{_SKLEARN[name]}", name), params, **common)
        return _build(novelty.GenuineOnly, {**wrapper_params, "estimator": inner}, **common)
    plain = name.removeprefix("pyod.")
    inner = _build(_import_pyod(plain), params, **common)
    return _build(novelty.PyODDetector, {**wrapper_params, "detector": inner}, **common)


def _import(module: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ConfigError(f"{name} cannot be imported: {error}", "name") from error


def _import_pyod(name: str) -> Any:
    try:
        return getattr(import_pyod(f"pyod.models.{_PYOD[name]}"), name)
    except ImportError as error:
        raise ConfigError(str(error), "name") from error


def _build(kind: Any, params: dict[str, Any], *, seed: int, device: str) -> Any:
    parameters = inspect.signature(kind).parameters
    values = {}
    for key, value in params.items():
        if key not in parameters:
            problem = f"{kind.__name__} has no such parameter; {nearest(key, parameters)}"
            raise ConfigError(problem, key)
        try:
            values[key] = _value(value, seed=seed, device=device)
        except ConfigError as error:
            raise ConfigError(error.problem, f"{key}.{error.key}") from error
    if "random_state" in parameters:
        values.setdefault("random_state", seed)
    if "device" in parameters and parameters["device"].default == "auto":
        values.setdefault("device", device)
    try:
        detector = kind(**values)
        if hasattr(detector, "_parameter_constraints"):
            detector._validate_params()
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error), "parameters") from error
    return detector


def _value(value: Any, *, seed: int, device: str) -> Any:
    if isinstance(value, Mapping):
        return make_detector(value, seed=seed, device=device)
    return None if value == "none" else value


def find_loader(name: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Find a function that gives a dataset, and the arguments it takes.

    Parameters
    ----------
    name : str
        One of `LOADERS`.

    Returns
    -------
    loader : callable
    arguments : tuple of str
        All but ``return_X_y``, ``as_frame`` and ``templates``: a benchmark pairs single pictures.

    Raises
    ------
    ConfigError
        If there is no such function.
    """
    if name not in LOADERS:
        raise ConfigError(f"{name!r} is no loader; {nearest(name, LOADERS)}", "loader")
    loader = getattr(datasets, name)
    arguments: list[str] = []
    for parameter in inspect.signature(loader).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments += list(_options_of(loader, parameter.name))
        else:
            arguments.append(parameter.name)
    return loader, tuple(key for key in arguments if key not in _NOT_OFFERED)


def _options_of(loader: Callable[..., Any], parameter: str) -> list[str]:
    """Return the keys of the TypedDict that describes keyword arguments."""
    hint = typing.get_type_hints(loader).get(parameter)
    options = typing.get_args(hint)
    return list(typing.get_type_hints(options[0])) if options else []
