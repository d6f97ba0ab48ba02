"""Progress bars and spoken steps; both stay silent unless asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from ._printable import printable

ROOT = "sklearn_diffake"


def progress_bar(*, total: int | None, desc: str, unit: str, verbose: bool | int) -> Any:
    """Open a tqdm bar with an ETA on standard error.

    Parameters
    ----------
    total : int or None
        Number of steps, None when it is not known.
    desc, unit : str
        What is done, and to what.
    verbose : bool or int
        Falsy: the bar is not shown. The environment variable ``TQDM_DISABLE=1`` hides all bars.

    Returns
    -------
    tqdm.tqdm
        A context manager with ``update(n)``.
    """
    from tqdm.auto import tqdm

    silent = {} if verbose else {"disable": True}  # else the environment may decide
    return tqdm(total=total, desc=printable(desc), unit=unit, leave=int(verbose) > 1, **silent)


def tell(logger: logging.Logger, verbose: bool | int, message: str, *args: Any) -> None:
    """Log a step at the level INFO; with ``verbose >= 2`` write it where nobody listens to the log.

    Parameters
    ----------
    logger : logging.Logger
        Of the module that does the step.
    verbose : bool or int
        With 2 or more, the line goes to standard error, beside any progress bar, unless logging
        is set up to show it already.
    message : str
        With the marks of ``%`` formatting.
    *args : object
        What is put in their place.
    """
    if _has_listener(logger, logging.INFO):
        logger.info(message, *args, stacklevel=2)
    elif verbose > 1:
        _write(logger.name, message % args)


def _has_listener(logger: logging.Logger, level: int) -> bool:
    """Tell whether some handler would show a record of this level."""
    if not logger.isEnabledFor(level):
        return False
    at: logging.Logger | None = logger
    while at is not None:
        for handler in at.handlers:
            if not isinstance(handler, logging.NullHandler) and handler.level <= level:
                return True
        at = at.parent if at.propagate else None
    return False


def _write(name: str, message: str) -> None:
    """Write what a module says, under its public name."""
    public = ".".join(takewhile(lambda part: not part.startswith("_"), name.split(".")))
    write_line(f"{public}: {message}")


def write_line(line: str) -> None:
    """Write a line to standard error without breaking the bars that are open there.

    Parameters
    ----------
    line : str
        What cannot be printed is escaped.
    """
    with bars_hidden():
        print(printable(line), file=sys.stderr, flush=True)


@contextmanager
def bars_hidden() -> Iterator[None]:
    """Take open bars off the screen for a while.

    Where tqdm is not imported there are none, and it stays so: this is also called after an
    interrupt, which may have come in the middle of an import.
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
    """Show the log of the package for a while, as a command line does.

    Parameters
    ----------
    verbose : int
        With 2 the steps (INFO), with 3 or more details too (DEBUG), with less nothing.
    """
    if verbose < 2:
        yield
        return
    logger, handler = logging.getLogger(ROOT), BesideBars()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose == 2 else logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
