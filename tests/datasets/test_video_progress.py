"""Reading videos takes long: bars, and what was read, for who wants to know."""

import logging

import pandas as pd
import pytest

pytest.importorskip("av")

from log_helpers import log_records
from video_files import write_video

from sklearn_diffake.datasets import extract_frames, load_video_table


@pytest.fixture
def table(tmp_path):
    paths = [str(write_video(tmp_path / f"{i}.mp4", 10)) for i in range(2)]
    return pd.DataFrame({"path": [*paths, str(tmp_path / "gone.mp4")], "label": [1, -1, 1]})


def test_frames_move_a_bar(table, tmp_path, capsys):
    options = {"cache": tmp_path / "cache", "n_frames": 4}
    extract_frames(table["path"][0], **options)
    assert capsys.readouterr() == ("", "")
    extract_frames(table["path"][1], verbose=1, **options)
    err = capsys.readouterr().err
    assert "reading:   0%" in err
    assert "stored" not in err


def test_verbose_reports_stored_and_reused_frames(table, tmp_path, capsys):
    for did in ("stored", "found"):
        extract_frames(table["path"][0], cache=tmp_path / "cache", n_frames=4, verbose=2)
        err = capsys.readouterr().err
        assert f"sklearn_diffake.datasets: 0.mp4: {did} 4 frames in {tmp_path}" in err
        assert ("reading: 100%" in err) == (did == "stored")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_bar_for_all_videos_of_a_table(table, tmp_path, capsys, n_jobs):
    options = {"cache": tmp_path / "cache", "n_frames": 4, "on_broken": "skip", "n_jobs": n_jobs}
    load_video_table(table, verbose=2, **options)
    err = capsys.readouterr().err
    assert "reading videos: 100%" in err
    assert "3/3" in err
    assert "sklearn_diffake.datasets: videos: 8 frames of 3 videos, 1 unusable" in err
    load_video_table(table, **options)
    assert capsys.readouterr() == ("", "")


def test_the_log_has_it_without_verbose(table, tmp_path):
    with log_records(logging.INFO, "sklearn_diffake") as records:
        load_video_table(table, cache=tmp_path / "cache", n_frames=4, on_broken="skip")
    messages = [record.getMessage() for record in records]
    assert "videos: 8 frames of 3 videos, 1 unusable" in messages
