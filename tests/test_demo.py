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
from sklearn_diffake.demo._figure import ACCEPTED, REJECTED, draw
from sklearn_diffake.demo._photos import TECHNIQUES, Portrait, retake

to_rgba = pytest.importorskip("matplotlib.colors", reason="needs the extra demo").to_rgba

PHOTO = Path(sklearn_diffake.demo.__file__).with_name("astronaut.jpg")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def portrait():
    landmarks = np.array([[204, 102], [247, 104], [226, 128], [202, 140], [246, 142]], dtype=float)
    return Portrait(astronaut() / 255.0, landmarks).cut()


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
    with contextlib.redirect_stderr(io.StringIO()) as said:
        result = run_demo(folder, verbose=True, n_train=64, n_genuine=12, n_per_technique=2)
    return result, said.getvalue()


@pytest.fixture(scope="module")
def result(told_result):
    return told_result[0]


def test_its_steps_are_told_with_the_time_they_began(told_result):
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


@pytest.mark.parametrize("name", TECHNIQUES)
def test_manipulation_changes_the_face_and_nothing_else(portrait, name):
    changed = TECHNIQUES[name](portrait, np.random.default_rng(0))
    y, x = np.indices(changed.shape[:2])
    distance = np.hypot(x - portrait.center[0], y - portrait.center[1]) / portrait.unit
    difference = np.abs(changed - portrait.pixels).max(axis=2)
    assert changed.shape == portrait.pixels.shape
    assert difference[distance < 1].max() > 0.1
    assert difference[distance > 1.6].max() < 1e-6


@pytest.mark.parametrize("name", TECHNIQUES)
def test_manipulation_varies_with_the_generator_alone(portrait, name):
    if name != "inner face mirrored":  # which has nothing to draw
        first, second = (TECHNIQUES[name](portrait, np.random.default_rng(i)) for i in (1, 2))
        assert not np.array_equal(first, second)
    again = [TECHNIQUES[name](portrait, np.random.default_rng(1)) for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_mirrored_face_is_mirrored(portrait):
    upright = replace(
        portrait, landmarks=np.array([[80, 90], [120, 90], [0, 0], [85, 130], [115, 130.0]])
    )
    changed = TECHNIQUES["inner face mirrored"](upright, np.random.default_rng(0))
    inside = slice(100, 120), slice(90, 111)
    np.testing.assert_allclose(changed[inside], upright.pixels[inside][:, ::-1], atol=1e-6)


def test_retakes_are_small_jpeg_files_that_differ(portrait):
    rng = np.random.default_rng(0)
    files = [retake(portrait, rng) for _ in range(8)]
    assert len(set(files)) == 8
    assert retake(portrait, np.random.default_rng(0)) == files[0]
    for file in files:
        picture = Image.open(io.BytesIO(file))
        assert picture.format == "JPEG"
        assert picture.width == picture.height
        assert 224 <= picture.width <= 288


def test_retake_moves_the_face_little(portrait):
    """A dot between the eyes stays near the middle, where the figure looks for the face."""
    dot = portrait.pixels * 0
    x, y = np.round(portrait.center).astype(int)
    dot[y - 4 : y + 5, x - 4 : x + 5] = 1
    rng = np.random.default_rng(0)
    for _ in range(10):
        picture = Image.open(io.BytesIO(retake(replace(portrait, pixels=dot), rng))).convert("L")
        place = np.argwhere(np.asarray(picture) > 100).mean(axis=0) / picture.width
        assert np.all(np.abs(place - 0.5) < 0.08)


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
    used = {(result.folder / row["probe"]).read_bytes() for row in rows}
    assert used.isdisjoint(probe.read_bytes() for probe in result.probes)


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
    for name in ("genuine re-take", *TECHNIQUES):
        accepted = (result.decision[result.groups == name] >= 0).mean()
        line = next(line for line in table.splitlines() if line.startswith(name))
        assert line.split(name)[1].split()[1:3] == [f"{accepted:.0%}", f"{1 - accepted:.0%}"]
    assert f"AUC {result.auc:.3f}" in table


def test_missing_faces_are_told(result):
    assert "No face was found in 3 probes" in replace(result, n_missing=3).table()
    assert "No face" not in result.table()


def test_the_pipeline_is_the_default(result):
    default = make_difffake_pipeline(random_state=0, on_missing="warn", verbose=True)
    default.set_params(align__min_face_size=0.12)
    assert repr(result.pipeline) == repr(default)


def test_the_threshold_is_told(result):
    assert result.pipeline["detect"].n_calibration_ == 20
    rests = "The threshold rests on 20 of them, and rejects at most 5.0% of such pairs."
    assert rests in result.table()


def test_picture_shows_each_verdict_in_its_colour(result):
    axes = {axes.get_xlabel(): axes for axes in draw(result).axes}
    for name in dict.fromkeys(result.groups.tolist()):
        for i in np.flatnonzero(result.groups == name)[:2]:
            accepted = result.decision[i] >= 0
            words = f"{'genuine' if accepted else 'deepfake'} {result.decision[i]:+.3f}"
            right = accepted == (name == "genuine re-take")
            mark = "\u2713" if right else "\u2717"
            shown = axes[f"{mark} {words}".replace("-", "\u2212")]
            assert shown.xaxis.label.get_color() == (ACCEPTED if accepted else REJECTED)
            frame = shown.spines["left"].get_edgecolor()
            assert frame == to_rgba(ACCEPTED if accepted else REJECTED)


def test_picture_can_be_opened_and_describes_itself(result):
    with Image.open(result.folder / "demo.png") as picture:
        picture.load()
        assert picture.width > 1200
        words = picture.info["Description"]
    colours = {tuple(pixel) for pixel in np.asarray(picture.convert("RGB")).reshape(-1, 3)}
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours  # both verdicts are there
    assert "genuine re-takes accepted" in words
    assert all(name in words for name in TECHNIQUES)


def test_without_matplotlib_all_but_the_picture_is_made(tmp_path, monkeypatch):
    for module in ("matplotlib", "skimage", "timm"):
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
