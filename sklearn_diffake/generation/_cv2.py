"""OpenCV, loaded on first use and kept to one thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn_diffake.utils._optional import import_extra

_lock = threading.Lock()
_n_users = 0
_saved_threads = 0


def load_cv2() -> Any:
    """Return the module ``cv2``.

    Raises
    ------
    ImportError
        If OpenCV is not installed.
    """
    return import_extra("cv2", "generation", "Pseudo-deepfakes")


@contextmanager
def one_thread() -> Iterator[Any]:
    """Yield ``cv2`` without threads of its own, and restore their number afterwards.

    The number of threads is global to the process. Crops are small and many, so the work is split
    by crop and not inside one. Several Python threads may run this at once: the first to enter
    saves the number, the last to leave restores it.

    Yields
    ------
    module
        ``cv2``.
    """
    global _n_users, _saved_threads
    cv2 = load_cv2()
    with _lock:
        if _n_users == 0:
            _saved_threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _n_users += 1
    try:
        yield cv2
    finally:
        with _lock:
            _n_users -= 1
            if _n_users == 0:
                cv2.setNumThreads(_saved_threads)
