"""Outputs that are inputs are refused; the others are their owner's alone."""

import os
import shutil
import stat

import pytest
from cli_helpers import FIT, TINY, error_of, write_table
from devices import expendable_device, expendable_stream

from sklearn_diffake.cli import main

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs POSIX files")


def mode_of(path):
    return os.stat(path).st_mode & 0o777


@pytest.fixture
def own_folder(folder, tmp_path):
    """A copy of some photographs, a table of them, and the fitted model."""
    for i in range(8):
        shutil.copy(folder / f"{i:03}.png", tmp_path)
    shutil.copy(folder / "model", tmp_path / "model.html")
    write_table(tmp_path / "p.csv", [(f"{i:03}.png", f"{i + 1:03}.png") for i in range(0, 8, 2)])
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def alias(path, kind):
    second = path.parent / f"alias{path.suffix}"
    if kind == "itself":
        return path
    (os.link if kind == "hard link" else os.symlink)(path, second)
    return second


@POSIX
@pytest.mark.parametrize("kind", ["itself", "link", "hard link"])
@pytest.mark.parametrize("name", ["p.csv", "000.png", "007.png"])
def test_fit_does_not_replace_its_table_or_a_photograph(own_folder, capsys, name, kind):
    output = alias(own_folder / name, kind)
    original = contents(own_folder)
    assert main(["fit", str(own_folder / "p.csv"), "-o", str(output), *FIT]) == 2
    assert "it is the input" in error_of(capsys)
    assert contents(own_folder) == original


def test_fit_does_not_replace_a_photograph_that_it_does_not_learn_from(own_folder, capsys):
    rows = [("000.png", "001.png", 1), ("000.png", "002.png", -1)]
    table = write_table(own_folder / "p.csv", rows, ("reference", "probe", "label"))
    assert main(["fit", table, "-o", str(own_folder / "002.png"), *FIT]) == 2
    assert "it is the input" in error_of(capsys)


def test_fit_does_not_replace_its_backbone(own_folder, capsys):
    (own_folder / "net.onnx").write_bytes(b"weights")
    arguments = ["fit", str(own_folder / "p.csv"), "-o", str(own_folder / "net.onnx"), "--no-align"]
    assert main([*arguments, "--backbone", str(own_folder / "net.onnx")]) == 2
    assert "it is the input" in error_of(capsys)
    assert (own_folder / "net.onnx").read_bytes() == b"weights"


def test_fit_does_not_replace_its_store(own_folder, capsys):
    arguments = ["fit", str(own_folder / "p.csv"), *FIT, "--cache", str(own_folder / "store")]
    assert main([*arguments, "-o", str(own_folder / "m")]) == 0
    (store,) = (own_folder / "store").glob("*.sqlite")
    capsys.readouterr()
    assert main([*arguments, "-o", str(store)]) == 2
    assert "it is the input" in error_of(capsys)


@POSIX
@pytest.mark.parametrize("kind", ["itself", "link", "hard link"])
@pytest.mark.parametrize("name", ["000.html", "001.html", "model.html"])
def test_a_report_replaces_neither_a_photograph_nor_the_model(own_folder, capsys, name, kind):
    for i in range(2):
        shutil.copy(own_folder / f"{i:03}.png", own_folder / f"{i:03}.html")
    output = alias(own_folder / name, kind)
    original = contents(own_folder)
    arguments = [
        "score",
        own_folder / "model.html",
        own_folder / "000.html",
        own_folder / "001.html",
    ]
    arguments += ["--report", output]
    assert main([*map(str, arguments), "--trust", TINY, "--device", "cpu"]) == 2
    assert "it is the input" in error_of(capsys)
    assert contents(own_folder) == original


@POSIX
def test_a_report_does_not_replace_the_table(own_folder, capsys):
    (own_folder / "p.csv").unlink()
    table = write_table(own_folder / "table.html", [("000.png", "001.png")])
    original = contents(own_folder)
    assert main(["compare", "--csv", table, "--report", table]) == 2
    assert "it is the input" in error_of(capsys)
    assert contents(own_folder) == original


