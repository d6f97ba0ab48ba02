"""The SQLite file behind :class:`~sklearn_diffake.store.EmbeddingStore`.

This module finds, creates, opens and shares the file, and replaces it if it is corrupt. Its content
is in ``_tables.py``.

A process has one :class:`Database` for each folder, for all stores and threads. It is looked up by
path, so a store holds no connection.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from sklearn_diffake.store._locks import lock_problem
from sklearn_diffake.store._tables import (
    APPLICATION_ID,
    SCHEMA,
    VERSION,
    corruption_error,
    layout,
    own_layout,
)
from sklearn_diffake.utils._atomic_files import private_file, private_folder

_T = TypeVar("_T")

_BUSY_SECONDS = 10.0  # to wait for another process that writes; no lock is held so long
_PREFIX = "embeddings-"
_CORRUPTION_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DUPLICATE_CODES = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}
_FORMAT_OFFSET, _FORMATS = 18, {1, 2}  # write and read version in the header; journal or WAL
_TRANSIENT_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY}


class _NoLocks(Exception):
    """The file system of the folder cannot lock files."""


class Database:
    """The connection of this process to the SQLite file of a folder.

    Parameters
    ----------
    folder : str
        Real path of the folder. The name of its file holds the time of creation,
        ``embeddings-<time>.sqlite``. A name is never used twice, so a process that still has an
        old file open cannot touch the journal of the new one.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.connection: sqlite3.Connection | None = None
        self.file: Path | None = None
        self.read_only = False
        self.warned = False
        self.patient = True  # until a wait timed out
        self.unusable: str | None = None  # the reason, if it can never work

    def run(self, action: Callable[[sqlite3.Connection], _T], default: _T, *, writes: bool) -> _T:
        """Return the result of `action`, or `default` if the store does not work.

        A corrupt file is replaced by an empty one, and `action` is retried. Any other failure
        (full disk, no permission, ...) is a warning, once per process, never an error. After a
        timeout of a lock there is no further waiting until a write succeeds.
        """
        with self.lock:
            for _ in range(3):
                if self.unusable is not None:
                    reason = self.unusable
                    break
                try:
                    connection = self._connect()
                    if writes and self.read_only:
                        reason = "it can be read but not written"
                        break
                    result = action(connection)
                    if writes and not self.patient:
                        self._be_patient(True)
                    return result
                except _NoLocks as error:
                    self.unusable = str(error)
                except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
                    raise
                except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
                    reason = str(error)
                    if self.patient and _code(error) == sqlite3.SQLITE_BUSY:
                        self._be_patient(False)
                    if not self._recover(error):
                        break
            self._warn_once(reason)
            return default

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with self.lock:
            if self.connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    self.connection.close()
            self.connection = None

    def _connect(self) -> sqlite3.Connection:
        if self.connection is not None and not self._is_there():
            self.close()  # deleted, or moved by another process
        if self.connection is None:
            private_folder(self.folder)
            if problem := lock_problem(self.folder):
                raise _NoLocks(problem)
            self.file = self._current_file()
            if self.file is None:
                with self._folder_lock():
                    self.file = self._current_file() or self._create()
            self.connection, self.read_only = _open(self.file, self._wait_seconds())
        return self.connection

    def _wait_seconds(self) -> float:
        return _BUSY_SECONDS if self.patient else 0.0

    def _be_patient(self, patient: bool) -> None:
        """Set whether to wait for locks from now on."""
        self.patient = patient
        if self.connection is not None:
            milliseconds = round(1000 * self._wait_seconds())
            self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def _is_there(self) -> bool:
        return self.file is not None and os.path.exists(self.file)

    def _current_file(self) -> Path | None:
        return max(Path(self.folder).glob(f"{_PREFIX}*.sqlite"), default=None)

    def _create(self) -> Path:
        """Create an empty store atomically: under a temporary name, then renamed."""
        for leftover in Path(self.folder).glob(f"{_PREFIX}*.new*"):
            leftover.unlink(missing_ok=True)
        file = Path(self.folder, f"{_PREFIX}{time.time_ns():020d}.sqlite")
        draft = file.with_suffix(".new")
        private_file(draft).close()  # SQLite gives its journals the mode of the file
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.executescript(SCHEMA)
        os.replace(draft, file)
        return file

    @contextlib.contextmanager
    def _folder_lock(self) -> Iterator[None]:
        """Prevent other processes from creating or replacing the file within a block.

        It is a lock of SQLite on a file that stays empty. It works wherever the store works, and
        ends with the process that holds it.
        """
        file = Path(self.folder, "lock")
        with contextlib.ExitStack() as stack:
            for last in (False, True):
                with contextlib.suppress(FileExistsError):
                    private_file(file).close()
                lock = sqlite3.connect(file, timeout=self._wait_seconds(), isolation_level=None)
                stack.enter_context(contextlib.closing(lock))
                try:
                    lock.execute("BEGIN EXCLUSIVE")
                    break
                except sqlite3.DatabaseError as error:
                    if last or _code(error) not in _CORRUPTION_CODES:
                        raise
                    file.unlink(missing_ok=True)  # it is not empty any more
            yield

    def _recover(self, error: Exception) -> bool:
        """Repair what caused `error` if possible; return whether to retry."""
        if _code(error) not in _TRANSIENT_CODES:
            self.close()
        if self.file is None:
            return False
        if not self._is_there():
            return True  # another process has just moved it
        if _code(error) not in _CORRUPTION_CODES:
            return False
        try:
            backup = self._move_damaged(self.file)
        except (sqlite3.Error, OSError):
            return False
        if backup is not None:
            warnings.warn(
                f"The embedding store in {self.folder!r} was damaged ({error}). It starts again, "
                f"empty; the damaged file is kept as {backup.name!r}.",
                RuntimeWarning,
                stacklevel=5,
            )
        return True

    def _move_damaged(self, damaged: Path) -> Path | None:
        """Rename the corrupt file, unless another process has done so already."""
        with self._folder_lock():
            if self._current_file() != damaged:
                return None
            backup = Path(self.folder, "embeddings.sqlite.damaged")
            os.replace(damaged, backup)
            for suffix in ("-wal", "-shm"):
                Path(f"{damaged}{suffix}").unlink(missing_ok=True)
            return backup

    def _warn_once(self, reason: str) -> None:
        if not self.warned:
            self.warned = True
            warnings.warn(
                f"The embedding store in {self.folder!r} does not keep new results: {reason}. The "
                "computation goes on without it; look at the folder's permissions and free space.",
                RuntimeWarning,
                stacklevel=4,
            )


