"""Write a file whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a path in errors of the system that name none, such as that of a full disk.

    Parameters
    ----------
    path : Path
        What is written meanwhile.
    """
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of another when it has been written whole.

    A process that is killed leaves at most a hidden file that matches ``.*.tmp`` behind.

    Parameters
    ----------
    target : Path
        Left as it is if anything goes wrong.

    Yields
    ------
    file object
        Open for writing bytes, in the folder of `target`.

    Raises
    ------
    OSError
        If it cannot be written; the error names the file.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with naming(target), open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_whole(target: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    target : Path
    content : bytes
    """
    with replacing(target) as file:
        file.write(content)
