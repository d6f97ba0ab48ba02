"""The embedding store where it cannot write: full disks, missing permission, long locks."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest
from permissions import unprivileged

from sklearn_diffake.store import EmbeddingStore, _database, _embedding_store, _locks

pytestmark = pytest.mark.filterwarnings("error")

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
ITEMS = {bytes([i]) * 20: bytes([i]) * 6000 for i in range(100)}


@contextlib.contextmanager
def warns_once(folder):
    """Expect one RuntimeWarning that names the folder, however much is tried."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    assert [warning.category for warning in caught] == [RuntimeWarning]
    assert repr(str(folder)) in str(caught[0].message)


def assert_serves_only(store, reference):
    """Check a store that cannot be written: reads go on, nothing is kept, nothing raised."""
    for _ in range(3):
        store.put_many("model", {b"large": bytes(4_000_000), **ITEMS})
        store.put_file_digests({("/a" * 2_000_000, 1, 2, 3): b"digest"})
        assert store.get_many("model", [*reference, b"large"]) == reference
        assert store.get_many("model", ITEMS.keys() - reference) == {}


def test_full_disk(tmp_path):
    store = EmbeddingStore(tmp_path)
    reference = dict(list(ITEMS.items())[:50])
    store.put_many("model", reference)
    connection = _database.get_database(tmp_path).connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with warns_once(tmp_path):
        assert_serves_only(store, reference)
    connection.execute("PRAGMA max_page_count = 100000")
    store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs permission to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_really_full_disk(small_disk):
    store = EmbeddingStore(small_disk)
    reference = dict(list(ITEMS.items())[:10])
    store.put_many("model", reference)
    with warns_once(small_disk):
        assert_serves_only(store, reference)
        store.close()
        (small_disk / "filler").write_bytes(b"")
        with contextlib.suppress(OSError), (small_disk / "filler").open("wb", 0) as stream:
            while True:
                stream.write(bytes(1000))
        assert_serves_only(store, reference)
        assert store.claim("model", [b"new"]) == {b"new"}
    store.close()
    (small_disk / "filler").unlink()
    store.put_many("model", {b"new": b"value"})
    assert store.get_many("model", [b"new"]) == {b"new": b"value"}
    store.close()


def test_disk_full_from_the_start(small_disk):
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", 0) as stream:
        while True:
            stream.write(bytes(1000))
    store = EmbeddingStore(small_disk / "store")
    with warns_once(small_disk / "store"):
        assert_serves_only(store, {})
        assert store.claim("model", ITEMS) == set(ITEMS)
        assert store.info() == {"entries": 0, "bytes": 0, "writes": 0, "evictions": 0}


