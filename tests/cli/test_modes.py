"""Pairs of one mode are neither learned from nor judged by a model of the other."""

import json

import pytest
from cli_helpers import FIT, TINY, error_of, write_table

from sklearn_diffake import persistence
from sklearn_diffake.cli import main
from sklearn_diffake.pairs import mode_of

FRAMES = ("reference", "probe", "mode")
TRUST = ["--trust", TINY, "--device", "cpu"]


def rows(folder, *modes):
    names = [(folder / f"{i:03}.png", folder / f"{i + 1:03}.png") for i in range(22)]
    return [(*pair, modes[i % len(modes)]) for i, pair in enumerate(names)]


def fit(table, model, *options):
    return main(["fit", table, "-o", str(model), *FIT, "--target-bpcer", "0.3", *options])


def score(model, table, *options):
    return main(["score", str(model), "--csv", table, *TRUST, *options])


@pytest.fixture(scope="module")
def frames_model(folder, tmp_path_factory):
    """A model of the same-video mode, fitted on pairs whose table says so."""
    path = tmp_path_factory.mktemp("modes")
    table = write_table(path / "frames.csv", rows(folder, "same_video", "Same-Video"), FRAMES)
    assert fit(table, path / "model") == 0
    return path / "model"


def test_a_model_has_the_mode_of_its_pairs(frames_model, folder):
    assert mode_of(persistence.load(frames_model, trusted=[TINY])) == "same-video"
    assert mode_of(persistence.load(folder / "model", trusted=[TINY])) == "reference"


@pytest.mark.parametrize(
    ("header", "cells", "options", "mode"),
    [
        (("reference", "probe"), (), ["--mode", "same-video"], "same-video"),
        (("reference", "probe", "reference_video", "video"), ("a", "a"), [], "same-video"),
        (("reference", "probe", "reference_video", "video"), ("a", "b"), [], "reference"),
        (FRAMES, ("",), ["--mode", "same-video"], "same-video"),
    ],
)
def test_fit_finds_the_mode(folder, tmp_path, capsys, header, cells, options, mode):
    pairs = [(*row[:2], *cells) for row in rows(folder, "")]
    table = write_table(tmp_path / "p.csv", pairs, header)
    assert fit(table, tmp_path / "m", *options) == 0
    assert f"mode: {mode}\n" in capsys.readouterr().out
    assert mode_of(persistence.load(tmp_path / "m", trusted=[TINY])) == mode


@pytest.mark.parametrize(
    ("modes", "options", "message"),
    [
        (("reference", "same-video"), [], "line 3: the pair is of same-video mode, line 2 is of"),
        (("same-video", ""), [], "line 3: the pair is of reference mode, line 2 is of same-video"),
        (("reference",), ["--mode", "same-video"], "line 2: .*reference mode, --mode same-video"),
        (("video",), [], "line 2.*mode must be one of reference, same-video, got 'video'"),
    ],
)
def test_fit_refuses_pairs_of_both_modes(folder, tmp_path, capsys, modes, options, message):
    import re

    table = write_table(tmp_path / "p.csv", rows(folder, *modes), FRAMES)
    assert fit(table, tmp_path / "m", *options) == 2
    assert re.search(message, error_of(capsys))
    assert not (tmp_path / "m").exists()


def test_a_deepfake_may_be_of_any_mode_in_fit(folder, tmp_path):
    """It is not learned from."""
    header = ("reference", "probe", "mode", "label")
    pairs = [(*row, 1) for row in rows(folder, "reference")]
    pairs.append((folder / "000.png", folder / "red.png", "same-video", -1))
    assert fit(write_table(tmp_path / "p.csv", pairs, header), tmp_path / "m") == 0


def test_score_refuses_pairs_of_the_other_mode(folder, frames_model, tmp_path, capsys):
    frames = write_table(tmp_path / "frames.csv", rows(folder, "reference", "same-video"), FRAMES)
    photos = write_table(tmp_path / "photos.csv", [row[:2] for row in rows(folder, "")])
    assert score(folder / "model", frames) == 2
    message = error_of(capsys)
    assert f"{frames}, line 3: the model is of reference mode" in message
    assert "--other-mode" in message
    assert score(frames_model, photos) == 2
    assert f"{photos}, line 2: the model is of same-video mode" in error_of(capsys)


def test_other_modes_are_judged_and_labeled_with_the_option(folder, tmp_path, capsys):
    pairs = rows(folder, "reference", "same-video")
    table = write_table(tmp_path / "frames.csv", pairs, FRAMES)
    plain = write_table(tmp_path / "plain.csv", [row[:2] for row in pairs])

    def verdicts(*arguments):
        assert main(["score", str(folder / "model"), *TRUST, "--json", *arguments]) in (0, 1, 5)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    labeled, usual = verdicts("--csv", table, "--other-mode"), verdicts("--csv", plain)
    assert {row["outcome"] for row in usual} >= {"genuine"}
    for (*_, mode), row, original in zip(pairs, labeled, usual, strict=True):
        codes = [warning["code"] for warning in row["warnings"]]
        assert row["score"] == original["score"]
        if mode == "reference":
            assert "other_mode" not in codes
            assert row["outcome"] == original["outcome"]
        else:
            assert "other_mode" in codes
            assert row["outcome"] != "genuine"
            assert "the pair is of same-video mode" in row["warnings"][-1]["message"]


def test_calibrate_refuses_pairs_of_the_other_mode(folder, tmp_path, capsys):
    table = write_table(tmp_path / "frames.csv", rows(folder, "same-video"), FRAMES)
    arguments = ["calibrate", str(folder / "model"), table, "-o", str(tmp_path / "m"), *TRUST]
    assert main([*arguments, "--quiet"]) == 2
    assert f"{table}, line 2: the model is of reference mode" in error_of(capsys)
