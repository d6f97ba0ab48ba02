"""Measured error rates of models, by their fingerprint."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from ._evidence import ErrorRate


def error_rates_of(fingerprint: str) -> tuple[ErrorRate, ...]:
    """Return the error rates that were measured of a model.

    Parameters
    ----------
    fingerprint : str
        Of the model.

    Returns
    -------
    tuple of ErrorRate
        Empty for a model that was not measured.
    """
    model = _measured().get(fingerprint)
    return () if model is None else tuple(ErrorRate(**rate) for rate in model["rates"])


def known_name(fingerprint: str) -> str | None:
    """Return the name of a model that comes with the package; None for any other."""
    model = _measured().get(fingerprint)
    return None if model is None else str(model["name"])


@functools.cache
def _measured() -> dict[str, dict[str, Any]]:
    """Read ``data/error_rates.json``.

    It holds an object with ``models``: a list of objects with ``name``, ``fingerprint`` and
    ``rates``, a list of objects with the fields of `ErrorRate`.
    """
    file = resources.files("sklearn_diffake") / "data" / "error_rates.json"
    models = json.loads(file.read_text(encoding="utf-8"))["models"]
    return {model["fingerprint"]: model for model in models}
