"""``--report``: why one pair was judged as it was."""

import sys

import pytest
from cli_helpers import TINY, error_of
from PIL import Image

from sklearn_diffake.cli import main


def score(folder, *words):
    model = str(folder / "model")
    return main(["score", model, *map(str, words), "--trust", TINY, "--device", "cpu"])


def test_a_page_and_a_picture(folder, tmp_path, capsys):
    pair = folder / "000.png", folder / "red.png"
    assert score(folder, *pair, "--report", tmp_path / "why.html") == 1
    said = capsys.readouterr()
    assert said.err == f"report: {tmp_path / 'why.html'}\n"
    assert "deepfake" in said.out
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "The model calls the probe a deepfake" in page
    assert f"Probe: {folder / 'red.png'}" in page
    assert score(folder, *pair, "-q", "--report", tmp_path / "why.PNG") == 1
    assert capsys.readouterr().err == ""
    with Image.open(tmp_path / "why.PNG") as picture:
        assert picture.format == "PNG"


def test_the_exit_code_is_that_of_the_verdict(folder, tmp_path):
    pair = folder / "000.png", folder / "001.png"
    assert score(folder, *pair, "--report", tmp_path / "why.html") == 0
    assert (tmp_path / "why.html").exists()


def test_no_report_on_what_cannot_be_judged(folder, tmp_path):
    pair = folder / "000.png", folder / "broken.png"
    assert score(folder, *pair, "--report", tmp_path / "why.html") == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["a", "b", "--report", "why.pdf"],
            "'why.pdf': expected a name that ends in .html or .png",
        ),
        (["a", "b", "c", "--report", "why.html"], "one pair, there are 2"),
        (["a", "b", "--report", "no-such-folder/why.html"], "there is no folder"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(recorder, capsys, words, expected):
    assert main(["compare", *words]) == 2
    assert expected in error_of(capsys)
    assert recorder.calls == []


def test_the_extra_is_named(recorder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["compare", "a", "b", "--report", "why.html"]) == 2
    assert "pip install 'sklearn-diffake[plots]'" in error_of(capsys)
    assert recorder.calls == []
