"""A store on disk for results that are expensive to compute from an image."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping

from sklearn_diffake.store._database import Database, get_database
from sklearn_diffake.store._owner import current_owner, is_running
from sklearn_diffake.store._tables import (
    KEYS_PER_STATEMENT,
    check_pages,
    corruption_error,
    counters,
    drop_claims,
    insert,
    is_intact,
    placeholders,
    refresh,
    row_numbers,
    shrink,
    transaction,
)
from sklearn_diffake.utils._batches import batches_of

FileKey = tuple[str, *tuple[int, ...]]

_BYTES_PER_FILE = 2048  # of `max_bytes` for each file digest that is stored
_REFRESH_SECONDS = 300.0
_CLAIM_SECONDS = 120.0
_CLOCK_SECONDS = 60.0  # difference allowed between the clocks of two hosts


class EmbeddingStore:
    """Results on disk, keyed by content, shared by threads, processes and runs.

    The key of a value is a namespace (for example, the fingerprint of a model) and a digest (of the
    pixels from which it was computed). The store is a cache. It may drop values, but it never
    returns a wrong value, and its failures never stop a computation. If it does not work (full
    disk, no permission, corruption) it warns once, and the computation continues as if nothing
    were stored.

    Parameters
    ----------
    path : str or os.PathLike
        Folder of the store, created on first use, readable by its owner alone (mode 0700). It must
        be on a local disk: SQLite's write-ahead log, with which many processes read while one
        writes, needs shared memory. If the file system cannot lock files, the store keeps
        nothing and warns within seconds.
    max_bytes : int, default=8 * 2**30
        Limit of the size. Beyond it, the least recently used values are evicted. The size of a
        value is the space that it takes up in the file: its fraction of a page of 16 kB, and 256
        bytes of bookkeeping. The folder may be somewhat larger, because evictions leave some
        pages partly empty, and recent changes are in a log.

    See Also
    --------
    FaceEmbedder : Keeps its embeddings in a store.
    sklearn_diffake.faces.FaceAligner : Keeps its crops in a store.
    joblib.Memory : Stores the results of any function, by its arguments.

    Notes
    -----
    An instance holds only its two parameters. It can be cloned, pickled, hashed and sent to other
    processes, and equals any other instance with the same parameters. Each process opens its own
    connection on first use.

    A value is stored with a checksum and returned only if it is intact. A file that SQLite cannot
    read is renamed to ``embeddings.sqlite.damaged``, and replaced by an empty store.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_diffake.embedding import EmbeddingStore
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = EmbeddingStore(folder.name)
    >>> store.put_many("model-1", {b"digest of a face": b"its embedding"})
    >>> store.get_many("model-1", [b"digest of a face", b"another"])
    {b'digest of a face': b'its embedding'}
    >>> store.claim("model-1", [b"digest of a face", b"another"])
    {b'another'}
    >>> store.info()["entries"]
    1
    >>> store.close()
    >>> folder.cleanup()
    """

    def __init__(self, path: str | os.PathLike[str], *, max_bytes: int = 8 * 2**30) -> None:
        self.path = path
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"EmbeddingStore({os.fspath(self.path)!r}, max_bytes={self.max_bytes})"

    def __eq__(self, store: object) -> bool:
        if not isinstance(store, EmbeddingStore):
            return NotImplemented
        return self._parameters() == store._parameters()

    def __hash__(self) -> int:
        return hash(self._parameters())

    def _parameters(self) -> tuple[str, int]:
        return os.fspath(self.path), self.max_bytes

    def _database(self) -> Database:
        return get_database(self.path)

    def get_many(self, namespace: str, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Return the stored values of the given digests.

        Parameters
        ----------
        namespace : str
            Of the model that computed the values.
        digests : iterable of bytes
            Digests of the inputs.

        Returns
        -------
        dict of bytes to bytes
            The value of each digest that is stored and intact; other digests are missing.
        """
        requested = set(digests)

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            values, stale, broken = _look_up(connection, namespace, requested)
            cleared = (stale or broken) and refresh(connection, stale, broken)
            if cleared and broken:  # other values may be corrupt, too
                check_pages(connection)
                if _look_up(connection, namespace, requested)[2]:
                    raise corruption_error("values are broken, and cannot be dropped")
            return values

        return self._database().run(read, {}, writes=False)

    def put_many(self, namespace: str, items: Mapping[bytes, bytes]) -> None:
        """Store values, all or none; values that are already stored do not change.

        Parameters
        ----------
        namespace : str
            Of the model that computed the values.
        items : mapping of bytes to bytes
            The value of each digest. Claims on these digests end.

        Raises
        ------
        TypeError
            If a digest or a value is not bytes.
        """
        for digest, value in items.items():
            if not isinstance(digest, bytes) or not isinstance(value, bytes):
                raise TypeError(
                    "EmbeddingStore.put_many: digests and values must be bytes, got "
                    f"{type(digest).__name__} and {type(value).__name__}."
                )
        if not items:
            return

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                current_time = time.time()
                present = row_numbers(connection, namespace, list(items))
                connection.executemany(
                    "UPDATE entries SET used = ? WHERE id = ?",
                    [(current_time, i) for i in present.values()],
                )
                new = {digest: value for digest, value in items.items() if digest not in present}
                evicted = insert(connection, namespace, new, current_time, self.max_bytes)
                drop_claims(connection, namespace, list(items))
                connection.execute("UPDATE counters SET writes = writes + ?", (len(items),))
            if evicted:
                shrink(connection)

        self._database().run(write, None, writes=True)

    def claim(self, namespace: str, digests: Iterable[bytes]) -> set[bytes]:
        """Claim digests: return those that the caller must compute.

        Only one of all threads and processes gets the claim on a digest. The others poll
        :meth:`get_many`, or claim it again. The claims of a dead process end at once, all others
        two minutes after they were made or renewed.

        Parameters
        ----------
        namespace : str
            Of the model that will compute the values.
        digests : iterable of bytes
            Digests of the inputs.

        Returns
        -------
        set of bytes
            The digests that are neither stored nor claimed by another thread. All digests if the
            store cannot be written, because no claim can be recorded then.
        """
        distinct = list(dict.fromkeys(digests))

        def decide(connection: sqlite3.Connection) -> set[bytes]:
            owner, current_time = current_owner(), time.time()
            with transaction(connection):
                connection.execute(  # a claim from the future was made before a clock was set back
                    "DELETE FROM claims WHERE expires <= ? OR expires > ?",
                    (current_time, current_time + _CLAIM_SECONDS + _CLOCK_SECONDS),
                )
                unavailable = set(row_numbers(connection, namespace, distinct))
                running = {owner: False}  # the caller's own claims do not block it
                for batch in batches_of(distinct, KEYS_PER_STATEMENT):
                    rows = connection.execute(
                        "SELECT digest, owner FROM claims "  # nosec B608  # only question marks are put in
                        f"WHERE namespace = ? AND digest IN ({placeholders(batch)})",
                        (namespace, *batch),
                    )
                    for digest, claimant in rows:
                        name = claimant.decode(errors="replace")
                        if name not in running:
                            running[name] = is_running(name)
                        if running[name]:
                            unavailable.add(digest)
                free = [digest for digest in distinct if digest not in unavailable]
                connection.executemany(
                    "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)",
                    [(namespace, digest, owner, current_time + _CLAIM_SECONDS) for digest in free],
                )
            return set(free)

        return self._database().run(decide, set(distinct), writes=True)

    def release(self, namespace: str, digests: Iterable[bytes]) -> None:
        """Release claims of the caller, so that others can claim the digests.

        Parameters
        ----------
        namespace : str
            As it was claimed.
        digests : iterable of bytes
            As they were claimed. Claims of others do not change.
        """
        claimed = list(digests)

        def drop(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                drop_claims(connection, namespace, claimed, owner=current_owner())

        self._database().run(drop, None, writes=True)

    def get_file_digests(self, files: Iterable[FileKey]) -> dict[FileKey, bytes]:
        """Return the stored content digests of files that have not changed since.

        Parameters
        ----------
        files : iterable of (str, int, ...)
            Absolute path, and the numbers that change with the file's digest: size in bytes, time
            of last change in nanoseconds, inode, and version of the decoding.

        Returns
        -------
        dict of (str, int, ...) to bytes
            The digest of each file that is stored with the same path and numbers.
        """
        by_path = {os.fsencode(file[0]): file for file in files}

        def read(connection: sqlite3.Connection) -> dict[FileKey, bytes]:
            file_digests = {}
            for batch in batches_of(list(by_path), KEYS_PER_STATEMENT):
                rows = connection.execute(
                    "SELECT path, stamp, digest FROM files "  # nosec B608  # only question marks are put in
                    f"WHERE path IN ({placeholders(batch)})",
                    batch,
                )
                for path, stamp, digest in rows:
                    if path in by_path and stamp == _stamp(by_path[path]).encode():
                        file_digests[by_path[path]] = digest
            return file_digests

        return self._database().run(read, {}, writes=False)

    def put_file_digests(self, digests: Mapping[FileKey, bytes]) -> None:
        """Store the content digests of files, and replace older digests of the same paths.

        Parameters
        ----------
        digests : mapping of (str, int, ...) to bytes
            The digest of each file, by its absolute path and numbers, see
            :meth:`get_file_digests`.
        """
        rows = [(os.fsencode(file[0]), _stamp(file), digest) for file, digest in digests.items()]
        limit = max(1, self.max_bytes // _BYTES_PER_FILE)

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(
                    "INSERT OR REPLACE INTO files (path, stamp, digest) VALUES (?, ?, ?)", rows
                )
                connection.execute(
                    "DELETE FROM files WHERE id <= (SELECT max(id) FROM files) - ?", (limit,)
                )

        self._database().run(write, None, writes=True)

    def info(self) -> dict[str, int]:
        """Count the stored values.

        Returns
        -------
        dict of str to int
            ``entries`` and ``bytes``: the values stored now and their total size; ``writes``: the
            values ever passed to :meth:`put_many`, new or stored already; ``evictions``: the
            entries ever dropped because the store was full.
        """
        names = ("entries", "bytes", "writes", "evictions")

        def read(connection: sqlite3.Connection) -> dict[str, int]:
            counts = counters(connection)
            return {name: counts[name] for name in names}

        return self._database().run(read, dict.fromkeys(names, 0), writes=False)

    def clear(self) -> None:
        """Delete all values and file digests; claims and the counts of `info` stay."""

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                for table in ("blobs", "entries", "files"):
                    connection.execute(f"DELETE FROM {table}")  # nosec B608  # one of the three above
            shrink(connection)

        self._database().run(write, None, writes=True)

    def close(self) -> None:
        """Close this process's connection to the folder; the next use opens it again."""
        self._database().close()


def as_store(cache: str | os.PathLike[str] | EmbeddingStore | None) -> EmbeddingStore | None:
    """Return the store of a ``cache`` parameter.

    Parameters
    ----------
    cache : None, str, os.PathLike or EmbeddingStore
        Nothing, a folder, or a store.

    Returns
    -------
    EmbeddingStore or None
        None for None, a store in the folder, or the store itself.

    Raises
    ------
    TypeError
        If `cache` is anything else.
    """
    if cache is None or isinstance(cache, EmbeddingStore):
        return cache
    if isinstance(cache, (str, os.PathLike)):
        return EmbeddingStore(cache)
    raise TypeError(
        f"cache must be None, the path of a folder, or an EmbeddingStore; got {cache!r} of type "
        f"{type(cache).__name__}."
    )


def _stamp(file: FileKey) -> str:
    return ":".join(str(int(number)) for number in file[1:])


def _look_up(
    connection: sqlite3.Connection, namespace: str, requested: set[bytes]
) -> tuple[dict[bytes, bytes], list[int], list[int]]:
    """Return the intact values, and the row numbers of long unused and of corrupt values."""
    values, stale, broken = {}, [], []
    old = time.time() - _REFRESH_SECONDS
    for batch in batches_of(list(requested), KEYS_PER_STATEMENT):
        rows = connection.execute(
            "SELECT id, entry.namespace, entry.digest, value, entry.checksum, "  # nosec B608  # only question marks are put in
            "entry.used < ? FROM entries AS indexed JOIN entries AS entry USING (id) "
            "LEFT JOIN blobs USING (id) "  # the index may lead to another's entry
            f"WHERE indexed.namespace = ? AND indexed.digest IN ({placeholders(batch)})",
            (old, namespace, *batch),
        )
        for number, name, digest, value, checksum, is_old in rows:
            matches = name == namespace.encode() and digest in requested
            if not matches or not is_intact(digest, value, checksum):
                broken.append(number)
                continue
            values[digest] = value
            if is_old:
                stale.append(number)
    return values, stale, broken
