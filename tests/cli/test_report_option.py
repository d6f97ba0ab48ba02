"""``--report``: why one pair was judged as it was."""

import pytest
from cli_helpers import TINY, error_of

from sklearn_diffake.cli import main


def test_the_page_of_a_verdict(recorder, tmp_path, capsys):
    page = tmp_path / "why it is.html"
    arguments = ["compare", "--reference", "a", "b", "--probe", "fake", "--report", str(page)]
    assert main([*arguments, "--case", "12/34"]) == 1
    (verdict,) = recorder.verdicts
    command = ["sklearn-diffake", *arguments, "--case", "12/34"]
    assert verdict.reports == [(str(page), {"command": command, "case": "12/34"})]
    assert capsys.readouterr().err.endswith(f"report: {page}\n")
    assert main([*arguments, "-q"]) == 1
    assert capsys.readouterr().err == ""


def test_an_error_has_a_page_too(recorder, tmp_path):
    assert main(["compare", "a", "broken", "--report", str(tmp_path / "why.html")]) == 2
    assert len(recorder.verdicts[0].reports) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "b", "--report", "why.pdf"], "--report must end in .html, got"),
        (["a", "b", "c", "--report", "why.html"], "one pair, there are 2"),
        (["a", "b", "--report", "no-such-folder/why.html"], "there is no folder"),
        (["a", "b", "--case", "7"], "give --report FILE.html too"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(recorder, capsys, arguments, expected):
    assert main(["compare", *arguments]) == 2
    assert expected in error_of(capsys)
    assert recorder.calls == []


@pytest.mark.parametrize(
    ("references", "probe", "code"),
    [(["000.png"], "red.png", 1), (["000.png", "002.png"], "001.png", 0),
     (["000.png"], "broken.png", 2)],
    ids=["photo", "template", "error"],
)  # fmt: skip
def test_a_true_page(folder, tmp_path, references, probe, code):
    pytest.importorskip("sklearn_diffake.verdict._report.page")
    page = tmp_path / "why.html"
    names = [str(folder / name) for name in references]
    arguments = ["--reference", *names, "--probe", str(folder / probe), "--report", str(page)]
    options = ["--trust", TINY, "--device", "cpu"]
    assert main(["score", str(folder / "model"), *arguments, *options]) == code
    assert probe in page.read_text(encoding="utf-8")
