"""Records of a logger, for tests: pytest's own capture is off (see addopts in pyproject.toml)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_records(level: int | None = None, logger: str | None = None) -> Iterator[list]:
    """Collect the records that reach a logger within the block.

    Parameters
    ----------
    level : int, default=None
        Level of the logger within the block; None leaves it as it is.
    logger : str, default=None
        Name of the logger; None is the root logger.

    Yields
    ------
    records : list of logging.LogRecord
    """
    listened, records = logging.getLogger(logger), []
    handler, previous_level = logging.Handler(), listened.level
    handler.emit = records.append
    listened.addHandler(handler)
    if level is not None:
        listened.setLevel(level)
    try:
        yield records
    finally:
        listened.setLevel(previous_level)
        listened.removeHandler(handler)