def _code(error: Exception) -> int:
    """Return the primary SQLite result code of `error`, 0 if it has none."""
    code = getattr(error, "sqlite_errorcode", 0)
    # A name that cannot be decoded, a duplicate key, a format that no version of SQLite writes:
    # only corruption causes these.
    foreign = str(error) == "unsupported file format"
    if isinstance(error, UnicodeDecodeError) or code in _DUPLICATE_CODES or foreign:
        return sqlite3.SQLITE_CORRUPT
    return code & 0xFF


def _open(file: Path, wait_seconds: float) -> tuple[sqlite3.Connection, bool]:
    """Open an existing store; return the connection, and whether it is read-only."""
    if file.exists() and not file.is_file():
        raise corruption_error("no regular file")  # opening a named pipe would wait forever
    # Before SQLite opens it: closing a file ends all locks that the process has on it.
    with contextlib.suppress(OSError), file.open("rb") as header:
        header.seek(_FORMAT_OFFSET)
        if not set(header.read(2)) <= _FORMATS:  # with any other, SQLite opens it read-only
            raise corruption_error("a format that nobody writes")
    refusal: Exception = FileNotFoundError(str(file))
    for mode in ("mode=rw", "mode=ro", "mode=ro&immutable=1"):
        try:
            connection = sqlite3.connect(
                f"{file.as_uri()}?{mode}",
                uri=True,
                timeout=wait_seconds,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as error:
            refusal = error
            continue
        try:
            _prepare(connection, writes=mode == "mode=rw")
            return connection, mode != "mode=rw"
        except sqlite3.OperationalError as error:
            connection.close()
            if _code(error) == sqlite3.SQLITE_BUSY:
                raise
            refusal = error
        except BaseException:
            connection.close()
            raise
    raise refusal


def _prepare(connection: sqlite3.Connection, *, writes: bool) -> None:
    """Check that the file is a store of this version, then configure the connection."""
    connection.text_factory = bytes  # a damaged row must not fail on its encoding
    connection.execute("PRAGMA cell_size_check = ON")
    made_by = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if (made_by, version) != (APPLICATION_ID, VERSION) or layout(connection) != own_layout():
        raise corruption_error("not an embedding store of this version")
    if writes:
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 256")  # pages: a log of 4 MB
        connection.execute(f"PRAGMA journal_size_limit = {2**24}")
        connection.execute("BEGIN IMMEDIATE")  # refused if the file or its folder is read-only
        connection.execute("ROLLBACK")


_DATABASES: dict[str, Database] = {}
_DATABASES_LOCK = threading.Lock()


def get_database(path: str | os.PathLike[str]) -> Database:
    """Return this process's database for the folder `path`, without opening or creating it."""
    folder = os.path.realpath(os.path.expanduser(path))
    with _DATABASES_LOCK:
        if folder not in _DATABASES:
            _DATABASES[folder] = Database(folder)
        return _DATABASES[folder]


def _close_all() -> None:
    for database in _DATABASES.values():
        database.close()


def _before_fork() -> None:
    """Close all connections: SQLite requires that a forked child inherits none."""
    _DATABASES_LOCK.acquire()
    for database in _DATABASES.values():
        database.lock.acquire()
    _close_all()


def _after_fork() -> None:
    for database in _DATABASES.values():
        database.lock.release()
    _DATABASES_LOCK.release()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
