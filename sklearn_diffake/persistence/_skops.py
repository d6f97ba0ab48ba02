"""Import skops without importing all of scikit-learn."""

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
    """Return the module ``skops.io``, or a private copy of it.

    When it is imported, skops imports every module of scikit-learn and its dependencies (such as
    pytest, dask and pandas), to list the estimators that it trusts. This package does not need that
    list: it has a shorter one (`needs_no_trust`), and passes every checked type to skops. So the
    copy is imported with an empty list. It does not stay in ``sys.modules``, so that other code
    imports the full module.

    Returns
    -------
    module
        The full module if it is imported already.
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
