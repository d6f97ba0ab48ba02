"""The embedding store among many processes, of which some are killed, and on a damaged file."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sklearn_diffake.store import EmbeddingStore, _database, _embedding_store

pytestmark = pytest.mark.filterwarnings("error")

ROOT = Path(_embedding_store.__file__).parents[2]
POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals and permissions")
ITEMS = {bytes([i]) * 20: bytes([i]) * 6000 for i in range(100)}


def start(script, *args):
    """Run a script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script, *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def database_file(folder):
    (file,) = Path(folder).glob("*.sqlite")
    return file


def assert_sound(folder):
    """Check the file with SQLite itself, and the counts against the rows."""
    with contextlib.closing(sqlite3.connect(database_file(folder))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counted = connection.execute("SELECT entries, bytes, charged FROM counters").fetchone()
        rows = connection.execute("SELECT count(*), sum(size), sum(charge) FROM entries")
        assert counted == rows.fetchone()
        orphans = "SELECT count(*) FROM blobs WHERE id NOT IN (SELECT id FROM entries)"
        assert connection.execute(orphans).fetchone() == (0,)


# -- many processes, and kill -9 --------------------------------------------------------------

WRITER = """
import sys
from sklearn_diffake.store import EmbeddingStore
store = EmbeddingStore(sys.argv[1], max_bytes=3_000_000)
for batch in range(10**6):
    names = [f"{sys.argv[2]}-{batch}-{i}".encode() for i in range(20)]
    store.put_many("model", {name: name * 300 for name in names})
    print(batch, flush=True)
"""


@POSIX
def test_survives_kill_in_mid_write(tmp_path):
    store = EmbeddingStore(tmp_path, max_bytes=3_000_000)
    for life in range(6):
        process = start(WRITER, tmp_path, life)
        process.stdout.readline()
        time.sleep(0.03 * life)
        process.kill()
        reported = [int(line) for line in process.stdout] or [0]
        process.wait()
        process.stdout.close()
        for batch in range(max(0, reported[-1] - 3), reported[-1] + 2):
            names = [f"{life}-{batch}-{i}".encode() for i in range(20)]
            result = store.get_many("model", names)
            full = {name: name * 300 for name in names}
            assert result == full or (batch > reported[-1] and not result)
        store.put_many("model", {b"life": b"goes on"})
        store.close()
        assert_sound(tmp_path)
    assert not list(tmp_path.glob("*.damaged"))


WORKER = """
import sys, time
from sklearn_diffake.store import EmbeddingStore
store = EmbeddingStore(sys.argv[1])
wanted = [f"digest {i}".encode() for i in range(int(sys.argv[2]))]
missing = set(wanted)
while missing:
    missing -= set(store.get_many("model", missing))
    mine = sorted(store.claim("model", missing))[:7]
    store.release("model", missing - set(mine))
    if mine:
        print(*(digest.decode().split()[1] for digest in mine), flush=True)
        store.put_many("model", {digest: digest * 100 for digest in mine})
    else:
        time.sleep(0.005)
assert store.get_many("model", wanted) == {digest: digest * 100 for digest in wanted}
"""


def test_many_processes_compute_each_digest_once(tmp_path):
    n = 400
    workers = [start(WORKER, tmp_path / "new", n) for _ in range(4)]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    computed = [int(number) for output in outputs for number in output.split()]
    assert sorted(computed) == list(range(n))
    assert EmbeddingStore(tmp_path / "new").info()["writes"] == n


CLAIMANT = """
import sys, time
from sklearn_diffake.store import EmbeddingStore
print(len(EmbeddingStore(sys.argv[1]).claim("model", [b"a", b"b"])), flush=True)
time.sleep(600)
"""


@POSIX
def test_a_process_that_leaves_lets_the_others_keep_their_log(tmp_path):
    """Opening and closing the file ends SQLite's locks on it."""
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    log = Path(f"{database_file(tmp_path)}-wal")
    assert log.exists()
    second = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM counters')"
    )
    with start(f"{second}.fetchall(); c.close()", database_file(tmp_path)) as process:
        assert process.wait() == 0
    assert log.exists()
    assert store.get_many("model", ITEMS) == ITEMS


@POSIX
def test_claims_of_a_killed_process_are_taken_over(tmp_path):
    store = EmbeddingStore(tmp_path)
    process = start(CLAIMANT, tmp_path)
    assert process.stdout.readline() == "2\n"
    assert store.claim("model", [b"a", b"b", b"c"]) == {b"c"}
    process.send_signal(signal.SIGKILL)
    if Path("/proc/self/stat").exists():  # there even a process not yet waited for counts as dead
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    assert store.claim("model", [b"a", b"b", b"c"]) == {b"a", b"b", b"c"}
    process.wait()
    process.stdout.close()


# -- damage -----------------------------------------------------------------------------------


