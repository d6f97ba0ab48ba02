"""How many threads linear algebra, OpenMP and torch take."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.RLock()
_users, _before = 0, 0  # of `torch_threads`, and the setting that the first of them found
_local = threading.local()  # `outer`: the settings of `torch_threads` that this thread is within
_single: dict[str, Any] = {"users": 0}  # of `single_thread`, and the limits set by its first user


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


def thread_map(function: Callable[..., Any], *items: Sequence[Any], n_jobs: int) -> list[Any]:
    """Apply a function to items, in `n_jobs` threads of Python.

    Parameters
    ----------
    function : callable
    *items : sequences of one length
        Its arguments, as for ``map``.
    n_jobs : int
        1 takes no thread of its own.

    Returns
    -------
    list
        In the order of the items.
    """
    if n_jobs == 1 or len(items[0]) < 2:
        return list(map(function, *items))
    with ThreadPoolExecutor(n_jobs) as pool:
        return list(pool.map(function, *items))


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch compute with `n_threads` in this thread of Python.

    The setting is each thread's own, but new threads inherit the latest one: whoever leaves
    restores that of the block around it in the same thread, or else what the first to enter found.

    Parameters
    ----------
    n_threads : int
        Threads of torch.

    Yields
    ------
    None
    """
    import torch

    global _users, _before
    outer = _local.__dict__.setdefault("outer", [])
    with _lock:
        before = torch.get_num_threads()  # asked in any case: a new thread takes its setting now
        if not _users:
            _before = before
        _users += 1
        torch.set_num_threads(n_threads)
    outer.append(n_threads)
    try:
        yield
    finally:
        outer.pop()
        with _lock:
            _users -= 1
            torch.set_num_threads(outer[-1] if outer else _before)


@contextmanager
def single_thread() -> Iterator[None]:
    """Limit linear algebra, OpenMP and torch to one thread, in every thread that is within.

    Limits belong to the process, or to the thread, as each library sees fit: all that enter set
    them, and the last to leave restores those of the process.

    Yields
    ------
    None
    """
    with torch_threads(1):
        with _lock:
            limits = one_thread()
            if not _single["users"]:
                _single["limits"] = limits
            _single["users"] += 1
        try:
            yield
        finally:
            with _lock:
                _single["users"] -= 1
                if not _single["users"]:
                    _single.pop("limits").restore_original_limits()
