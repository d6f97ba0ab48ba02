"""Do work in this process, in others, or on a cluster; with the same numbers."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from joblib import Parallel, delayed, parallel_config

from sklearn_diffake.utils._optional import import_extra
from sklearn_diffake.utils._threads import single_thread

_CONNECT_SECONDS = 20


@contextlib.contextmanager
def workers(n_jobs: int | None = None, dask: str | None = None) -> Iterator[None]:
    """Choose where :func:`in_parallel` does its work, in a ``with`` block.

    Parameters
    ----------
    n_jobs : int, default=None
        Processes on this machine, as joblib counts them.
    dask : str, default=None
        Address of a scheduler of dask.distributed, whose workers are used instead. They need this
        package, and see files under the same paths.

    Raises
    ------
    ImportError
        If dask is asked for and not installed.
    OSError
        If no scheduler answers.
    """
    if dask is None:
        with warnings.catch_warnings(), parallel_config(backend="loky", n_jobs=n_jobs):
            # loky replaces a process that has grown, as by loading a network; that is harmless
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            yield
        return
    distributed = import_extra("distributed", "dask", "Clusters")
    try:
        client = distributed.Client(dask, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(f"no dask scheduler answers at {dask!r}: {error}") from error
    with client, parallel_config(backend="dask", client=client):
        yield


def in_parallel(function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Call a function with every tuple of arguments, and yield results as they come.

    Parameters
    ----------
    function : callable
        One that can be sent to another process. Its result should name the task, as results
        come in any order.
    tasks : iterable of tuple
        Taken as workers become free, so that few are in memory.

    Yields
    ------
    result : object
        In any order.
    """
    parallel = Parallel(return_as="generator_unordered", batch_size=1)
    yield from parallel(delayed(_on_one_thread)(function, *task) for task in tasks)


def _on_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function on one thread, as rounding depends on the number of threads."""
    with single_thread(), parallel_config(backend="sequential"):
        return function(*arguments)
