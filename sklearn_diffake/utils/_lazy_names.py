"""Import the public names of a package when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from sklearn_diffake.utils._deferred_imports import import_scikit_learn


def lazy_names(
    package: str, modules: Mapping[str, str], *, scikit_learn: bool = True
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the functions ``__getattr__`` and ``__dir__`` of a package.

    So whoever uses one name of the package does not wait for the imports of all others.

    Parameters
    ----------
    package : str
        Its full name.
    modules : mapping of str to str
        For each name, the module that defines it, relative to the package with a leading dot,
        otherwise absolute.
    scikit_learn : bool, default=True
        Whether the modules import scikit-learn.

    Returns
    -------
    function, function
    """

    def get_attribute(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if scikit_learn:
            import_scikit_learn()
        return getattr(importlib.import_module(modules[name], package), name)

    def list_attributes() -> list[str]:
        return sorted(modules)

    return get_attribute, list_attributes
