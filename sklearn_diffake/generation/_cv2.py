"""OpenCV, loaded on first use and kept to one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn_diffake.utils._optional import import_extra
from sklearn_diffake.utils._threads import SharedLimit


def load_cv2() -> Any:
    """Return the module ``cv2``.

    Raises
    ------
    ImportError
        If OpenCV is not installed.
    """
    return import_extra("cv2", "generation", "Pseudo-deepfakes")


def _set_one_thread() -> Callable[[], None]:
    cv2 = load_cv2()
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    return lambda: cv2.setNumThreads(n_threads)


_limit = SharedLimit(_set_one_thread)


@contextmanager
def cv2_on_one_thread() -> Iterator[Any]:
    """Yield ``cv2`` without threads of its own, and restore their number afterwards.

    The number of threads is global to the process. Crops are small and many, so the work is split
    by crop and not inside one.

    Yields
    ------
    module
        ``cv2``.
    """
    with _limit.apply():
        yield load_cv2()
