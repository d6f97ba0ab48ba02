"""Bars that are shown when asked for, and steps that are told once, to whoever listens."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_helpers import faces, noise
from log_helpers import log_records
from pyod.models.ecod import ECOD
from sklearn.metrics import roc_auc_score

from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.metrics import bootstrap_interval
from sklearn_diffake.novelty import ConformalDetector, DeepSVDD, PyODDetector
from sklearn_diffake.pipeline import score_in_batches
from sklearn_diffake.utils import _progress as progress
from sklearn_diffake.utils._progress import BesideBars, listening, log_step, progress_bar

ROOT = Path(__file__).resolve().parents[2]
LOGGER = logging.getLogger("sklearn_diffake.some._module")
ROWS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.repeat([1, -1], 30)


@pytest.fixture
def package_log():
    """The logger of the package, put back as it was."""
    logger = logging.getLogger("sklearn_diffake")
    level, handlers = logger.level, list(logger.handlers)
    yield logger
    logger.setLevel(level)
    logger.handlers[:] = handlers


def align(verbose):
    FaceAligner(64, verbose=verbose).fit_transform(faces(2))


def embed(verbose):
    model = FaceEmbedder("tiny_backbones:colors", device="cpu", verbose=verbose)
    model.fit_transform(noise(3))


def train(verbose):
    DeepSVDD(max_epochs=2, random_state=0, device="cpu", verbose=verbose).fit(ROWS)


def calibrate(verbose):
    ConformalDetector(method="cv+", cv=3, target_bpcer=0.2, verbose=verbose).fit(ROWS)


def bootstrap(verbose):
    bootstrap_interval(roc_auc_score, LABELS, ROWS[:, 0], n_resamples=5, verbose=verbose)


def render(verbose):
    make_face_pairs(6, size=64, random_state=0, verbose=verbose)


def make_fakes(verbose):
    pytest.importorskip("cv2")
    PseudoDeepfakeGenerator(random_state=0, verbose=verbose).fit_transform(noise(3, (64, 64)))


def fit_pyod(verbose):
    PyODDetector(ECOD(), verbose=verbose).fit(ROWS)


def score(verbose):
    score_in_batches(ConformalDetector(target_bpcer=0.2).fit(ROWS), ROWS, verbose=verbose)


BARS = {
    "aligning": align,
    "embedding": embed,
    "DeepSVDD": train,
    "calibrating": calibrate,
    "bootstrap": bootstrap,
    "rendering": render,
    "making fakes": make_fakes,
    "scoring": score,
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BARS)
def test_long_steps_show_a_bar_with_the_time_left(name, capsys):
    BARS[name](0)
    assert capsys.readouterr() == ("", "")
    BARS[name](1)
    output = capsys.readouterr()
    assert output.out == ""
    assert f"{name}: " in output.err
    assert "<" in output.err  # elapsed<left
    BARS[name](2)
    assert f"{name}: 100%" in capsys.readouterr().err


def test_the_environment_hides_all_bars():
    code = """
from sklearn_diffake.utils._progress import progress_bar
with progress_bar(total=2, desc="x", unit="y", verbose=1) as bar:
    bar.update(2)