def test_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        store = EmbeddingStore(folder)
        with warns_once(folder):
            assert store.claim("model", ITEMS) == set(ITEMS)
            store.release("model", ITEMS)
            store.clear()
            assert store.get_file_digests([("/a", 1, 2, 3)]) == {}
            assert_serves_only(store, {})
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.fixture
def open_folder():
    """Give a folder that any user can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


READER = """
import sys, time
from sklearn_diffake.store import EmbeddingStore
print(EmbeddingStore(sys.argv[1]).info(), flush=True)
time.sleep(600)
"""


@POSIX
@pytest.mark.parametrize("in_use", [False, True], ids=["closed", "in use"])
def test_read_only_store_is_still_read(open_folder, in_use):
    writer = EmbeddingStore(open_folder)
    writer.put_many("model", ITEMS)
    if in_use:  # by another process, which holds the log open
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(open_folder)],
            env={**os.environ, "PYTHONPATH": str(Path(_embedding_store.__file__).parents[2])},
            stdout=subprocess.PIPE,
            text=True,
        )
        process.stdout.readline()
    writer.close()
    for file in open_folder.iterdir():
        file.chmod(0o444)
    open_folder.chmod(0o555)
    with unprivileged(), warns_once(open_folder):
        store = EmbeddingStore(open_folder)
        assert store.get_many("model", ITEMS) == ITEMS
        assert store.info()["entries"] == 100
        assert store.claim("model", ITEMS) == set(ITEMS)
        store.put_many("model", {b"new": b"value"})
        store.put_many("model", {b"newer": b"value"})
        assert store.get_many("model", [b"new", *ITEMS]) == ITEMS
        store.close()
    if in_use:
        process.kill()
        process.communicate()


@POSIX
def test_damaged_store_in_a_read_only_folder(open_folder):
    store = EmbeddingStore(open_folder)
    store.put_many("model", ITEMS)
    store.close()
    next(open_folder.glob("*.sqlite")).write_bytes(b"garbage " * 5000)
    open_folder.chmod(0o555)
    with unprivileged(), warns_once(open_folder):
        assert_serves_only(store, {})
        assert store.claim("model", ITEMS) == set(ITEMS)
        store.close()


@POSIX
@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_folder_without_permission(open_folder, mode):
    open_folder.chmod(mode)
    for folder in (open_folder, open_folder / "store"):
        with unprivileged(), warns_once(folder):
            assert_serves_only(EmbeddingStore(folder), {})


@POSIX
def test_permission_lost_while_in_use(open_folder):
    store = EmbeddingStore(open_folder / "store")
    store.put_many("model", ITEMS)
    open_folder.chmod(0o000)
    with unprivileged(), warns_once(open_folder / "store"):
        assert_serves_only(store, {})
    open_folder.chmod(0o755)
    store.put_many("model", {b"new": b"value"})
    assert store.get_many("model", [b"new", *ITEMS]) == {b"new": b"value", **ITEMS}
    store.close()


def test_a_writer_that_does_not_let_go_is_not_waited_for_forever(tmp_path, monkeypatch):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    monkeypatch.setattr(_database, "_BUSY_SECONDS", 0.2)
    (file,) = tmp_path.glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as second:
        assert store.get_many("model", ITEMS) == ITEMS
        second.execute("BEGIN IMMEDIATE")
        with warns_once(tmp_path):
            store.put_many("model", {b"new": b"value"})
            assert store.get_many("model", ITEMS) == ITEMS
            assert store.claim("model", [b"new"]) == {b"new"}
            store.close()
            store.put_many("model", {b"new": b"value"})
        second.execute("ROLLBACK")
    store.put_many("model", {b"new": b"value"})
    assert store.get_many("model", [b"new"]) == {b"new": b"value"}


def use_everything(store):
    """Do what embedding some pairs does with a store; return how long it took."""
    start = time.monotonic()
    for i in range(20):
        digests = [bytes([i, j]) for j in range(4)]
        assert store.get_file_digests([(f"/{i}", 1, 2, 3)]) == {}
        assert store.get_many("model", digests) == {}
        assert store.claim("model", digests) == set(digests)
        store.put_many("model", dict.fromkeys(digests, b"value"))
        store.put_file_digests({(f"/{i}", 1, 2, 3): b"digest"})
        store.release("model", digests)
    return time.monotonic() - start


def no_locks(descriptor, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def never_answers(descriptor, operation):
    time.sleep(600)


@POSIX
@pytest.mark.parametrize(
    ("lock", "reason"),
    [(no_locks, "does not lock files"), (never_answers, "does not answer when a file is locked")],
)
def test_a_file_system_without_locks_costs_seconds_in_all(tmp_path, monkeypatch, lock, reason):
    monkeypatch.setattr(_locks.fcntl, "lockf", lock)
    monkeypatch.setattr(_locks, "_ANSWER_SECONDS", 0.3)
    with warns_once(tmp_path) as caught:
        seconds = use_everything(EmbeddingStore(tmp_path))
    assert reason in str(caught[0].message)
    assert seconds < 2
    assert not list(tmp_path.glob("*.sqlite"))


def test_locks_that_are_always_held_are_waited_for_once(tmp_path, monkeypatch):
    """As SQLite sees a file system whose locks fail after the first look."""
    store = EmbeddingStore(tmp_path)
    store.info()
    monkeypatch.setattr(_database, "_BUSY_SECONDS", 0.5)
    store.close()
    (file,) = tmp_path.glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as second:
        second.execute("BEGIN EXCLUSIVE")
        with warns_once(tmp_path):
            assert 0.4 < use_everything(store) < 2.5
        second.execute("ROLLBACK")
    store.put_many("model", {b"new": b"value"})
    assert store.get_many("model", [b"new"]) == {b"new": b"value"}
    database = _database.get_database(tmp_path)
    assert database.connection.execute("PRAGMA busy_timeout").fetchone()[0] == 500


def test_the_wait_is_short():
    assert _database._BUSY_SECONDS + _locks._ANSWER_SECONDS < 15


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_store_is_its_owners_alone(tmp_path, umask):
    original = os.umask(umask)
    try:
        store = EmbeddingStore(tmp_path / "a" / "store")
        store.put_many("model", ITEMS)
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")}
        assert modes.pop("store") == 0o700
        assert len(modes) >= 3  # the file, its log and the shared memory
        assert set(modes.values()) == {0o600}
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(original)


def test_a_connection_that_fails_is_replaced(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    database = _database.get_database(tmp_path)
    failed = database.connection

    def fail(connection):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with warns_once(tmp_path):
        assert database.run(fail, "default", writes=True) == "default"
    assert store.get_many("model", ITEMS) == ITEMS
    assert database.connection is not failed
