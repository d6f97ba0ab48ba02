"""The command ``find``."""

import csv
import json
import os
import signal
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from cli_helpers import TINY, error_of
from PIL import Image

from sklearn_diffake.cli import main
from sklearn_diffake.store import EmbeddingStore

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def album(folder, tmp_path):
    """A folder of photographs, one of them red, in two folders; and a file that is broken."""
    inner = tmp_path / "album" / "inner"
    inner.mkdir(parents=True)
    for i in range(6):
        (inner / f"{i}.png").write_bytes((folder / f"{i:03}.png").read_bytes())
    (tmp_path / "album" / "red.png").write_bytes((folder / "red.png").read_bytes())
    (tmp_path / "album" / "broken.png").write_bytes(b"no image")
    (tmp_path / "album" / "notes.txt").write_text("no image")
    return tmp_path / "album"


@pytest.fixture
def options(folder):
    references = ["--reference", str(folder / "010.png"), str(folder / "011.png")]
    return ["--model", str(folder / "model"), "--trust", TINY, *references, "--device", "cpu"]


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_least_fitting_come_first(album, options, tmp_path, capsys):
    output = tmp_path / "found.csv"
    assert main(["find", str(album), *options, "-o", str(output)]) == 2  # one is broken
    rows = read(output)
    assert [row["probe"] for row in rows][:1] == [str(album / "red.png")]
    assert rows[0]["outcome"] == "suspicious"
    assert [row["rank"] for row in rows] == [*"1234567", ""]
    assert rows[7]["probe"] == str(album / "broken.png")
    assert rows[7]["outcome"] == "error"
    assert "an image is expected" in rows[7]["reason"]
    assert rows[0]["n_references"] == "2"
    assert rows[0]["model"] == "model"
    answer = capsys.readouterr()
    lines = answer.out.splitlines()
    assert len(lines) == 9
    assert lines[1].split()[0] == "1"
    assert str(album / "red.png") in lines[1]
    assert "8 pictures against a template of 2:" in answer.err
    assert "1 could not be judged" in answer.err
    assert "notes.txt" in answer.err
    assert "would be suspicious by chance" in answer.err


def test_the_searched_folder_may_come_last(album, options, capsys):
    folder = str(album / "inner")
    assert main(["find", *options[:-2], folder, "--json"]) in (0, 1, 5)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["probe"] for row in rows} == {f"{folder}/{i}.png" for i in range(6)}
    assert {row["n_references"] for row in rows} == {2}


def test_rows_are_the_same_in_every_form(album, options, tmp_path, capsys):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    rows = {}
    for form in ("csv", "jsonl", "parquet"):
        path = tmp_path / f"found.{form}"
        main(["find", str(album), *options, "--json", "--top", "1", "-o", str(path)])
        rows[form] = path
    shown = capsys.readouterr().out.splitlines()
    lines = rows["jsonl"].read_text().splitlines()
    assert shown == [lines[0]] * 3
    assert len(lines) == 8
    table = pyarrow.parquet.read_table(rows["parquet"]).to_pylist()
    assert table == [json.loads(line) for line in lines]
    assert [row["probe"] for row in read(rows["csv"])] == [row["probe"] for row in table]


def test_top_says_how_many_more_there_are(album, options, capsys):
    main(["find", str(album), *options, "--top", "2"])
    assert capsys.readouterr().out.splitlines()[3:] == ["and 6 more"]


def test_an_adjustment_is_stated(album, options, capsys):
    main(["find", str(album / "inner"), *options, "--adjust", "bh"])
    answer = capsys.readouterr()
    assert "adjusted" in answer.out.splitlines()[0]
    assert "adjusted for 6 pictures (Benjamini-Hochberg)" in answer.err


def test_a_column_of_a_table_is_searched(album, options, tmp_path, capsys):
    table = tmp_path / "posts.csv"
    table.write_text("id,File\n1,album/red.png\n2,\n3,album/inner/1.png\n")
    assert main(["find", "--csv", str(table), "--column", "file", *options, "--json"]) == 2
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["probe"] for row in rows] == ["album/red.png", "album/inner/1.png", ""]
    assert rows[2]["outcome"] == "error"


