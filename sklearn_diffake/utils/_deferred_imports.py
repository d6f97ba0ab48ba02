"""Import packages without what they import but seldom use, until that is used.

A package may import others at its top of which a verdict uses nothing. While such a package is
imported, placeholders stand for these others. A placeholder imports its module when an attribute of
it is read. It is removed from ``sys.modules`` at once, so other code imports the module as usual.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_LOCK = threading.Lock()


def import_scikit_learn() -> None:
    """Import scikit-learn without pandas and ``scipy.stats``, if nothing has imported it yet.

    scikit-learn imports both for seldom functions, and together they take as long as all else
    of it. pandas is imported when it is used, so DataFrames work as always.
    """
    with _LOCK:
        if "sklearn" in sys.modules:
            return
        with deferred(("pandas",)), deferred(("scipy.stats",)):
            importlib.import_module("sklearn.pipeline")


@contextlib.contextmanager
def deferred(names: tuple[str, ...], **functions: Any) -> Iterator[None]:
    """Keep a package from being imported until an attribute of it is read.

    A package that is imported already, or that is not installed, is left alone.

    Parameters
    ----------
    names : tuple of str
        A package and submodules of it that are imported by name.
    **functions
        Attributes of the last of them that are imported by name.
    """
    if names[0] in sys.modules or find_spec(names[0].partition(".")[0]) is None:
        yield
        return
    placeholders = {name: DeferredModule(name, names) for name in names}
    vars(placeholders[names[-1]]).update(functions)
    sys.modules |= placeholders
    try:
        yield
    finally:
        for name, module in placeholders.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class DeferredModule(ModuleType):
    """A placeholder of a module that is imported when another attribute of it is read."""

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        super().__init__(name)
        self.__dict__["_names"] = names

    def __getattr__(self, name: str) -> Any:
        no_package = name == "__path__" and self.__name__ != self._names[0]
        if no_package or name in ("__spec__", "__file__"):  # the machinery of imports looks at them
            raise AttributeError(name)
        for module in self._names:
            if isinstance(sys.modules.get(module), DeferredModule):
                del sys.modules[module]
        return getattr(importlib.import_module(self.__name__), name)
