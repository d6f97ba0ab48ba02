"""Show progress bars and log steps, if the caller wants them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from sklearn_diffake.utils._messages import printable

ROOT = "sklearn_diffake"


def progress_bar(*, total: int | None, desc: str, unit: str, verbose: bool | int) -> Any:
    """Open a tqdm bar with an ETA on standard error.

    Parameters
    ----------
    total : int or None
        Number of steps, None if unknown.
    desc, unit : str
        Name of the task, and of one of its items.
    verbose : bool or int
        Falsy: the bar is not shown. The environment variable ``TQDM_DISABLE=1`` hides all bars.

    Returns
    -------
    tqdm.tqdm
        A context manager with ``update(n)``.
    """
    from tqdm.auto import tqdm

    silent = {} if verbose else {"disable": True}  # without it, the environment decides
    return tqdm(total=total, desc=printable(desc), unit=unit, leave=int(verbose) > 1, **silent)


def log_step(logger: logging.Logger, verbose: bool | int, message: str, *args: Any) -> None:
    """Log a step at the level INFO; with ``verbose >= 2`` print it if no handler shows it.

    Parameters
    ----------
    logger : logging.Logger
        Logger of the module that does the step.
    verbose : bool or int
        With 2 or more, the line goes to standard error, beside any progress bar, unless logging
        is set up to show it already.
    message : str
        With placeholders of ``%`` formatting.
    *args : object
        Values of the placeholders.
    """
    if _has_listener(logger, logging.INFO):
        logger.info(message, *args, stacklevel=2)
    elif verbose > 1:
        _write(logger.name, message % args)


def _has_listener(logger: logging.Logger, level: int) -> bool:
    """Return whether a handler would show a record of this level."""
    if not logger.isEnabledFor(level):
        return False
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            if not isinstance(handler, logging.NullHandler) and handler.level <= level:
                return True
        current = current.parent if current.propagate else None
    return False


def _write(name: str, message: str) -> None:
    """Print a message of a module under its public name."""
    public = ".".join(takewhile(lambda name_part: not name_part.startswith("_"), name.split(".")))
    write_line(f"{public}: {message}")


def write_line(line: str) -> None:
    """Write a line to standard error without breaking the open progress bars.

    Parameters
    ----------
    line : str
        Characters that cannot be printed are escaped.
    """
    with bars_hidden():
        print(printable(line), file=sys.stderr, flush=True)


@contextmanager
def bars_hidden() -> Iterator[None]:
    """Remove open progress bars from the screen within a block.

    If tqdm is not imported there are none, and it is not imported here: this is also called
    after an interrupt, which may have come in the middle of an import.
    """
    tqdm = getattr(sys.modules.get("tqdm.auto"), "tqdm", None)
    if tqdm is None:
        yield
    else:
        with tqdm.external_write_mode(file=sys.stderr):
            yield


class BesideBars(logging.Handler):
    """Show records on standard error, above the progress bars that are open there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            _write(record.name, record.getMessage())
        except Exception:
            self.handleError(record)


@contextmanager
def listening(verbose: int) -> Iterator[None]:
    """Show the log of the package within a block, for the command line.

    Parameters
    ----------
    verbose : int
        2 shows steps (INFO), 3 or more shows details too (DEBUG), less shows nothing.
    """
    if verbose < 2:
        yield
        return
    logger, handler = logging.getLogger(ROOT), BesideBars()
    previous_level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose == 2 else logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(previous_level)
        logger.removeHandler(handler)
