"""A store on disk for what is expensive to compute from an image."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping

from ._database import Database, get_database
from ._owner import current_owner, is_running
from ._tables import (
    check_pages,
    chunks,
    counters,
    damage,
    drop_claims,
    insert,
    is_whole,
    marks,
    refresh,
    row_numbers,
    shrink,
    transaction,
)

FileKey = tuple[str, *tuple[int, ...]]

_BYTES_PER_FILE = 2048  # one file digest is remembered for each so many bytes of `max_bytes`
_REFRESH_SECONDS = 300.0
_CLAIM_SECONDS = 120.0
_CLOCK_SECONDS = 60.0  # that the clocks of two hosts may differ


class EmbeddingStore:
    """Results kept on disk by content, shared by threads, processes and runs.

    A value is found again by a namespace (say, the fingerprint of a model) and a digest (of the
    pixels it was computed from). The store is a cache: it may forget, it never answers wrongly,
    and it never stands in the way. Where it cannot serve (full disk, no permission, damage) it
    warns once and the computation goes on as if nothing were stored.

    Parameters
    ----------
    path : str or os.PathLike
        Folder of the store, made when it is first used, for its owner alone (mode 0700). It must
        be on a local disk: SQLite's write-ahead log, which lets many processes read beside one
        that writes, needs shared memory. Where the file system cannot lock files, the store
        keeps nothing and says so within seconds.
    max_bytes : int, default=8 * 2**30
        Size to which the store is held. Beyond it the least recently used values make room for
        new ones. Each value is charged with what it takes up in the file: its share of a page of
        16 kB, and 256 bytes of bookkeeping. Evictions leave some pages partly empty, and the log
        of recent changes comes on top, so the folder may be somewhat larger.

    Notes
    -----
    The instance holds its two parameters and nothing else: it can be cloned, pickled, hashed and
    sent to other processes, and compares equal to any other with the same parameters. The
    connection is the process's own and opened on use.

    A value is stored with a checksum and comes back only if it is whole. A file that SQLite cannot
    read is kept aside as ``embeddings.sqlite.damaged``, and an empty store takes its place.

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

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EmbeddingStore):
            return NotImplemented
        return self._parameters() == other._parameters()

    def __hash__(self) -> int:
        return hash(self._parameters())

    def _parameters(self) -> tuple[str, int]:
        return os.fspath(self.path), self.max_bytes

    def _database(self) -> Database:
        return get_database(self.path)

    def get_many(self, namespace: str, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """Get the stored values among those asked for.

        Parameters
        ----------
        namespace : str
            What the values were computed with.
        digests : iterable of bytes
            What they were computed from.

        Returns
        -------
        dict of bytes to bytes
            The value of each digest that is stored whole; the others are missing.
        """
        asked = set(digests)

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            values, stale, broken = _look_up(connection, namespace, asked)
            cleared = (stale or broken) and refresh(connection, stale, broken)
            if cleared and broken:  # more than these values perhaps
                check_pages(connection)
                if _look_up(connection, namespace, asked)[2]:
                    raise damage("values are broken, and cannot be dropped")
            return values

        return self._database().run(read, {}, writes=False)

    def put_many(self, namespace: str, items: Mapping[bytes, bytes]) -> None:
        """Store values, all or none; those already stored stay as they are.

        Parameters
        ----------
        namespace : str
            What the values were computed with.
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
                    "EmbeddingStore.put_many expects bytes for bytes, got "
                    f"{type(value).__name__} for {type(digest).__name__}."
                )
        if not items:
            return

        def write(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                now = time.time()
                present = row_numbers(connection, namespace, list(items))
                connection.executemany(
                    "UPDATE entries SET used = ? WHERE id = ?", [(now, i) for i in present.values()]
                )
                new = {digest: value for digest, value in items.items() if digest not in present}
                evicted = insert(connection, namespace, new, now, self.max_bytes)
                drop_claims(connection, namespace, list(items))
                connection.execute("UPDATE counters SET writes = writes + ?", (len(items),))
            if evicted:
                shrink(connection)

        self._database().run(write, None, writes=True)

    def claim(self, namespace: str, digests: Iterable[bytes]) -> set[bytes]:
        """Decide which digests the caller shall compute.

        Of all threads and processes that claim a digest, one is given it. The others find it with
        :meth:`get_many` when it is there, or ask again: the claims of a process that has died are
        free at once, those of any other two minutes after they were made or renewed.

        Parameters
        ----------
        namespace : str
            What the values are to be computed with.
        digests : iterable of bytes
            What they are to be computed from.

        Returns
        -------
        set of bytes
            The digests that are neither stored nor claimed by another. All that were asked for
            if the store cannot be written to, since nothing can be agreed on then.
        """
        distinct = list(dict.fromkeys(digests))

        def decide(connection: sqlite3.Connection) -> set[bytes]:
            owner, now = current_owner(), time.time()
            with transaction(connection):
                connection.execute(  # a claim from the future was made before a clock was set back
                    "DELETE FROM claims WHERE expires <= ? OR expires > ?",
                    (now, now + _CLAIM_SECONDS + _CLOCK_SECONDS),
                )
                taken = set(row_numbers(connection, namespace, distinct))
                running = {owner: False}  # the caller's own claims do not keep it out
                for chunk in chunks(distinct):
                    rows = connection.execute(
                        "SELECT digest, owner FROM claims "  # nosec B608  # only question marks are put in
                        f"WHERE namespace = ? AND digest IN ({marks(chunk)})",
                        (namespace, *chunk),
                    )
                    for digest, claimant in rows:
                        name = claimant.decode(errors="replace")
                        if name not in running:
                            running[name] = is_running(name)
                        if running[name]:
                            taken.add(digest)
                free = [digest for digest in distinct if digest not in taken]
                connection.executemany(
                    "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)",
                    [(namespace, digest, owner, now + _CLAIM_SECONDS) for digest in free],
                )
            return set(free)

        return self._database().run(decide, set(distinct), writes=True)

    def release(self, namespace: str, digests: Iterable[bytes]) -> None:
        """Give the caller's claims back, for others to take.

        Parameters
        ----------
        namespace : str
            As it was claimed.
        digests : iterable of bytes
            As they were claimed. Claims of others are left alone.
        """
        claimed = list(digests)

        def drop(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                drop_claims(connection, namespace, claimed, owner=current_owner())

        self._database().run(drop, None, writes=True)

    def get_file_digests(self, files: Iterable[FileKey]) -> dict[FileKey, bytes]:
        """Get the remembered content digests of files that have not changed since.

        Parameters
        ----------
        files : iterable of (str, int, ...)
            Absolute path, and the numbers that change with the file's digest: size in bytes, time
            of last change in nanoseconds, inode, and version of the decoding.

        Returns
        -------
        dict of (str, int, ...) to bytes
            The digest of each file that is remembered with the same path and numbers.
        """
        by_path = {os.fsencode(file[0]): file for file in files}

        def read(connection: sqlite3.Connection) -> dict[FileKey, bytes]:
            remembered = {}
            for chunk in chunks(list(by_path)):
                rows = connection.execute(
                    "SELECT path, stamp, digest FROM files "  # nosec B608  # only question marks are put in
                    f"WHERE path IN ({marks(chunk)})",
                    chunk,
                )
                for path, stamp, digest in rows:
                    if path in by_path and stamp == _stamp(by_path[path]).encode():
                        remembered[by_path[path]] = digest
            return remembered

        return self._database().run(read, {}, writes=False)

    def put_file_digests(self, digests: Mapping[FileKey, bytes]) -> None:
        """Remember the content digests of files, in place of older ones of the same paths.

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
        """Count what is stored.

        Returns
        -------
        dict of str to int
            ``entries`` and ``bytes``: the values stored now and their total size; ``writes``: the
            values ever handed to :meth:`put_many`, new or stored already; ``evictions``: the
            entries ever dropped to make room.
        """
        names = ("entries", "bytes", "writes", "evictions")

        def read(connection: sqlite3.Connection) -> dict[str, int]:
            counts = counters(connection)
            return {name: counts[name] for name in names}

        return self._database().run(read, dict.fromkeys(names, 0), writes=False)

    def clear(self) -> None:
        """Forget every value and file digest; claims and the counts of `info` go on."""

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
    """Give the store that a ``cache`` parameter stands for.

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
    connection: sqlite3.Connection, namespace: str, asked: set[bytes]
) -> tuple[dict[bytes, bytes], list[int], list[int]]:
    """Give the values that are whole, and the numbers of rows long unused and of broken ones."""
    values, stale, broken = {}, [], []
    old = time.time() - _REFRESH_SECONDS
    for chunk in chunks(list(asked)):
        rows = connection.execute(
            "SELECT id, entry.namespace, entry.digest, value, entry.checksum, "  # nosec B608  # only question marks are put in
            "entry.used < ? FROM entries AS indexed JOIN entries AS entry USING (id) "
            "LEFT JOIN blobs USING (id) "  # the index may lead to another's entry
            f"WHERE indexed.namespace = ? AND indexed.digest IN ({marks(chunk)})",
            (old, namespace, *chunk),
        )
        for number, name, digest, value, checksum, is_old in rows:
            matches = name == namespace.encode() and digest in asked
            if not matches or not is_whole(digest, value, checksum):
                broken.append(number)
                continue
            values[digest] = value
            if is_old:
                stale.append(number)
    return values, stale, broken
