"""skops, imported without its walk over all of scikit-learn."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from types import ModuleType
from typing import Any

_NAME = "skops.io"
_LOCK = threading.Lock()


def skops_io() -> Any:
    """Return the module ``skops.io``, or a copy that is this package's alone.

    At its import skops imports every module of scikit-learn, and what these need (pytest, dask and
    pandas among them), to list the estimators that it trusts. Here that list is of no use: the
    package has a shorter one of its own (`needs_no_trust`), and names to skops each type that it
    has checked. So the copy is imported with an empty list. It does not stay in ``sys.modules``:
    whoever imports skops gets the full one.

    Returns
    -------
    module
        The full one if it is imported already.
    """
    with _LOCK:
        return sys.modules.get(_NAME) or _import_copy()


@functools.cache
def _import_copy() -> ModuleType:
    import sklearn.utils
    import skops

    walk = sklearn.utils.all_estimators
    sklearn.utils.all_estimators = list
    try:
        return importlib.import_module(_NAME)
    finally:
        sklearn.utils.all_estimators = walk
        for name in [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]:
            del sys.modules[name]
        vars(skops).pop("io", None)
