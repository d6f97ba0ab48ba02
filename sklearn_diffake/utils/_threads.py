"""Limit the threads of linear algebra, OpenMP and torch."""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController

_lock = threading.RLock()
_users, _n_initial = 0, 0  # of `torch_threads`, and the setting before the first of them
_local = threading.local()  # `outer`: the settings of the enclosing `torch_threads` of this thread


def one_thread(user_api: str | None = None) -> Any:
    """Limit the loaded libraries to one thread, from this call until the block ends.

    The libraries are searched only once. threadpoolctl walks through them while it holds a lock of
    the system's loader, and needs Python's lock for each. A thread that imports a compiled module
    meanwhile holds Python's lock and waits for the loader's: a deadlock. Besides, the walk takes
    longer than many fits.

    Parameters
    ----------
    user_api : {"blas", "openmp"}, default=None
        Which libraries; None is all.

    Returns
    -------
    context manager
        Has ``restore_original_limits``, for use without a ``with`` statement.
    """
    return _controller("torch" in sys.modules).limit(limits=1, user_api=user_api)


@functools.cache
def _controller(with_torch: bool) -> ThreadpoolController:
    """Search the libraries: once before torch is loaded, which adds its own, and once after."""
    return ThreadpoolController()


def thread_map(function: Callable[..., Any], *items: Sequence[Any], n_jobs: int) -> list[Any]:
    """Apply a function to items, in `n_jobs` threads of Python.

    Parameters
    ----------
    function : callable
    *items : sequences of one length
        Its arguments, as for ``map``.
    n_jobs : int
        1 starts no thread.

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

    Each thread has its own setting, but new threads inherit the latest one. The end of a block
    restores the setting of the enclosing block in the same thread. Without an enclosing block, it
    restores the setting before the first of all open blocks.

    Parameters
    ----------
    n_threads : int
        Threads of torch.

    Yields
    ------
    None
    """
    import torch

    global _users, _n_initial
    outer = _local.__dict__.setdefault("outer", [])
    with _lock:
        n_current = torch.get_num_threads()  # also if unused: a new thread takes its setting here
        if not _users:
            _n_initial = n_current
        _users += 1
        torch.set_num_threads(n_threads)
    outer.append(n_threads)
    try:
        yield
    finally:
        outer.pop()
        with _lock:
            _users -= 1
            torch.set_num_threads(outer[-1] if outer else _n_initial)


def _compute_alone() -> None:
    """Let torch compute with one thread in a forked child, which has no other.

    It would wait forever for the threads that its parent had computed with.
    """
    global _lock, _users, _n_initial
    _lock = threading.RLock()  # another thread of the parent may have held it
    outer = _local.__dict__.get("outer", [])
    outer[:] = [1] * len(outer)
    _users, _n_initial = len(outer), 1
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compute_alone)


class SharedLimit:
    """A limit of the whole process, which blocks in several threads may need at the same time.

    Each block sets the limit, and the end of the last open block restores what was set before the
    first.

    Parameters
    ----------
    set_limit : callable
        Sets the limit, and returns what restores the former setting when it is called.
    """

    def __init__(self, set_limit: Callable[[], Callable[[], object]]) -> None:
        self._set_limit = set_limit
        self._lock = threading.Lock()
        self._restore: list[Callable[[], object]] = []  # one for each open block

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Keep the limit until the block ends."""
        with self._lock:
            self._restore.append(self._set_limit())
        try:
            yield
        finally:
            with self._lock:
                if len(self._restore) == 1:
                    self._restore[0]()
                    self._restore.clear()
                else:
                    self._restore.pop()


_library_limit = SharedLimit(lambda: one_thread().restore_original_limits)


@contextmanager
def single_thread() -> Iterator[None]:
    """Limit linear algebra, OpenMP and torch to one thread, in every thread within the block.

    Depending on the library, a limit belongs to the process or to the thread, so each block sets
    it.

    Yields
    ------
    None
    """
    with torch_threads(1), _library_limit.apply():
        yield
