"""Import optional dependencies, locate files in them, and say how to install them."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package, or say what to install.

    Parameters
    ----------
    module : str
        Name of the module, with dots.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What needs it: the subject of a sentence in the plural, such as ``"Figures"``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not installed, or cannot be imported; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and _is_within(module, error.name)
        reason = None if absent else str(error)
        raise missing_extra(package, extra, purpose, reason) from error


def _is_within(module: str, package: str | None) -> bool:
    """Return whether a module is a package, or a module of it."""
    return package is not None and f"{module}.".startswith(f"{package}.")


def import_pyod(module: str) -> Any:
    """Import a module of PyOD, or say what to install, as `import_extra` does."""
    return import_extra(module, "pyod", "Detectors of PyOD")


def missing_extra(
    package: str, extra: str | None, purpose: str, reason: str | None = None
) -> ImportError:
    """Make the error that says what to install.

    Parameters
    ----------
    package : str
        What is missing.
    extra : str or None
        The extra of this package that installs it; None if every installation should have it.
    purpose : str
        What needs it, in the plural.
    reason : str, default=None
        Why it cannot be used, if it is installed.

    Returns
    -------
    ImportError
    """
    state = f"cannot be imported: {reason}" if reason else "not installed"
    requirement = f"--force-reinstall {package}" if extra is None else f"'sklearn-diffake[{extra}]'"
    return ImportError(f"{purpose} need {package} ({state}): pip install {requirement}")


_PACKAGE = "face_recognition_models"


def dlib_model_file(name: str, purpose: str) -> Path:
    """Return the path of a file of the package ``face_recognition_models``.

    The package is located, not imported: its import needs ``pkg_resources``, which setuptools no
    longer has.

    Parameters
    ----------
    name : str
        Of the file.
    purpose : str
        What needs it: the subject of a sentence in the plural.

    Returns
    -------
    Path

    Raises
    ------
    ImportError
        If the package is not installed or lacks the file.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise missing_extra(_PACKAGE, None, purpose)
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise missing_extra(_PACKAGE, None, purpose, f"{str(path)!r} does not exist")
    return path
