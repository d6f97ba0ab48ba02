"""How many threads linear algebra and OpenMP take, without looking at all libraries each time."""

from __future__ import annotations

import functools
import sys
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread(user_api: str | None = None) -> Any:
    """Limit the libraries that are loaded to one thread, at once and until it is left.

    Which libraries there are is found out once. threadpoolctl walks through them holding a lock of
    the system's loader, and needs Python's for each; a thread that imports a compiled module
    meanwhile holds Python's and waits for the loader's: for ever. Besides, the walk takes longer
    than many a fit.

    Parameters
    ----------
    user_api : {"blas", "openmp"}, default=None
        Which libraries; None is all.

    Returns
    -------
    context manager
        Has ``restore_original_limits``, for those who do not use it in a ``with`` statement.
    """
    return _controller("torch" in sys.modules).limit(limits=1, user_api=user_api)


@functools.cache
def _controller(with_torch: bool) -> ThreadpoolController:
    """Find the libraries: once before torch is loaded, which brings its own, and once after."""
    return ThreadpoolController()