@POSIX
@pytest.mark.parametrize("kind", ["fifo", "directory", "stream", "device"])
def test_fit_replaces_regular_files_only(own_folder, capsys, kind):
    output = own_folder / "out"
    if kind == "fifo":
        os.mkfifo(output)
    elif kind == "directory":
        output.mkdir()
    elif kind == "stream":
        output = expendable_stream(own_folder)
    else:
        output = expendable_device(own_folder, "zero")
    original = os.lstat(output)
    assert main(["fit", str(own_folder / "p.csv"), "-o", str(output), *FIT]) == 2
    assert "cannot write" in error_of(capsys)
    assert os.path.samestat(original, os.lstat(output))


@POSIX
def test_fit_into_the_null_device(own_folder, capsys):
    device = expendable_device(own_folder, "null")
    assert main(["fit", str(own_folder / "p.csv"), "-o", device, *FIT]) == 0
    assert "fitted on 4 pairs" in capsys.readouterr().out
    assert stat.S_ISCHR(os.lstat(device).st_mode)


@POSIX
@pytest.mark.parametrize(("public", "expected"), [([], 0o600), (["--public"], 0o644)])
def test_a_model_is_its_owners_alone_unless_it_is_public(own_folder, public, expected):
    original = os.umask(0o022)
    try:
        arguments = ["fit", str(own_folder / "p.csv"), "-o", str(own_folder / "m"), *FIT, *public]
        assert main(arguments) == 0
        assert mode_of(own_folder / "m") == expected
        (own_folder / "m").chmod(0o640)
        assert main(arguments) == 0
        assert mode_of(own_folder / "m") == 0o640
    finally:
        os.umask(original)


@POSIX
def test_what_holds_faces_is_its_owners_alone(own_folder):
    pytest.importorskip("sklearn_diffake.verdict._report.page")
    original = os.umask(0)
    try:
        arguments = [
            own_folder / "model.html",
            own_folder / "000.png",
            own_folder / "001.png",
            "--cache",
            own_folder / "store",
        ]
        arguments = ["score", *map(str, arguments), "--trust", TINY, "--device", "cpu", "--report"]
        assert main([*arguments, str(own_folder / "why.html")]) in (0, 5)
        assert mode_of(own_folder / "why.html") == 0o600
        assert mode_of(own_folder / "store") == 0o700
        assert {mode_of(path) for path in (own_folder / "store").iterdir()} == {0o600}
    finally:
        os.umask(original)


@POSIX
def test_frames_in_the_cache_are_their_owners_alone(tmp_path):
    pytest.importorskip("av", reason="videos need the extra video")
    from test_videos import flat, write_clip

    from sklearn_diffake.datasets import extract_frames

    clip = write_clip(tmp_path / "clip.mp4", [flat(100)] * 3)
    original = os.umask(0)
    try:
        for crop in (None, lambda image: [[0, 0, 16, 16]]):
            frames = extract_frames(clip, cache=tmp_path / "cache" / "below", crop=crop)
            assert len(frames.paths) == 3
        paths = list((tmp_path / "cache").rglob("*"))
        assert {mode_of(path) for path in paths if path.is_file()} == {0o600}
        assert {mode_of(path) for path in paths if path.is_dir()} == {0o700}
        assert mode_of(tmp_path / "cache") == 0o700
    finally:
        os.umask(original)


def test_a_video_that_is_named_as_the_cache_stays(tmp_path):
    pytest.importorskip("av", reason="videos need the extra video")
    from test_videos import flat, write_clip

    from sklearn_diffake.datasets import extract_frames

    clip = write_clip(tmp_path / "clip.mp4", [flat(100)] * 3)
    with open(clip, "rb") as file:
        original = file.read()
    with pytest.raises(FileExistsError):
        extract_frames(clip, cache=clip)
    with open(clip, "rb") as file:
        assert file.read() == original


@pytest.mark.parametrize("name", ["reference.png", "photos", "model.diffake", "demo.txt"])
def test_the_demo_replaces_nothing_of_others(tmp_path, capsys, name):
    precious = tmp_path / name
    precious.write_bytes(b"precious")
    assert main(["demo", "-o", str(tmp_path)]) == 2
    assert f"the folder holds {name!r}, which is not of an earlier demo" in error_of(capsys)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert precious.read_bytes() == b"precious"
