"""The embedding store: what it stores, forgets, counts and hands out."""

import contextlib
import copy
import hashlib
import os
import pickle
import signal
import sqlite3
import threading
import time
from pathlib import Path

import joblib
import pytest
from sklearn.base import BaseEstimator, clone

from sklearn_diffake.store import EmbeddingStore, _embedding_store, _owner, as_store

pytestmark = pytest.mark.filterwarnings("error")


def digests_of(numbers):
    return [hashlib.blake2b(str(number).encode(), digest_size=20).digest() for number in numbers]


def values_for(digests, size=100):
    return {digest: (digest * (size // 20 + 1))[:size] for digest in digests}


@pytest.fixture
def store(tmp_path):
    store = EmbeddingStore(tmp_path / "store")
    yield store
    store.close()


@contextlib.contextmanager
def open_second(store):
    """Another connection to the store's file, as another process would have."""
    (file,) = Path(store.path).glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


def in_thread(function, *args):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    thread.join()
    return results[0]


class Embedder(BaseEstimator):
    def __init__(self, cache=None):
        self.cache = cache


# -- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 500, 1201])
@pytest.mark.parametrize("size", [0, 1, 2048, 150_000])
def test_values_come_back_and_only_those_stored(store, n, size):
    n = min(n, 30) if size == 150_000 else n
    digests = digests_of(range(n + 5))
    items = values_for(digests[:n], size)
    store.put_many("model", items)
    assert store.get_many("model", digests + digests[:3]) == items
    assert store.get_many("another model", digests) == {}
    assert store.get_many("model", iter(digests[:2])) == values_for(digests[:2][:n], size)
    assert store.get_many("model", []) == {}


def test_namespaces_stand_apart(store):
    (digest,) = digests_of([0])
    store.put_many("a", {digest: b"from a"})
    store.put_many("b", {digest: b"from b"})
    assert store.get_many("a", [digest]) == {digest: b"from a"}
    assert store.get_many("b", [digest]) == {digest: b"from b"}


def test_putting_again_changes_nothing_but_the_count(store):
    digests = digests_of(range(3))
    store.put_many("model", dict.fromkeys(digests[:2], b"first"))
    store.put_many("model", dict.fromkeys(digests, b"second"))
    store.put_many("model", {})
    expected = {digests[0]: b"first", digests[1]: b"first", digests[2]: b"second"}
    assert store.get_many("model", digests) == expected
    assert store.info() == {"entries": 3, "bytes": 16, "writes": 5, "evictions": 0}


@pytest.mark.parametrize("items", [{b"d": "text"}, {"d": b"value"}, {b"d": None}, {None: b""}])
def test_only_bytes_are_stored(store, items):
    with pytest.raises(TypeError, match="digests and values must be bytes, got"):
        store.put_many("model", {b"good": b"value", **items})
    assert store.get_many("model", [b"good"]) == {}


def test_counts_outlive_the_connection_and_clear(store):
    store.put_many("model", values_for(digests_of(range(10))))
    store.close()
    assert store.info() == {"entries": 10, "bytes": 1000, "writes": 10, "evictions": 0}
    store.put_file_digests({("/a", 1, 2, 3): b"digest"})
    store.clear()
    assert store.info() == {"entries": 0, "bytes": 0, "writes": 10, "evictions": 0}
    assert store.get_many("model", digests_of(range(10))) == {}
    assert store.get_file_digests([("/a", 1, 2, 3)]) == {}


def test_clear_gives_the_space_back(store):
    store.put_many("model", values_for(digests_of(range(200)), 50_000))
    store.close()
    (file,) = Path(store.path).glob("*.sqlite")
    assert file.stat().st_size > 10_000_000
    store.clear()
    store.close()
    assert file.stat().st_size < 1_000_000


def test_many_values_are_read_in_one_call(store):
    items = values_for(digests_of(range(1200)), 5120)
    store.put_many("model", items)
    assert store.get_many("model", items) == items


# -- the instance -----------------------------------------------------------------------------


def test_instance_is_its_parameters_before_and_after_use(tmp_path):
    path = tmp_path / "store"
    used_store, fresh = EmbeddingStore(path, max_bytes=10**6), EmbeddingStore(path, max_bytes=10**6)
    assert not path.exists()
    original = joblib.hash(used_store), pickle.dumps(used_store), repr(used_store)
    used_store.put_many("model", {b"digest": b"value"})
    assert path.is_dir()
    assert (joblib.hash(used_store), pickle.dumps(used_store), repr(used_store)) == original
    assert used_store == fresh
    assert hash(used_store) == hash(fresh)
    assert joblib.hash(used_store) == joblib.hash(fresh)
    assert used_store == EmbeddingStore(str(path), max_bytes=10**6)
    assert used_store != EmbeddingStore(path)
    assert used_store != EmbeddingStore(tmp_path, max_bytes=10**6)
    assert used_store != path
    assert eval(repr(used_store)) == used_store
    copies = (
        pickle.loads(pickle.dumps(used_store)),
        copy.deepcopy(used_store),
        clone(Embedder(used_store)).cache,
    )
    for copied in copies:
        assert copied == used_store
        assert copied.get_many("model", [b"digest"]) == {b"digest": b"value"}


def test_works_from_loky_workers_and_threads(store):
    items = values_for(digests_of(range(40)))
    pieces = [dict(list(items.items())[i::8]) for i in range(8)]
    for backend, namespace in [("loky", "a"), ("threading", "b")]:
        joblib.Parallel(n_jobs=2, backend=backend)(
            joblib.delayed(store.put_many)(namespace, piece) for piece in pieces
        )
        assert store.get_many(namespace, items) == items
    assert store.info()["writes"] == 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_children_use_the_store_while_a_thread_of_the_parent_does(store):
    store.put_many("model", {b"parent": b"value"})
    stop = threading.Event()

    def write():
        for number in range(100_000):
            if stop.is_set():
                return number
            store.put_many("thread", {str(number).encode(): b"value"})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        children = []
        for number in range(8):
            pid = os.fork()
            if pid == 0:
                signal.alarm(60)  # ends a child that hangs
                try:
                    stored_values = store.get_many("model", [b"parent"])
                    store.put_many("child", {str(number).encode(): stored_values[b"parent"]})
                    os._exit(0)
                finally:
                    os._exit(1)
            children.append(pid)
        statuses = [os.waitpid(pid, 0)[1] for pid in children]
    finally:
        stop.set()
        thread.join()
    assert statuses == [0] * 8
    names = [str(number).encode() for number in range(8)]
    assert store.get_many("child", names) == dict.fromkeys(names, b"value")
    with open_second(store) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_as_store(store, tmp_path):
    assert as_store(None) is None
    assert as_store(store) is store
    assert as_store(str(tmp_path)) == as_store(tmp_path) == EmbeddingStore(tmp_path)
    with pytest.raises(TypeError, match=r"None, the path of a folder, or an .* got 3 of type int"):
        as_store(3)


# -- bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "batch"),
    [
        pytest.param(100, 500, marks=pytest.mark.slow),
        (400, 500),
        (2048, 50),
        (8192, 50),
        (8192, 1),
        (40_000, 30),
    ],
)
def test_counted_size_and_file_are_bounded(tmp_path, size, batch):
    store = EmbeddingStore(tmp_path, max_bytes=2_000_000)
    n = 5 * store.max_bytes // size
    digests = digests_of(range(n))
    for start in range(0, n, batch):
        store.put_many("model", values_for(digests[start : start + batch], size))
        assert store.info()["bytes"] <= store.max_bytes
    running = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert running < 1.3 * store.max_bytes + 20_000_000  # the log comes on top, up to 16 MB
    store.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1.3 * store.max_bytes
    info = store.info()
    assert info["writes"] == n
    assert info["evictions"] == n - info["entries"]
    assert info["bytes"] > (0.2 if size < 1000 else 0.4) * store.max_bytes
    last = digests[n - info["entries"] :]
    assert store.get_many("model", digests) == values_for(last, size)


def test_least_recently_used_leaves_first(tmp_path, monkeypatch):
    store = EmbeddingStore(tmp_path, max_bytes=10 * 1400)
    digests = digests_of(range(16))
    for digest in digests[:10]:
        store.put_many("model", values_for([digest], 1000))
    monkeypatch.setattr(_embedding_store, "_REFRESH_SECONDS", 0.0)
    store.get_many("model", digests[:2])  # used by reading
    store.put_many("model", values_for([digests[2]], 1000))  # used by writing again
    for digest in digests[10:]:
        store.put_many("model", values_for([digest], 1000))
    remaining = set(store.get_many("model", digests))
    assert remaining == {*digests[:3], *digests[9:]}
    assert store.info()["evictions"] == 6


def test_reading_writes_only_what_is_old_and_never_waits(store, monkeypatch):
    digests = digests_of(range(3))
    store.put_many("model", values_for(digests))
    with open_second(store) as second:

        def times():
            return [row[0] for row in second.execute("SELECT used FROM entries ORDER BY id")]

        second.execute("UPDATE entries SET used = used - 1000 WHERE id = 1")
        old = times()
        second.execute("BEGIN IMMEDIATE")
        start = time.perf_counter()
        assert len(store.get_many("model", digests)) == 3
        assert time.perf_counter() - start < 5  # of the 60 s it would wait to write
        second.execute("ROLLBACK")
        assert times() == old
        assert len(store.get_many("model", digests)) == 3
        assert times()[0] >= old[0] + 1000
        assert times()[1:] == old[1:]


def test_a_value_larger_than_the_store_is_not_kept_and_evicts_nothing(tmp_path):
    store = EmbeddingStore(tmp_path, max_bytes=100_000)
    store.put_many("model", {b"small": b"value"})
    store.put_many("model", {b"large": bytes(100_000)})
    assert store.get_many("model", [b"small", b"large"]) == {b"small": b"value"}
    store.put_many("model", values_for(digests_of(range(20)), 20_000))  # in one go
    assert set(store.get_many("model", digests_of(range(20)))) == set(digests_of(range(16, 20)))


# -- claims -----------------------------------------------------------------------------------


def test_claims_exclude_other_threads_until_released_or_stored(store):
    a, b, c, d = digests = digests_of(range(4))
    store.put_many("model", {d: b"value"})
    assert store.claim("model", digests) == {a, b, c}
    assert store.claim("model", digests) == {a, b, c}, "one's own claims are renewed"
    assert in_thread(store.claim, "model", digests) == set()
    assert in_thread(store.claim, "another model", digests) == set(digests)
    in_thread(store.release, "model", digests)  # not its own: nothing happens
    assert in_thread(store.claim, "model", digests) == set()
    store.release("model", [a])
    assert in_thread(
        store.claim,
        "model",
        digests,
    ) == {a}
    store.put_many("model", {b: b"value"})
    assert store.claim("model", [b]) == set()
    with open_second(store) as second:
        claimed = second.execute("SELECT digest FROM claims WHERE namespace = 'model'").fetchall()
    assert {row[0] for row in claimed} == {a, c}


def test_a_claim_ends_after_two_minutes_unless_it_is_renewed(store, monkeypatch):
    current_time = time.time()
    for seconds in (0, 100, 200):
        monkeypatch.setattr(
            _embedding_store.time, "time", lambda seconds=seconds: current_time + seconds
        )
        assert store.claim("model", [b"digest"]) == {b"digest"}
    monkeypatch.setattr(_embedding_store.time, "time", lambda: current_time + 319)
    assert in_thread(store.claim, "model", [b"digest"]) == set()
    monkeypatch.setattr(_embedding_store.time, "time", lambda: current_time + 320)
    assert in_thread(store.claim, "model", [b"digest"]) == {b"digest"}
    assert store.claim("model", [b"digest"]) == set()


@pytest.mark.parametrize(
    ("seconds_ahead", "free"), [(0, False), (30, False), (-100, False), (90, True), (1e9, True)]
)
def test_a_claim_dated_in_the_future_is_ignored(store, monkeypatch, seconds_ahead, free):
    """As after the clock was set back; a clock a little ahead is that of another host."""
    current_time = time.time()
    monkeypatch.setattr(_embedding_store.time, "time", lambda: current_time + seconds_ahead)
    assert store.claim("model", [b"digest"]) == {b"digest"}
    monkeypatch.setattr(_embedding_store.time, "time", lambda: current_time)
    assert in_thread(store.claim, "model", [b"digest"]) == ({b"digest"} if free else set())


def test_each_digest_is_given_to_one_of_many_threads(store):
    digests = digests_of(range(300))
    provided = joblib.Parallel(n_jobs=6, backend="threading")(
        joblib.delayed(store.claim)("model", digests[i * 30 :]) for i in range(6)
    )
    assert sorted(digest for piece in provided for digest in piece) == sorted(digests)


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ({0: "another-host:1"}, False),
        ({0: "another-host:1", 1: "999999999"}, False),
        ({1: "999999999"}, True),  # no such process
        ({1: "not a number"}, True),
        ({3: "1"}, False),  # another thread of this process
        pytest.param(
            {2: "1"},  # the process id is in use again
            True,
            marks=pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
        ),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked for on Windows")
def test_claims_of_the_dead_are_taken_over_at_once(store, monkeypatch, change, free):
    owner = _owner.current_owner().split("|")
    for position, value in change.items():
        owner[position] = value
    with monkeypatch.context() as patch:
        patch.setattr(_embedding_store, "current_owner", lambda: "|".join(owner))
        assert store.claim("model", [b"digest"]) == {b"digest"}
    assert store.claim("model", [b"digest"]) == ({b"digest"} if free else set())


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked for on Windows")
def test_a_process_of_another_user_is_running(monkeypatch):
    def refuse(pid, signal):
        raise PermissionError

    owner = _owner.current_owner()
    monkeypatch.setattr(os, "kill", refuse)
    assert _owner.is_running(owner)
    host, pid, started, thread = owner.rsplit("|", 3)
    later = _owner.is_running(f"{host}|{pid}|{started}0|{thread}")
    assert later == (not started)  # with the same id, but not the same one


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked for on Windows")
def test_owners_where_there_is_no_proc(monkeypatch):
    stat = os.stat

    def without_proc(path, *args, **kwargs):
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(path)
        return stat(path, *args, **kwargs)

    _owner._host.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", without_proc)
        patch.setattr(_owner, "Path", lambda path: Path(f"/nowhere{path}"))
        owner = _owner.current_owner()
        host, pid, started, thread = owner.rsplit("|", 3)
        assert (host.endswith(":0"), pid, started) == (True, str(os.getpid()), "")
        assert _owner.is_running(owner)
        assert not _owner.is_running(f"{host}|{2**22 + 7}||{thread}")  # beyond any id
    _owner._host.cache_clear()


# -- file digests -----------------------------------------------------------------------------


def test_file_digests_are_remembered_until_the_file_changes(store):
    files = [(f"/photos/{i}.jpg", 10 + i, 10**18 + i, 2**63 + i) for i in range(1201)]
    files.append(("/photos/\udcff.jpg", 1, 2, 3))
    cached = {file: str(file[1]).encode() for file in files}
    store.put_file_digests(cached)
    assert store.get_file_digests(files) == cached
    path, size, mtime, inode = files[0]
    for modified in [(path, size + 1, mtime, inode), (path, size, mtime + 1, inode)]:
        assert store.get_file_digests([modified]) == {}
    modified = (path, size, mtime, inode + 1)
    store.put_file_digests({modified: b"new"})
    assert store.get_file_digests([modified]) == {modified: b"new"}
    assert store.get_file_digests(files[:2]) == {files[1]: cached[files[1]]}


def test_file_digests_are_bounded(tmp_path):
    store = EmbeddingStore(tmp_path, max_bytes=2048 * 10)
    files = [(f"/{i}", 1, 2, 3) for i in range(25)]
    for file in files:
        store.put_file_digests({file: b"digest"})
    assert set(store.get_file_digests(files)) == set(files[-10:])
