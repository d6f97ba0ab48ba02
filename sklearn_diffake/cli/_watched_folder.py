"""The files of a folder that have arrived whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from sklearn_diffake.cli._verdict_rows import encodable
from sklearn_diffake.utils._names import natural_key

#: Size in bytes, and time of the last change in nanoseconds.
Stamp = tuple[int, int]


def file_key(path: str) -> str:
    """Return the absolute path of a file, as a line of JSON can hold it."""
    return str(encodable(os.path.abspath(path)))


class WatchedFolder:
    """Finds the files of a folder, and of all folders in it, that are new or were changed.

    A file counts as complete when its size and its time of change have stayed the same for some
    seconds. One that is changed later is new again, so a copy that was interrupted for longer is
    judged twice, and the last verdict is that on the whole file.

    Parameters
    ----------
    folder : str
        The folder.
    settle : float
        Seconds without a change, after which a file counts as complete.
    stamps : mapping of str to Stamp
        Stamps of the files that are not new, by `file_key`.
    clock : callable, default=time.monotonic
        Returns seconds.

    Attributes
    ----------
    skipped : set of str
        Keys of the files of `stamps` that are in the folder unchanged.
    """

    def __init__(
        self,
        folder: str,
        settle: float,
        stamps: Mapping[str, Stamp],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.settle = settle
        self.skipped: set[str] = set()
        self._stamps = dict(stamps)
        self._returned = dict(stamps)
        self._clock = clock
        self._pending: dict[str, tuple[Stamp, float]] = {}

    def skip_present(self) -> None:
        """Leave out the files that are there now, those of `stamps` too."""
        for path, stamp in self._scan():
            key = file_key(path)
            self._returned[key] = stamp
            self._stamps.pop(key, None)

    def complete_files(self) -> list[tuple[str, Stamp]]:
        """Return the files that have become complete since the last call.

        Returns
        -------
        list of (str, Stamp)
            Paths that begin with that of the folder, in natural order.

        Raises
        ------
        OSError
            If the folder is gone.
        """
        current_time = self._clock()
        pending: dict[str, tuple[Stamp, float]] = {}
        complete = []
        for path, stamp in self._scan():
            key = file_key(path)
            if self._stamps.get(key) == stamp:
                self.skipped.add(key)
            if self._returned.get(key) == stamp:
                continue
            earlier, since = self._pending.get(key, (None, current_time))
            if earlier != stamp:
                since = current_time
            if earlier == stamp and current_time - since >= self.settle:
                complete.append((path, stamp))
                self._returned[key] = stamp
            else:
                pending[key] = stamp, since
        self._pending = pending
        return sorted(complete, key=lambda item: natural_key(item[0]))

    def _scan(self) -> list[tuple[str, Stamp]]:
        from sklearn_diffake.verdict._listing import files_below

        os.stat(self.folder)
        files = []
        for path in files_below(self.folder):
            try:
                status = os.stat(path, follow_symlinks=os.path.exists(path))
            except OSError:  # it was removed or renamed meanwhile
                continue
            files.append((path, (status.st_size, status.st_mtime_ns)))
        return files
