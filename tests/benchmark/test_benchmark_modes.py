"""A benchmark names the mode of pairs, mixes no modes, and every table says what is absent."""

import csv
import itertools
import json

import pytest
from benchmark_cases import TINY, TRUSTED, write_dataset, write_rows

from sklearn_diffake.benchmark import plan_benchmark, read_config, run_benchmark
from sklearn_diffake.benchmark._datasets import load_pairs
from sklearn_diffake.benchmark._settings import DatasetSpec

CONFIG = f"""
bootstrap = 3
device = "cpu"
[datasets.photos]
images = "faces.csv"
[datasets.frames]
images = "frames.csv"
mode = "same_video"
[candidates.one]
embedder = "{TINY}"
align = false
detector = "MahalanobisDetector"
"""
CROSS = "[protocols.cross-dataset]\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Photographs, and the same files as frames of one video for each person and technique."""
    folder = tmp_path_factory.mktemp("modes")
    with write_dataset(folder, name="faces").open() as file:
        rows = list(csv.DictReader(file))
    header = ("path", "video", "identity", "label", "technique")
    of_video = "{identity} {technique}"
    frames = [
        (r["path"], of_video.format(**r), f"x{r['identity']}", r["label"], r["technique"])
        for r in rows
    ]
    frames += [
        (r["path"], *remainder) for r, (_, *remainder) in zip(rows[1:], frames[:-1], strict=True)
    ]
    write_rows(folder / "frames.csv", header, frames)
    return folder


def config_of(data, text):
    (data / "modes.toml").write_text(CONFIG + text, encoding="utf-8")
    return read_config(data / "modes.toml", trusted=TRUSTED)


def test_a_model_of_one_mode_is_not_judged_on_pairs_of_the_other(data, tmp_path):
    with pytest.raises(ValueError, match=r"(?s)\[protocols.cross-dataset\] datasets: 'photos' has "
                       r"pairs of the reference mode, 'frames' of the same-video mode.*"
                       r"mixed_modes = true"):  # fmt: skip
        plan_benchmark(config_of(data, CROSS).replace(tmp_path))
    inner = config_of(data, "[protocols.within-dataset]\nfolds = 2").replace(tmp_path)
    assert len(plan_benchmark(inner).jobs) == 4  # each dataset by itself


def test_asked_explicitly_it_is_and_every_table_says_so(data, tmp_path):
    text = CROSS + "mixed_modes = true\nfolds = 2\n[protocols.within-dataset]\nfolds = 2"
    result = run_benchmark(config_of(data, text).replace(tmp_path))
    assert result.failures == {}
    results = json.loads((tmp_path / "results.json").read_text())
    assert {name: info["mode"] for name, info in results["datasets"].items()} == {
        "photos": "reference",
        "frames": "same-video",
    }
    modes = {(row["fit"], row["test"]): row["mode"] for row in results["summary"]}
    assert modes == {
        ("photos", "photos"): "reference",
        ("frames", "frames"): "same-video",
        ("photos", "frames"): "reference -> same-video",
        ("frames", "photos"): "same-video -> reference",
    }
    report = (tmp_path / "report.md").read_text()
    assert "### frames, same-video mode" in report
    assert r"reference -\> same-video" in report


@pytest.mark.parametrize(
    ("column", "key", "expected"),
    [
        (["reference"], None, "reference"),
        (["same_video"], None, "same-video"),
        (["same-video"], "same-video", "same-video"),
        (None, None, "reference"),
        (None, "same-video", "same-video"),
        (["same-video"], "reference", r"pairs: its pairs are of the same-video mode, the config"),
        (["same-video", "reference"], None, "of the reference mode and of the same-video mode"),
        (["clip"], None, "line 2.*mode must be one of .* got 'clip'"),
    ],
)
def test_the_mode_of_a_table_of_pairs(tmp_path, column, key, expected):
    rows = [(f"{i}.png", f"{i + 1}.png", f"p{i}", 1 - 2 * (i % 2)) for i in range(4)]
    header = ("reference", "probe", "identity", "label")
    if column:
        rows = [(*row, column[i % len(column)]) for i, row in enumerate(rows)]
        header = (*header, "mode")
    file = write_rows(tmp_path / "pairs.csv", header, rows)
    spec = DatasetSpec("faces", "pairs", str(file), {"mode": key})
    if expected in ("reference", "same-video"):
        assert load_pairs(spec, seed=0).mode == expected
    else:
        with pytest.raises(ValueError, match=expected):
            load_pairs(spec, seed=0)


@pytest.mark.parametrize("spelling", ["same_video", "same-video", "reference"])
def test_the_mode_of_a_loader(spelling):
    arguments = {"n_pairs": 12, "mode": spelling, "techniques": ["swap"], "size": 64}
    table = load_pairs(DatasetSpec("faces", "loader", "make_face_pairs", arguments), seed=0)
    assert table.mode == spelling.replace("_", "-")
    assert table.skipped_videos == 0


@pytest.mark.usefixtures("unrendered_figures")
def test_missing_faces_and_skipped_videos_stand_in_every_table(data, tmp_path):
    """Three pictures of a table are not there; no detector finds a face in the others."""
    with (data / "faces.csv").open() as file:
        rows = list(csv.reader(file))
    header, *pictures = rows
    missing_pictures = [["gone.png", *picture[1:]] for picture in pictures[:3]]
    table = write_rows(data / "gone.csv", header, [*pictures, *missing_pictures])
    text = f"""
bootstrap = 3
device = "cpu"
[datasets.faces]
loader = "load_video_table"
arguments = {{ table = "{table.name}", mode = "reference", on_broken = "skip" }}
[datasets.others]
images = "faces.csv"
distinct_people = true
[candidates.one]
embedder = "{TINY}"
align = {{ size = 24, min_face_size = 1.0 }}
detector = "MahalanobisDetector"
[protocols.within-dataset]
folds = 2
[protocols.cross-manipulation]
folds = 2
[protocols.cross-dataset]
folds = 2
[protocols.compression]
folds = 2
jpeg = [50]
[protocols.robustness]
folds = 2
kinds = ["blur"]
blur = [1.0]
[protocols.ablation]
folds = 2
operators = ["absolute"]
normalizations = ["none"]
detectors = ["MahalanobisDetector"]
"""
    (data / "gone.toml").write_text(text, encoding="utf-8")
    result = run_benchmark(read_config(data / "gone.toml", trusted=TRUSTED).replace(tmp_path))
    assert result.failures == {}
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["datasets"]["faces"]["skipped_videos"] == 3
    lines = (tmp_path / "report.md").read_text().splitlines()
    headers = [face for face, rule in itertools.pairwise(lines) if rule.startswith("| ---")]
    assert len(headers) > 10
    assert all(face.endswith("| pairs without a face | videos skipped |") for face in headers)
    for row in results["summary"]:
        assert row["n_skipped_videos"] == (3 if row["test"] == "faces" else 0)
        assert row["n_faceless"] > 0
