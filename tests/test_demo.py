"""The demo: its pictures are what they are called, and its numbers are those of its files."""

import contextlib
import csv
import io
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from image_helpers import astronaut
from PIL import Image
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

import sklearn_diffake.demo
from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.demo import run_demo
from sklearn_diffake.demo._figure import make_figure
from sklearn_diffake.generation._portrait import MANIPULATIONS
from sklearn_diffake.metrics._plotting import FAKE, GENUINE

to_rgba = pytest.importorskip("matplotlib.colors", reason="needs the extra demo").to_rgba

PHOTO = Path(sklearn_diffake.demo.__file__).with_name("astronaut.jpg")

pytestmark = pytest.mark.timeout(600)


def test_the_photograph_is_scikit_image_s():
    """Which names its source, NASA, and says that it is in the public domain."""
    with Image.open(PHOTO) as photo:
        difference = np.abs(np.asarray(photo, dtype=float) - astronaut())
    assert difference.max() < 32  # as JPEG leaves it
    assert difference.mean() < 2


@pytest.fixture(scope="module")
def told_result(tmp_path_factory):
    """What the demo gives, and what it says meanwhile."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    with contextlib.redirect_stderr(io.StringIO()) as output:
        result = run_demo(folder, verbose=True, n_train=64, n_genuine=12, n_per_technique=2)
    return result, output.getvalue()


@pytest.fixture(scope="module")
def result(told_result):
    return told_result[0]


def test_steps_are_printed_with_their_start_times(told_result):
    steps = re.findall(r"(?:^|[\r\n])\[ *(\d+\.\d) s\] (.*)", told_result[1])
    assert [step for _, step in steps] == [
        "photographs: genuine re-takes and manipulations",
        "fitting on 64 genuine pairs",
        "judging 12 genuine and 12 manipulated probes",
        "done",
    ]
    times = [float(time) for time, _ in steps]
    assert times == sorted(times)
    assert times[-1] > 0


def test_result_is_that_of_the_saved_model_on_the_saved_files(result):
    with (result.folder / "probes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["technique"] for row in rows] == result.groups.tolist()
    assert [int(row["label"]) for row in rows] == result.labels.tolist()
    pairs = [(str(result.folder / r["reference"]), str(result.folder / r["probe"])) for r in rows]
    model = persistence.load(result.folder / "model.diffake")
    with threadpool_limits(1):  # as in the demo: more threads round otherwise
        decision = model.decision_function(pairs)
    np.testing.assert_allclose(decision, result.decision, atol=1e-3)


def test_training_table_is_genuine_and_apart_from_the_probes(result):
    with (result.folder / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == result.n_train == 64
    assert {row["label"] for row in rows} == {"1"}
    training_files = {(result.folder / row["probe"]).read_bytes() for row in rows}
    assert training_files.isdisjoint(probe.read_bytes() for probe in result.probes)


def test_it_tells_genuine_from_manipulated(result):
    assert result.groups.tolist().count("genuine re-take") == 12
    assert result.n_missing == 0
    assert result.auc > 0.9
    assert (result.decision[result.labels == 1] >= 0).mean() > 0.8
    assert (result.decision[result.labels == -1] < 0).mean() > 0.7
    assert result.auc == roc_auc_score(result.labels, result.decision)
    assert result.auc_interval[0] <= result.auc <= result.auc_interval[1]


def test_table_gives_the_rates_of_every_group(result):
    table = result.table()
    assert table in (result.folder / "demo.txt").read_text(encoding="utf-8")
    for name in ("genuine re-take", *MANIPULATIONS):
        accepted = (result.decision[result.groups == name] >= 0).mean()
        line = next(line for line in table.splitlines() if line.startswith(name))
        assert line.split(name)[1].split()[1:3] == [f"{accepted:.0%}", f"{1 - accepted:.0%}"]
    assert f"AUC {result.auc:.3f}" in table


def test_missing_faces_are_reported(result):
    assert "No face was found in 3 probes" in replace(result, n_missing=3).table()
    assert "No face" not in result.table()


def test_the_pipeline_is_the_default(result):
    default = make_difffake_pipeline(random_state=0, on_missing="warn", verbose=True)
    default.set_params(align__min_face_size=0.12)
    assert repr(result.pipeline) == repr(default)


def test_the_threshold_is_reported(result):
    assert result.pipeline["detect"].n_calibration_ == 20
    rests = "The threshold rests on 20 of them, and rejects at most 5.0% of such pairs."
    assert rests in result.table()


def test_picture_shows_each_verdict_in_its_color(result):
    axes = {axes.get_xlabel(): axes for axes in make_figure(result).axes}
    for name in dict.fromkeys(result.groups.tolist()):
        for i in np.flatnonzero(result.groups == name)[:2]:
            accepted = result.decision[i] >= 0
            arguments = f"{'genuine' if accepted else 'suspicious'} {result.decision[i]:+.4f}"
            right = accepted == (name == "genuine re-take")
            symbol = "\u2713" if right else "\u2717"
            displayed = axes[f"{symbol} {arguments}".replace("-", "\u2212")]
            assert displayed.xaxis.label.get_color() == (GENUINE if accepted else FAKE)
            frame = displayed.spines["left"].get_edgecolor()
            assert frame == to_rgba(GENUINE if accepted else FAKE)


def test_picture_can_be_opened_and_describes_itself(result):
    with Image.open(result.folder / "demo.png") as picture:
        picture.load()
        assert picture.width > 1200
        arguments = picture.info["Description"]
    colors = {tuple(pixel) for pixel in np.asarray(picture.convert("RGB")).reshape(-1, 3)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colors  # both verdicts are there
    assert "genuine re-takes accepted" in arguments
    assert all(name in arguments for name in MANIPULATIONS)


def test_without_matplotlib_all_but_the_picture_is_made(tmp_path, monkeypatch):
    for module in ("matplotlib", "skimage", "timm", "cv2"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("sklearn_diffake.demo._run.find_spec", lambda module: None)
    (tmp_path / "demo.txt").write_bytes(b"unfinished demo of sklearn-diffake\n")
    (tmp_path / "demo.png").write_bytes(b"of an earlier demo")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few pairs
        result = run_demo(tmp_path, n_train=10, n_genuine=2, n_per_technique=1)
    assert result.picture is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "demo.txt", "model.diffake", "photos", "probes.csv", "reference.png", "train.csv",
    ]  # fmt: skip
    assert "AUC" in (tmp_path / "demo.txt").read_text(encoding="utf-8")