@pytest.mark.parametrize(
    ("command_line", "message"),
    [
        (["a.png"], "--reference is missing"),
        (["--reference", "a.png", "b.png"], "there is nothing to search"),
        (["--reference", "album"], "there is nothing to search"),
        (["a.png", "--reference", "a.png", "--column", "x"], "give --csv FILE too"),
        (["a.png", "--reference", "a.png", "--csv", "x.csv"], "in one way, not in two"),
        (["--csv", "t.csv", "--reference", "a.png"], "no column 'probe'"),
        (["album", "--reference", "a.png", "-o", "album/red.png"], "must end in .csv"),
        (["none", "--reference", "a.png"], "no such file"),
        (["*.gif", "--reference", "a.png"], "matches no picture"),
    ],
)
def test_wrong_arguments(command_line, message, album, options, monkeypatch, capsys):
    monkeypatch.chdir(album.parent)
    (album.parent / "t.csv").write_text("file\na.png\n")
    if "none" in command_line:
        command_line = ["find", "album", *options[:4], "--reference", "none"]
    else:
        command_line = ["find", *command_line]
    assert main([*command_line, "--quiet"]) == 2
    assert message in error_of(capsys)


def test_the_output_is_no_input(album, options, capsys):
    (album / "b.csv").write_bytes((album / "red.png").read_bytes())
    assert main(["find", str(album), *options, "-o", str(album / "b.csv")]) == 2
    assert "it is the input" in error_of(capsys)


KILLED = """
import os, signal, sys
from sklearn_diffake.cli import main
from sklearn_diffake.verdict import _find_misfits as module
row = module._row
def row_or_end(position, *arguments):
    if position == 100:
        os.kill(os.getpid(), signal.SIGKILL)
    return row(position, *arguments)
module._row = row_or_end
main(sys.argv[1:])
"""


def test_a_killed_run_continues_and_gives_the_same(folder, options, tmp_path, capsys):
    """Nothing that was stored is computed again, and the answer is the same, byte by byte."""
    album = tmp_path / "album"
    album.mkdir()
    base = np.array(Image.open(folder / "000.png"))
    for i in range(200):
        Image.fromarray(np.roll(base, i, axis=1) + np.uint8(i // 20)).save(album / f"{i}.png")
    command_line = ["find", str(album), *options, "-o"]
    stored = [str(tmp_path / "stored.csv"), "--cache", str(tmp_path / "store")]
    killed = forked_programs.start(KILLED, *command_line, *stored, cwd=tmp_path)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "stored.csv").exists()
    store = EmbeddingStore(tmp_path / "store")
    n_before = store.info()["writes"]
    assert n_before >= 100
    capsys.readouterr()

    def run(*arguments):
        main([*command_line, *arguments])
        return capsys.readouterr().out

    resumed = run(*stored)
    n_after = store.info()["writes"]
    assert n_after == store.info()["entries"] > n_before  # nothing was stored twice
    (tmp_path / "stored.csv").rename(tmp_path / "resumed.csv")
    assert run(*stored) == resumed
    assert store.info()["writes"] == n_after  # this run computed nothing
    assert run(str(tmp_path / "fresh.csv")) == resumed
    fresh = (tmp_path / "fresh.csv").read_bytes()
    assert (tmp_path / "resumed.csv").read_bytes() == fresh
    assert (tmp_path / "stored.csv").read_bytes() == fresh
    store.close()


def test_ctrl_c_says_how_to_continue(album, options, monkeypatch, capsys):
    from sklearn_diffake import verdict

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(verdict, "find_misfits", interrupted)
    output = str(album.parent / "found.csv")
    assert main(["find", str(album), *options, "-o", output]) == 130
    assert "nothing was written; with --cache DIR it would go on" in capsys.readouterr().err
    assert not os.path.exists(output)


def test_a_row_of_a_table_is_never_several(album, options, tmp_path, capsys):
    table = tmp_path / "t.csv"
    rows = [album / "inner", album / "red.png", tmp_path / "gone[1].png", album / "inner/1.png"]
    table.write_text("file\n" + "".join(f"{row}\n" for row in rows))
    output = tmp_path / "found.csv"
    assert main(["find", "--csv", str(table), "--column", "file", *options, "-o", str(output)]) == 2
    listed_rows = read(output)
    assert sorted(row["probe"] for row in listed_rows) == sorted(map(str, rows))
    assert listed_rows[0]["probe"] == str(album / "red.png")
    assert {row["probe"]: row["n_probes"] for row in listed_rows}[str(album / "inner")] == "6"
