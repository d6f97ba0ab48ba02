"""What a terminal would obey does not reach it from a file."""

import contextlib
import io
import json
import warnings

import pytest
from cli_helpers import FIT, write_table
from named_verdicts import Model, NamedVerdict, verdict_of

from sklearn_diffake import persistence
from sklearn_diffake.cli import main
from sklearn_diffake.faces import ImageError
from sklearn_diffake.utils._messages import printable
from sklearn_diffake.utils._progress import progress_bar, write_line

CLEAR = "\x1b[2J"  # clears the screen of a terminal
ESCAPED = r"\x1b[2J"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("Zoë 画像 🙂.jpg", "Zoë 画像 🙂.jpg"),
        (r"C:\photos\x.jpg", r"C:\photos\x.jpg"),
        (CLEAR, ESCAPED),
        ("\x9b2J", r"\x9b2J"),
        ("a\r\n\tb\x00\x7f", r"a\r\n\tb\x00\x7f"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\udc80", r"\udc80"),
        ("", ""),
    ],
)
def test_printable(text, expected):
    assert printable(text) == expected


def no_code_in(capsys):
    """Return both streams, in which there must be no character that a terminal obeys."""
    printed = capsys.readouterr()
    assert (printed.out + printed.err).replace("\n", "").isprintable()
    return printed


@pytest.fixture
def saved(recorder, monkeypatch):
    """Stand in for a saved model."""
    monkeypatch.setattr(persistence, "load", lambda path, trusted: Model())
    return recorder


@pytest.mark.usefixtures("saved")
def test_names_in_the_table(tmp_path, capsys):
    rows = [(f"ref{CLEAR}", "good"), ("ref", f"{CLEAR}fake"), ("ref", "good")]
    table = write_table(tmp_path / "pairs.csv", rows)
    assert main(["score", "model", "--csv", table, "--quiet"]) == 1
    lines = no_code_in(capsys).out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        [f"ref{ESCAPED}", "good"], ["ref", f"{ESCAPED}fake"], ["ref", "good"],
    ]  # fmt: skip
    verdicts = ["verdict", "genuine", "suspicious", "genuine"]
    starts = {line.index(f" {argument}") for line, argument in zip(lines, verdicts, strict=True)}
    assert len(starts) == 1


def test_json_says_the_true_name(saved, tmp_path, capsys):
    table = write_table(tmp_path / "pairs.csv", [("ref", f"{CLEAR}good")])
    assert main(["score", "model", "--csv", table, "--json", "--quiet"]) == 0
    assert json.loads(no_code_in(capsys).out)["probe"] == f"{CLEAR}good"
    assert len(saved.calls) == 1


def test_why_a_pair_has_no_score(saved, monkeypatch, tmp_path, capsys):
    def fail(reference, probe):
        error = ImageError(f"broken {CLEAR}", column=1, path=probe)
        return NamedVerdict("error", str(error), None)

    monkeypatch.setattr(saved, "judge", fail)
    table = write_table(tmp_path / "pairs.csv", [("ref", f"{CLEAR}bad")])
    assert main(["score", "model", "--csv", table, "--quiet"]) == 2
    assert f"{ESCAPED}bad': broken {ESCAPED}" in no_code_in(capsys).out


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ((f"{CLEAR}a", "b"), ("a|", "x")),
        (("reference", "probe", "label"), ("a", "b", f"{CLEAR}1")),
        (("reference", CLEAR), ("a", "b")),
    ],
    ids=["column", "label", "header"],
)
def test_errors_about_a_table(header, row, tmp_path, capsys):
    assert main(["score", "model", "--csv", write_table(tmp_path / "t.csv", [row], header)]) == 2
    assert ESCAPED in no_code_in(capsys).err


def test_names_of_outputs(folder, capsys):
    output = folder / f"{CLEAR}.diffake"
    assert main(["fit", str(folder / "pairs.csv"), "-o", str(output), *FIT]) == 0
    assert f"saved: {folder}/{ESCAPED}.diffake" in no_code_in(capsys).out
    output.unlink()


def test_errors_about_its_name(tmp_path, capsys):
    assert main(["score", "model", "--csv", str(tmp_path / f"{CLEAR}.csv")]) == 2
    assert ESCAPED in no_code_in(capsys).err


def test_warnings(recorder, monkeypatch, capsys):
    def warn(reference, probe):
        warnings.warn(f"{CLEAR} looks odd", stacklevel=1)
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", warn)
    assert main(["compare", "a", "good"]) == 0
    assert f"warning: {ESCAPED} looks odd\n" in no_code_in(capsys).err


def test_lines_of_the_log_and_bars(capsys):
    write_line(f"read {CLEAR}")
    assert no_code_in(capsys).err == f"read {ESCAPED}\n"
    with progress_bar(total=1, desc=f"reading {CLEAR}", unit="image", verbose=2):
        pass
    printed = capsys.readouterr().err
    assert f"reading {ESCAPED}" in printed
    assert CLEAR not in printed


@pytest.mark.usefixtures("saved")
def test_a_stream_that_is_no_terminal(tmp_path):
    """As where a program calls `main` and keeps what it says."""
    table = write_table(tmp_path / "pairs.csv", [("ref", f"{CLEAR}good")])
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["score", "model", "--csv", table, "--quiet"]) == 0
    assert out.getvalue().splitlines()[1].split()[:2] == ["ref", f"{ESCAPED}good"]