"""
    for disable, displayed in (("", True), ("1", False)):
        process = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "TQDM_DISABLE": disable},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("x:   0%" in process.stderr) == displayed
        assert process.stdout == ""


STEPS = {
    align: r"2 images: a face in 2, none in 0, .*2 searched on (cpu|cuda|mps), 0 repeated",
    embed: r"3 images: 3 computed by tiny_backbones:colors .* on cpu, 0 repeated",
    train: r"trained on 60 rows on cpu for 2 epochs: loss from ",
    calibrate: r"calibrated on 60 pairs: rejects p <= 0\.2",
    fit_pyod: r"fitted pyod.models.ecod.ECOD on 60 rows in ",
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_steps_are_printed_at_level_two_and_logged_to_listeners(step, capsys):
    with log_records() as records:
        step(1)
        assert "sklearn_diffake." not in capsys.readouterr().err
        step(2)
    assert records == []
    lines = [line for line in capsys.readouterr().err.splitlines() if "sklearn_diffake." in line]
    assert len(lines) == 1
    assert re.search(STEPS[step], lines[0])
    with log_records(logging.INFO, "sklearn_diffake") as records:
        step(0)
        step(2)  # once only, though asked for twice
    assert "sklearn_diffake." not in capsys.readouterr().err
    first, second = (r for r in records if r.levelno == logging.INFO)
    for record in (first, second):
        assert re.search(STEPS[step], f"{record.name}: {record.getMessage()}")
        assert record.pathname != progress.__file__  # it is the step that is named


def test_cache_hits_are_counted(tmp_path, capsys):
    crops = noise(4)
    for computed, location in ((4, " on cpu"), (0, "")):
        model = FaceEmbedder("tiny_backbones:colors", device="cpu", cache=tmp_path, verbose=2)
        model.fit_transform([*crops, crops[0].copy()])
        err = capsys.readouterr().err
        assert f"5 images: {computed} computed" in err
        assert f"){location}, {5 - computed} repeated or in the store" in err


def test_a_model_whose_device_is_gone_still_answers_from_the_store(tmp_path):
    crops, model = noise(2), FaceEmbedder("tiny_backbones:colors", device="cpu", cache=tmp_path)
    expected = model.fit_transform(crops)
    result = model.set_params(device="cuda:99", verbose=2).transform(crops)
    np.testing.assert_array_equal(result, expected)


def test_details_are_logged():
    with log_records(logging.DEBUG, "sklearn_diffake") as records:
        embed(0)
    assert any("computed a batch of 3 images" in record.getMessage() for record in records)


def test_lines_stand_above_an_open_bar(capsys):
    with progress_bar(total=3, desc="working", unit="x", verbose=1) as bar:
        bar.update(1)
        log_step(LOGGER, 2, "read %d files", 7)
        bar.update(1)
    lines = re.split(r"[\r\n]", capsys.readouterr().err)
    assert "sklearn_diffake.some: read 7 files" in lines


def test_a_line_that_cannot_be_made_stops_nothing(capsys):
    arguments = LOGGER.name, logging.INFO, __file__, 1, "read %d files", ("seven",), None
    BesideBars().emit(LOGGER.makeRecord(*arguments))
    output = capsys.readouterr().err
    assert "Logging error" in output
    assert "read %d files" in output


@pytest.mark.parametrize(
    ("level", "handler", "handler_level"),
    [
        ("NOTSET", logging.NullHandler, "NOTSET"),
        ("NOTSET", BesideBars, "NOTSET"),  # the root's level, WARNING, counts
        ("INFO", BesideBars, "NOTSET"),
        ("INFO", BesideBars, "ERROR"),
        ("ERROR", BesideBars, "NOTSET"),
    ],
)
def test_steps_are_reported_once(package_log, capsys, monkeypatch, level, handler, handler_level):
    monkeypatch.setattr(logging.root, "handlers", [])  # those of pytest
    package_log.setLevel(level)
    created = handler()
    created.setLevel(handler_level)
    package_log.addHandler(created)
    log_step(LOGGER, 2, "a step")
    assert capsys.readouterr().err.count("a step") == 1


def test_the_root_logger_is_left_alone():
    code = """
import logging
import sklearn_diffake
from sklearn_diffake.utils._progress import listening, log_step
with listening(2):
    log_step(logging.getLogger("sklearn_diffake.x"), 2, "said")
assert logging.root.handlers == [], logging.root.handlers
assert logging.root.level == logging.WARNING
handlers = logging.getLogger("sklearn_diffake").handlers
assert [type(handler).__name__ for handler in handlers] == ["NullHandler"], handlers
"""
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == "sklearn_diffake.x: said\n"


@pytest.mark.parametrize(("verbose", "heard"), [(0, ""), (1, ""), (2, "step"), (3, "step detail")])
def test_listening_hears_as_much_as_is_asked_for(package_log, capsys, verbose, heard):
    original = package_log.level, list(package_log.handlers)
    with listening(verbose):
        LOGGER.info("step")
        LOGGER.debug("detail")
    LOGGER.warning("over")
    assert (package_log.level, package_log.handlers) == original
    arguments = [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert " ".join(arguments) == heard
