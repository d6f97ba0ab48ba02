"""Test whether the file system of a folder can lock files, which SQLite needs."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading

try:
    import fcntl
except ImportError:  # Windows, whose locks work wherever files do
    fcntl = None  # type: ignore[assignment]

_ANSWER_SECONDS = 3.0  # some network file systems never answer


def lock_problem(folder: str) -> str | None:
    """Try to lock a new file, which no other process can hold.

    SQLite mistakes "locks are not supported" for "another process is writing", and would wait for
    each lock.

    Parameters
    ----------
    folder : str
        An existing folder.

    Returns
    -------
    str or None
        The problem; None if locks work, or if no file can be created there.
    """
    if fcntl is None:
        return None
    answers: list[str | None] = []
    thread = threading.Thread(target=lambda: answers.append(_try_lock(folder)), daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    return answers[0] if answers else "its file system does not answer when a file is locked"


def _try_lock(folder: str) -> str | None:
    try:
        descriptor, path = tempfile.mkstemp(prefix=".lock-", dir=folder)
    except OSError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return f"its file system does not lock files ({error})"
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)
            os.unlink(path)
    return None
