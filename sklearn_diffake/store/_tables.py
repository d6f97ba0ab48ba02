"""The tables of the store, and the statements that its methods share.

All functions work on an open connection. The caller opens transactions unless a docstring says
otherwise.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence

from sklearn_diffake.utils._batches import batches_of

APPLICATION_ID = 0x44464B45
VERSION = 1
_PAGE = 16384  # bytes; smaller pages would be mostly empty with a value of 2 or 5 kB
_OVERHEAD = 256  # bytes of bookkeeping an entry
KEYS_PER_STATEMENT = 500  # digests a statement
_COUNTERS = ("entries", "bytes", "charged", "writes", "evictions")

# Values are in another table than their bookkeeping: to mark one as used does not rewrite it.
SCHEMA = f"""
PRAGMA page_size = {_PAGE};
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, digest BLOB NOT NULL,
    size INTEGER NOT NULL, charge INTEGER NOT NULL,
    checksum INTEGER NOT NULL, used REAL NOT NULL,
    UNIQUE (namespace, digest)
);
CREATE INDEX entries_by_use ON entries (used);
CREATE TABLE blobs (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE claims (
    namespace TEXT NOT NULL, digest BLOB NOT NULL, owner TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (namespace, digest)
) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, stamp TEXT NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE counters (
    entries INTEGER, bytes INTEGER, charged INTEGER, writes INTEGER, evictions INTEGER
);
INSERT INTO counters VALUES (0, 0, 0, 0, 0);
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    UPDATE counters
    SET entries = entries + 1, bytes = bytes + NEW.size, charged = charged + NEW.charge;
END;
CREATE TRIGGER entry_dropped AFTER DELETE ON entries BEGIN
    DELETE FROM blobs WHERE id = OLD.id;
    UPDATE counters
    SET entries = entries - 1, bytes = bytes - OLD.size, charged = charged - OLD.charge;
END;
COMMIT;
PRAGMA journal_mode = WAL;
"""  # nosec B608  # only the constants above are put in


def corruption_error(message: str) -> sqlite3.DatabaseError:
    """Return an error as SQLite raises it for a corrupt file."""
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def layout(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Return the definitions of all tables, and the first page of each."""
    return connection.execute("SELECT name, tbl_name, rootpage, sql FROM sqlite_master").fetchall()


@functools.cache
def own_layout() -> list[tuple[object, ...]]:
    """Return the layout of an intact store."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.text_factory = bytes
        connection.executescript(SCHEMA)
        return layout(connection)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the write lock for a block of statements; commit all of them, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def placeholders(items: Sequence[bytes]) -> str:
    """Return a placeholder for each item."""
    return ",".join("?" * len(items))


def checksum_of(digest: bytes, value: bytes) -> int:
    """Return the checksum of a value, which also detects a value under a wrong digest."""
    return zlib.crc32(value, zlib.crc32(digest))


def is_intact(digest: bytes, value: object, checksum: int) -> bool:
    """Return whether a value is the one that was stored under its digest."""
    return isinstance(value, bytes) and checksum_of(digest, value) == checksum


def row_numbers(
    connection: sqlite3.Connection, namespace: str, digests: Sequence[bytes]
) -> dict[bytes, int]:
    """Return the row number of each digest that is stored."""
    numbers: dict[bytes, int] = {}
    for batch in batches_of(digests, KEYS_PER_STATEMENT):
        numbers.update(
            connection.execute(
                "SELECT entry.digest, entry.id "  # nosec B608  # only question marks are put in
                "FROM entries AS indexed JOIN entries AS entry USING (id) "  # not the index alone
                "WHERE entry.namespace = indexed.namespace AND entry.digest = indexed.digest "
                f"AND indexed.namespace = ? AND indexed.digest IN ({placeholders(batch)})",
                (namespace, *batch),
            )
        )
    return numbers


def insert(
    connection: sqlite3.Connection,
    namespace: str,
    new: dict[bytes, bytes],
    time_used: float,
    max_bytes: int,
) -> int:
    """Insert values that are not stored yet; return how many others were evicted."""
    n_free, rows = max_bytes, []
    for digest, value in reversed(new.items()):  # if they do not all fit, keep the last ones
        charge = _charge(len(value))
        if charge <= n_free:
            n_free -= charge
            rows.append((digest, value, charge))
    evicted = _evict(connection, incoming=max_bytes - n_free, max_bytes=max_bytes)
    first = connection.execute("SELECT ifnull(max(id), 0) + 1 FROM entries").fetchone()[0]
    numbered = list(enumerate(reversed(rows), start=first))
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(i, namespace, d, len(v), c, checksum_of(d, v), time_used) for i, (d, v, c) in numbered],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO blobs VALUES (?, ?)", [(i, v) for i, (_, v, _) in numbered]
    )
    return evicted


def check_pages(connection: sqlite3.Connection) -> None:
    """Raise an error if pages of the file are corrupt; reads the whole file."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if bytes(verdict) != b"ok":
        raise corruption_error("its pages are damaged")


def counters(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the counters: entries, bytes, charged, writes and evictions."""
    row = connection.execute("SELECT * FROM counters").fetchone() or ()
    if len(row) != len(_COUNTERS) or not all(isinstance(n, int) and n >= 0 for n in row):
        raise corruption_error("the counts are damaged")
    return dict(zip(_COUNTERS, row, strict=True))


def _charge(size: int) -> int:
    """Return the bytes that a value takes up on disk: its fraction of a page, and bookkeeping."""
    if size < _PAGE:
        size = _PAGE // max(1, _PAGE // (size + 32))  # by the number of values in a page
    return size + _OVERHEAD


def _evict(connection: sqlite3.Connection, *, incoming: int, max_bytes: int) -> int:
    """Drop the least recently used entries until `incoming` bytes fit; return their number."""
    excess = counters(connection)["charged"] + incoming - max_bytes
    victims = []
    if excess > 0:
        rows = connection.execute("SELECT id, charge FROM entries ORDER BY used, id")
        for number, charge in rows:
            victims.append((number,))
            excess -= charge
            if excess <= 0:
                break
        rows.close()
        if excess > 0:
            raise corruption_error("the sizes of all values do not add up to what is counted")
        connection.executemany("DELETE FROM entries WHERE id = ?", victims)
        connection.execute("UPDATE counters SET evictions = evictions + ?", (len(victims),))
    return len(victims)


def refresh(connection: sqlite3.Connection, stale: Sequence[int], broken: Sequence[int]) -> bool:
    """Mark rows as just used and drop corrupt rows; return False if another process is writing."""
    refreshed = False
    timeout = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        with contextlib.suppress(sqlite3.OperationalError), transaction(connection):
            connection.executemany("DELETE FROM entries WHERE id = ?", [(i,) for i in broken])
            time_used = time.time()
            connection.executemany(
                "UPDATE entries SET used = ? WHERE id = ?", [(time_used, i) for i in stale]
            )
            refreshed = True
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout}")
    return refreshed


def drop_claims(
    connection: sqlite3.Connection,
    namespace: str,
    digests: Sequence[bytes],
    *,
    owner: str | None = None,
) -> None:
    """Drop the claims of `owner`, or of all owners."""
    connection.executemany(
        "DELETE FROM claims WHERE namespace = ? AND digest = ? AND owner = ifnull(?, owner)",
        [(namespace, digest, owner) for digest in digests],
    )


def shrink(connection: sqlite3.Connection) -> None:
    """Return unused pages to the disk if there are many."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    if free > pages // 4:
        connection.executescript("PRAGMA incremental_vacuum")  # execute() would free one page
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