def overwrite(file):
    file.write_bytes(b"garbage " * 5000)


def overwrite_text(file):
    file.write_text("not a database")


def truncate(file):
    os.truncate(file, file.stat().st_size // 2)


def empty(file):
    os.truncate(file, 0)


def overwrite_middle(file):
    with file.open("r+b") as stream:
        stream.seek(16384)
        stream.write(b"\xa5" * (file.stat().st_size - 16384))


def unknown_way_to_write(file):
    with file.open("r+b") as stream:
        stream.seek(18)
        stream.write(b"\x0a")


def another_schema(file):
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript("CREATE TABLE photos (id); INSERT INTO photos VALUES (1);")


def statement(sql):
    def change(file):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.executescript(sql)

    return change


CORRUPTIONS = {
    "garbage": overwrite,
    "text": overwrite_text,
    "truncated": truncate,
    "empty": empty,
    "middle": overwrite_middle,
    "header": unknown_way_to_write,  # SQLite would only read such a file
    "foreign": another_schema,
    "newer": statement("PRAGMA user_version = 999"),
    "no table": statement("DROP TABLE blobs"),
    "no trigger": statement("DROP TRIGGER entry_dropped"),
}


@pytest.mark.parametrize(
    ("name", "first"),
    [
        (name, first)
        for name in CORRUPTIONS
        for first in ("get", "put", "claim", "info")
        if (name, first) != ("middle", "info")  # the counts are not where this damage is
    ],
)
def test_a_damaged_file_is_set_aside(tmp_path, name, first):
    store = EmbeddingStore(tmp_path)
    uses = {
        "get": (lambda: store.get_many("model", ITEMS), {}),
        "put": (lambda: store.put_many("model", {b"new": b"value"}), None),
        "claim": (lambda: store.claim("model", ITEMS), set(ITEMS)),
        "info": (lambda: store.info()["entries"], 0),
    }
    for _ in range(2):
        store.put_many("model", ITEMS)
        store.close()
        CORRUPTIONS[name](database_file(tmp_path))
        use, expected = uses[first]
        with pytest.warns(RuntimeWarning, match="was damaged") as caught:
            assert use() == expected
        assert len(caught) == 1
        assert repr(str(tmp_path)) in str(caught[0].message)
        assert [file.name for file in tmp_path.glob("*.damaged*")] == ["embeddings.sqlite.damaged"]
        store.release("model", ITEMS)
        store.put_many("model", ITEMS)
        assert store.get_many("model", ITEMS) == ITEMS
        store.close()
        assert_sound(tmp_path)


def test_damage_is_noticed_while_the_store_is_in_use(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    file = database_file(tmp_path)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite_middle(file)
    with pytest.warns(RuntimeWarning, match="was damaged"):
        assert store.get_many("model", ITEMS) != ITEMS
    store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS


@POSIX
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_set_aside(tmp_path, make):
    """A named pipe that is opened waits for whoever writes to it."""
    script = (
        "import sys, warnings; warnings.simplefilter('ignore');"
        "from sklearn_diffake.store import EmbeddingStore;"
        "store = EmbeddingStore(sys.argv[1]); store.put_many('n', {b'a': b'1'});"
        "print(store.get_many('n', [b'a']))"
    )
    EmbeddingStore(tmp_path).put_many("n", {b"a": b"1"})
    EmbeddingStore(tmp_path).close()
    file = database_file(tmp_path)
    file.unlink()
    make(file)
    process = start(script, tmp_path)
    try:
        assert process.communicate(timeout=60)[0] == "{b'a': b'1'}\n"
    finally:
        process.kill()
        process.wait()


def test_garbage_in_every_file_of_the_folder(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    for file in tmp_path.iterdir():
        overwrite(file)
    with pytest.warns(RuntimeWarning, match="was damaged"):
        store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS


def test_drafts_of_killed_processes_are_cleared_away(tmp_path):
    for name in ("embeddings-1.new", "embeddings-1.new-journal"):
        (tmp_path / name).write_bytes(b"half of a store")
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS
    assert not list(tmp_path.glob("*.new*"))


def test_a_wrong_statement_is_no_damage(tmp_path):
    EmbeddingStore(tmp_path).put_many("model", ITEMS)
    database = _database.get_database(tmp_path)
    with pytest.raises(sqlite3.ProgrammingError):
        database.run(lambda connection: connection.execute("SELECT ?", ()), None, writes=False)
    assert EmbeddingStore(tmp_path).get_many("model", ITEMS) == ITEMS


def test_a_folder_deleted_in_use_is_made_again(tmp_path):
    store = EmbeddingStore(tmp_path / "store")
    store.put_many("model", ITEMS)
    shutil.rmtree(tmp_path / "store")
    assert store.get_many("model", ITEMS) == {}
    store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS
    store.close()
    assert_sound(tmp_path / "store")


READER = """
import sys
from sklearn_diffake.store import EmbeddingStore
store = EmbeddingStore(sys.argv[1])
for line in sys.stdin:
    store.put_many("model", {line.encode(): b"value"})
    print(store.info()["entries"], flush=True)
"""


def test_a_process_that_holds_the_damaged_file_goes_over_to_the_new_one(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    second = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", READER, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    second.stdin.write("a\n")
    assert second.stdout.readline() == "101\n"
    error = sqlite3.DatabaseError("damage seen by this process only")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    database = _database.get_database(tmp_path)
    with pytest.warns(RuntimeWarning, match="damage seen by this process only"):
        assert database._recover(error)
    file_names = {file.name for file in tmp_path.iterdir()}
    assert file_names == {"lock", "embeddings.sqlite.damaged"}, "its log goes with the damaged file"
    store.put_many("model", {b"new": b"value"})
    second.stdin.write("b\n")
    assert second.stdout.readline() == "2\n"
    second.communicate()
    assert second.returncode == 0
    assert store.get_many("model", [b"new", b"b\n"]) == dict.fromkeys([b"new", b"b\n"], b"value")
    store.close()
    assert_sound(tmp_path)


def test_a_file_is_set_aside_by_one_process_only(tmp_path, monkeypatch):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    older = tmp_path / "embeddings-0.sqlite"
    older.touch()
    assert _database.get_database(tmp_path)._move_damaged(older) is None
    assert older.exists()
    older.unlink()
    store.close()

    really_open = _database._open

    def too_late(file, wait_seconds):
        monkeypatch.setattr(_database, "_open", really_open)
        file.unlink()  # by another process, after it was looked up and before it was opened
        return really_open(file, wait_seconds)

    monkeypatch.setattr(_database, "_open", too_late)
    store.put_many("model", {b"new": b"value"})
    assert store.get_many("model", [b"new", *ITEMS]) == {b"new": b"value"}


def test_one_flipped_byte_costs_one_row(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    file = database_file(tmp_path)
    content = bytearray(file.read_bytes())
    offset = content.index(bytes([7]) * 5000) + 2500
    content[offset] ^= 0x10
    file.write_bytes(content)
    sound = {digest: value for digest, value in ITEMS.items() if value[0] != 7}
    assert store.get_many("model", ITEMS) == sound
    assert store.info()["entries"] == 99
    assert store.claim("model", ITEMS) == ITEMS.keys() - sound.keys()
    store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE blobs SET value = 5 WHERE id = 8",
        "UPDATE blobs SET value = 'text' WHERE id = 8",
        "UPDATE blobs SET value = (SELECT value FROM blobs WHERE id = 9) WHERE id = 8",
        "UPDATE entries SET checksum = 'x' WHERE id = 8",
        "DELETE FROM blobs WHERE id = 8",
    ],
)
def test_a_row_that_is_not_what_was_stored_is_a_miss(tmp_path, sql):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    statement(sql)(database_file(tmp_path))
    missing = list(ITEMS)[7]
    assert ITEMS.keys() - store.get_many("model", ITEMS).keys() == {missing}
    store.put_many("model", ITEMS)
    assert store.get_many("model", ITEMS) == ITEMS


def test_a_value_under_the_digest_of_another_is_a_miss(tmp_path):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    first, second = list(ITEMS)[7:9]
    with contextlib.closing(sqlite3.connect(database_file(tmp_path))) as connection, connection:
        connection.execute("DELETE FROM entries WHERE digest = ?", (first,))
        connection.execute("UPDATE entries SET digest = ? WHERE digest = ?", (first, second))
    assert ITEMS.keys() - store.get_many("model", ITEMS).keys() == {first, second}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE counters SET charged = 1000000000000",
        "UPDATE counters SET charged = 'many'",
        "DELETE FROM counters",
    ],
    ids=["too much", "text", "no row"],
)
def test_counts_that_cannot_be_true_are_damage(tmp_path, sql):
    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    statement(sql)(database_file(tmp_path))
    with pytest.warns(RuntimeWarning, match=r"was damaged \(the (sizes|counts) .*starts again"):
        store.put_many("model", {b"new": b"value"})
    assert store.get_many("model", [b"new", *ITEMS]) == {b"new": b"value"}
    store.close()
    assert_sound(tmp_path)


def test_damage_that_cannot_be_set_aside_costs_the_results_only(tmp_path, monkeypatch):
    def refuse(self, damaged):
        raise PermissionError("the folder is read-only")

    store = EmbeddingStore(tmp_path)
    store.put_many("model", ITEMS)
    store.close()
    overwrite(database_file(tmp_path))
    monkeypatch.setattr(_database.Database, "_move_damaged", refuse)
    with pytest.warns(RuntimeWarning, match="does not keep new results"):
        assert store.get_many("model", ITEMS) == {}
    assert not list(tmp_path.glob("*.damaged*"))
