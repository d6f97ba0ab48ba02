"""``sklearn-diffake calibrate``: what it calibrates on, says and saves."""

from pathlib import Path

import numpy as np
import pytest
from cli_helpers import TINY, N, error_of, write_table
from image_helpers import faces, noise, save_all

from sklearn_diffake import persistence, recalibrate
from sklearn_diffake.cli import main
from sklearn_diffake.novelty import ConformalDetector

COLUMNS = ("reference", "probe", "person", "label", "id")


@pytest.fixture
def table(folder, tmp_path):
    """Return pairs of 22 people with two pictures each, and of one with four."""
    rng = np.random.default_rng(0)
    grays = rng.integers(60, 190, (23, 1)) + rng.integers(0, 12, (23, 4))
    images = [np.full((20, 20, 3), gray, np.uint8) for gray in grays.ravel()]
    images = [image + n // 16 for image, n in zip(images, noise(92, seed=1), strict=True)]
    paths = np.array(save_all(images, tmp_path)).reshape(23, 4)
    rows = [(own_values[0], own_values[1], f"p{i}", 1, i) for i, own_values in enumerate(paths)]
    rows += [(paths[0, 2], paths[0, 3], "p0", 1, 0), ("none.png", "none.png", "x", -1, 0)]
    return write_table(tmp_path / "genuine.csv", rows, COLUMNS)


def command(folder, table, output, *options):
    arguments = ["calibrate", str(folder / "model"), table, "-o", str(output), "--trust", TINY]
    return [*arguments, "--device", "cpu", *options]


def test_calibrate_sets_and_says_the_threshold(folder, table, tmp_path, capsys):
    output = tmp_path / "mine"
    options = ["--target-bpcer", "0.1", "--cache", str(tmp_path / "cache"), "--jobs", "2"]
    assert main(command(folder, table, output, *options)) == 0
    printed = capsys.readouterr()
    assert "calibrated on 24 genuine pairs of 23 people (48 pictures) in" in printed.out
    assert "left out: 1 labeled -1" in printed.out
    assert "references  probes  people  pairs  threshold  level     true BPCER" in printed.out
    assert "saved: " in printed.out
    assert printed.err.startswith("sklearn-diffake: warning: unsure-threshold: with 23 people")
    old, new = (persistence.load(path, trusted=[TINY]) for path in (folder / "model", str(output)))
    assert isinstance(new[-1], ConformalDetector)
    assert (new[-1].n_calibration_, new[-1].target_bpcer) == (23, 0.1)
    assert f"threshold {new[-1].offset_:.4g}, which rejects p-values up to 0.1" in printed.out
    for setting in ("n_jobs", "device", "cache"):
        assert getattr(new["embed"], setting) == getattr(old["embed"], setting)
    lines = Path(table).read_text().splitlines()[1:25]
    rows = [line.split(",")[:2] for line in lines]
    person = [f"p{i}" for i in [*range(23), 0]]
    with pytest.warns(UserWarning, match="unsure"):
        identical = recalibrate(old, [tuple(row) for row in rows], person, target_bpcer=0.1)
    np.testing.assert_array_equal(
        new[-1].calibration_scores_[0], identical[-1].calibration_scores_[0]
    )
    assert new.score_samples([tuple(rows[0])]) == old.score_samples([tuple(rows[0])])


def test_the_column_of_persons_can_be_named(folder, table, tmp_path, capsys):
    output = tmp_path / "mine"
    assert main(command(folder, table, output, "--person", "id", "-q")) == 0
    assert "of 23 people" in capsys.readouterr().out
    assert main(command(folder, table, output, "--person", "identifier")) == 2
    assert "--person identifier: " in error_of(capsys)


def test_without_persons_pairs_stand_alone(folder, tmp_path, capsys):
    output = tmp_path / "mine"
    assert main(command(folder, str(folder / "pairs.csv"), output)) == 0
    printed = capsys.readouterr()
    assert f"calibrated on {3 * N - 6} genuine pairs ({N} pictures)" in printed.out
    assert "every pair counts as a person of its own" in printed.err


def test_pictures_that_cannot_be_used_are_named_by_line(folder, table, tmp_path, capsys):
    with open(table, "a") as file:
        file.write(f"{folder / '000.png'},{folder / 'broken.png'},p30,1,30\n")
        file.write(f"no-such.png,{folder / '001.png'},p31,1,31\n")
        file.write(f"{folder / '001.png'},{folder / '001.png'},p32,1,32\n")
    assert main(command(folder, table, tmp_path / "mine", "-q")) == 0
    printed = capsys.readouterr()
    assert "calibrated on 24 genuine pairs of 23 people" in printed.out
    assert "left out: line 27: probe, file" in printed.out
    assert "left out: line 28: reference, file" in printed.out
    assert "left out: line 29: the same picture is on both sides" in printed.out
    assert printed.err == ""


def test_a_missing_person_is_an_error(folder, table, tmp_path, capsys):
    with open(table, "a") as file:
        file.write(f"{folder / '000.png'},{folder / '001.png'},,1,30\n")
    assert main(command(folder, table, tmp_path / "mine")) == 2
    assert "the person is missing on line 27" in error_of(capsys)


def test_few_people(folder, tmp_path, capsys):
    rows = [(folder / "000.png", folder / "001.png", "one", 1, 1)]
    first = write_table(tmp_path / "one.csv", rows, COLUMNS)
    assert main(command(folder, first, tmp_path / "mine")) == 2
    assert "one.csv: 1 people can be used, and at least 2" in error_of(capsys)
    fakes = write_table(tmp_path / "fakes.csv", [(*rows[0][:3], -1, 1)], COLUMNS)
    assert main(command(folder, fakes, tmp_path / "mine")) == 2
    assert "none is genuine" in error_of(capsys)
    assert not (tmp_path / "mine").exists()


def test_no_input_is_replaced(folder, table, tmp_path, capsys):
    original = (folder / "model").read_bytes()
    for output in (folder / "model", table, tmp_path / "000.png"):
        assert main(command(folder, table, output)) == 2
        assert "sklearn-diffake: error: " in capsys.readouterr().err
    assert (folder / "model").read_bytes() == original


def test_the_target_must_be_below_the_abstain_band(folder, table, tmp_path, capsys):
    model = persistence.load(folder / "model", trusted=[TINY])
    model[-1].set_params(abstain=0.2)
    persistence.save(model, tmp_path / "model")
    arguments = command(tmp_path, table, tmp_path / "mine", "--target-bpcer", "0.25")
    assert main(arguments) == 2
    assert "--target-bpcer 0.25 must be below 0.2" in error_of(capsys)


def test_the_packaged_model(tmp_path, capsys):
    paths = save_all(faces(24), tmp_path)
    rows = [(a, b) for a, b in zip(paths[::2], paths[1::2], strict=True)]
    table = write_table(tmp_path / "g.csv", rows)
    arguments = ["calibrate", "default", table, "-o", str(tmp_path / "mine"), "--device", "cpu"]
    assert main([*arguments, "--target-bpcer", "0.2"]) == 0
    assert "calibrated on 12 genuine pairs (24 pictures)" in capsys.readouterr().out
    model = persistence.load(tmp_path / "mine")
    assert model[-1].n_calibration_ == 12
    assert model.predict([(paths[0], paths[1])]).tolist() in ([1], [-1])
