"""``-v``, ``-vv``, ``-vvv`` and ``-q``."""

import logging
import re
import warnings

import pytest
from cli_helpers import TINY
from named_verdicts import verdict_of

from sklearn_diffake.cli import main
from sklearn_diffake.utils._progress import progress_bar


@pytest.fixture
def score(folder, capsys):
    def run(*arguments):
        pair = [str(folder / name) for name in ("000.png", "001.png")]
        model = str(folder / "model")
        assert main(["score", model, *pair, "--trust", TINY, "--device", "cpu", *arguments]) == 0
        return capsys.readouterr().err

    return run


def test_silent_where_nobody_looks(score):
    err = score()
    assert "%|" not in err
    assert "sklearn_diffake" not in err


def test_one_shows_bars_and_no_lines(score):
    err = score("-v")
    assert "judging:   0%" in err
    assert "sklearn_diffake" not in err


def test_two_says_what_is_done(score):
    err = score("-vv")
    assert "judging: 100%" in err
    lines = [line for line in err.splitlines() if line.startswith("sklearn_diffake.")]
    assert sum("persistence: read" in line for line in lines) == 1
    assert "computed a batch of 2 images" not in err


def test_three_gives_details(score):
    assert "computed a batch of 2 images" in score("-vvv")


def test_quiet_silences_all_even_on_a_terminal(score, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert "judging" in score()
    assert score("-q") == ""


def test_logging_is_put_back(score):
    logger = logging.getLogger("sklearn_diffake")
    original = logger.level, list(logger.handlers)
    score("-vv")
    assert (logger.level, logger.handlers) == original


def test_quiet_and_verbose_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", "-v", "-q"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_warning_stands_above_an_open_bar(recorder, capsys, monkeypatch):
    def warn(reference, probe):
        with progress_bar(total=2, desc="working", unit="x", verbose=1) as bar:
            bar.update(1)
            warnings.warn("beware", RuntimeWarning, stacklevel=1)
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", warn)
    assert main(["compare", "a", "good", "-v"]) == 0
    lines = re.split(r"[\r\n]", capsys.readouterr().err)
    assert "sklearn-diffake: warning: beware" in [line.replace("\x1b[A", "") for line in lines]
