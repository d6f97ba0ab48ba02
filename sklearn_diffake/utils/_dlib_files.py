"""Locate the model files of dlib in the package that contains them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ._extras import missing_extra

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
