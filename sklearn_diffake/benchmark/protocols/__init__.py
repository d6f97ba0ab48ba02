"""Protocols: ways of judging candidates, one file each.

A new one is one file in this folder: a registered subclass of `Protocol`. It reads the keys that it
has in a configuration, lists its jobs, and pools, tabulates and draws its figures.
"""

import importlib
import pkgutil

from sklearn_diffake.benchmark.protocols._base import Protocol, ReadContext
from sklearn_diffake.benchmark.protocols._registry import (
    PROTOCOLS,
    make_jobs,
    read_protocols,
    register,
    rows_trained_on,
)

__all__ = [
    "PROTOCOLS",
    "Protocol",
    "ReadContext",
    "import_protocols",
    "make_jobs",
    "read_protocols",
    "register",
    "rows_trained_on",
]


def import_protocols() -> None:
    """Import the files of this folder, each of which registers a protocol."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")


import_protocols()
