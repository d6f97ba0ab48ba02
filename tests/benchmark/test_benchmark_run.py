"""A benchmark runs to its end, whatever happens on the way."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from benchmark_cases import TRUSTED, events, result_files, write_config, write_dataset

from sklearn_diffake.benchmark import plan_benchmark, read_config, run_benchmark
from sklearn_diffake.cli import main
from sklearn_diffake.embedding import EmbeddingStore
from sklearn_diffake.novelty import MahalanobisDetector

ROOT = Path(__file__).resolve().parents[2]
TRUST = [argument for name in TRUSTED for argument in ("--trust", name)]


def run(data, folder, **options):
    config = read_config(data / "benchmark.toml", trusted=TRUSTED)
    return run_benchmark(config.replace(folder), **options)


def start(data, folder):
    """Start a benchmark as a user does."""
    message = arguments(data, folder)
    code = f"import sys; from sklearn_diffake.cli import main; sys.exit(main({message!r}))"
    return forked_programs.start(code, cwd=data)


def arguments(data, folder):
    return ["benchmark", str(data / "benchmark.toml"), "-o", str(folder), "--quiet", *TRUST]


def test_every_protocol_has_figures(finished):
    assert finished.failures == {}
    results = json.loads((finished.folder / "results.json").read_text())
    rows = results["summary"]
    assert list(dict.fromkeys(row["protocol"] for row in rows)) == [
        "cross-manipulation",
        "cross-dataset",
        "compression",
        "robustness",
        "ablation",
    ]
    for row in rows:
        assert list(row["figures"]) == [
            "auc", "eer", "ap_fake", "bpcer10", "bpcer20", "bpcer100", "apcer", "bpcer",
        ]  # fmt: skip
        for estimate, low, high in row["figures"].values():
            assert 0 <= low <= high <= 1
            assert 0 <= estimate <= 1
    assert results["config"]["seed"] == 3
    assert results["device"] in ("cpu", "cuda", "mps")
    assert results["versions"]["numpy"] == np.__version__
    assert results["datasets"]["faces"]["pairs"] == 84
    techniques = results["datasets"]["faces"]["technique"]
    assert techniques == {"patch": 12, "swap": 12, "tint": 12, "genuine": 48}


def test_the_report_shows_tables_and_figures(finished):
    report = (finished.folder / "report.md").read_text()
    pictures = re.findall(r"!\[.*\]\((.*)\)", report)
    assert len(pictures) == len(set(pictures)) == 6
    assert {path.name for path in finished.folder.glob("*.png")} == set(pictures)
    for name in pictures:
        assert (finished.folder / name).read_bytes().startswith(b"\x89PNG")
    tables = [line for line in report.splitlines() if line.startswith("|")]
    for line, above in zip(tables[1:], tables, strict=False):
        if line.startswith("| ---"):
            assert line.count("|") == above.count("|")
    results = json.loads((finished.folder / "results.json").read_text())
    auc = results["summary"][0]["figures"]["auc"]
    assert "{:.3f} [{:.3f}, {:.3f}]".format(*auc) in report


def test_every_image_is_embedded_once(finished):
    (count,) = events(finished.folder, "embedded")
    info = EmbeddingStore(finished.folder / "cache").info()
    assert finished.images["embedded"] == finished.images["wanted"] == count["embedded"]
    assert embedded(finished.folder) == count["embedded"]
    assert info["entries"] == info["writes"] == count["embedded"] + 3 * 84  # and digests of crops
    # faces by two networks, the others by one, and the probes of faces degraded in three ways
    assert count["embedded"] == 2 * 84 + 63 + 32 + 3 * 84


def test_a_second_start_does_nothing_and_gives_the_same(data, finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy")
    original = result_files(tmp_path / "copy")
    for name in ("results.json", "report.md"):
        (tmp_path / "copy" / name).unlink()
    result = run(data, tmp_path / "copy")
    assert (result.n_before, result.images["embedded"]) == (result.n_cells, 0)
    assert result_files(tmp_path / "copy") == original


def embedded(folder):
    """Count the embeddings in the store of a benchmark, without making one."""
    counts = [0]
    for file in (folder / "cache").glob("*.sqlite"):
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
            query = "SELECT count(*) FROM entries WHERE namespace LIKE 'embedding:%'"
            counts += db.execute(query).fetchone()
    return max(counts)


def jobs_done(folder):
    return len(list((folder / "cells").glob("*.json")))


def kill_at(count, least, data, folder):
    process = start(data, folder)
    while count(folder) < least and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "results.json").exists()


@pytest.mark.slow
def test_killed_twice_and_started_again(data, finished, tmp_path):
    """Once among the embeddings, once among the jobs."""
    n_images = finished.images["wanted"]
    kill_at(embedded, 40, data, tmp_path)
    n_embedded = embedded(tmp_path)
    assert n_embedded < n_images
    assert jobs_done(tmp_path) == 0

    kill_at(jobs_done, 10, data, tmp_path)
    (count,) = events(tmp_path, "embedded")
    assert count["embedded"] == n_images - n_embedded
    assert embedded(tmp_path) == n_images
    n_done = jobs_done(tmp_path)
    assert 0 < n_done < finished.n_cells

    result = run(data, tmp_path)
    assert result.n_before == n_done
    assert result.images["embedded"] == 0
    assert result_files(tmp_path) == result_files(finished.folder)
    assert not list(tmp_path.rglob(".*.tmp"))


@pytest.mark.slow
def test_two_processes_give_the_same(data, finished, tmp_path):
    result = run(data, tmp_path, n_jobs=2)
    assert result.images == finished.images
    assert result_files(tmp_path) == result_files(finished.folder)


SMALL = {"cross-manipulation": "candidates = ['one']\ncalibrate = false\nfolds = 2"}


@pytest.fixture
def small(tmp_path):
    write_dataset(tmp_path, n_people=6, genuine=3)
    return write_config(tmp_path, SMALL, datasets=["faces"])


def command(config, *additional):
    return main(["benchmark", str(config), "--quiet", *TRUST, *additional])


def test_the_cells_can_be_listed(small, capsys):
    assert command(small, "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["to do", "to do", lines[-1]]
    assert lines[0].endswith("cross-manipulation | faces | one | fold 1 of 2")
    assert lines[-1] == "2 cells, 2 different: 0 done, 2 to do"
    assert not (small.parent / "benchmark-results").exists()
    assert command(small) == 0
    assert "2 cells: 0 were done, 2 done now, 0 failed" in capsys.readouterr().out
    assert command(small, "--list") == 0
    assert capsys.readouterr().out.endswith("2 cells, 2 different: 2 done, 0 to do\n")


def test_quiet_is_quiet_and_verbose_shows_the_time_left(small, capsys):
    assert command(small) == 0
    assert capsys.readouterr().err == ""
    shutil.rmtree(small.parent / "benchmark-results")
    assert main(["benchmark", str(small), "-v", *TRUST]) == 0
    displayed = capsys.readouterr().err
    assert re.search(r"embedding: .*image/s", displayed)
    assert re.search(r"cells: .*0/2 \[.*<.*cell/s\]", displayed)


def test_what_fails_is_recorded_and_tried_again(small, capsys, monkeypatch):
    fit, fail = MahalanobisDetector._fit, [True, False]

    def fail_sometimes(self, X, **per_row):
        if fail and fail.pop(0):
            raise RuntimeError("a singular matrix, say")
        return fit(self, X, **per_row)

    monkeypatch.setattr(MahalanobisDetector, "_fit", fail_sometimes)
    assert command(small) == 4
    out, err = capsys.readouterr()
    assert "1 done now, 1 failed" in out
    assert "failed: cross-manipulation | faces | one | fold 1 of 2: RuntimeError: a singular" in err
    folder = small.parent / "benchmark-results"
    (failed,) = (folder / "failed").glob("*.json")
    assert json.loads(failed.read_text())["error"] == "RuntimeError: a singular matrix, say"
    assert "1 cells failed" in (folder / "report.md").read_text()
    failures = json.loads((folder / "results.json").read_text())["failures"]
    assert failures == {
        "cross-manipulation | faces | one | fold 1 of 2": "RuntimeError: a singular matrix, say"
    }
    assert command(small) == 0
    assert "1 were done, 1 done now, 0 failed" in capsys.readouterr().out
    assert not failed.exists()
    assert "failed" not in (folder / "report.md").read_text()


def test_an_image_that_cannot_be_read_fails_its_cells_only(small, capsys):
    picture = small.parent / "faces" / "0-0-patch.png"
    good = picture.read_bytes()
    picture.write_bytes(b"no image")
    assert command(small) == 4
    out, err = capsys.readouterr()
    assert "1 done now, 1 failed" in out
    assert re.search(r"failed: .*0-0-patch.png: this is a text file", err)
    picture.write_bytes(good)
    assert command(small) == 0
    out = capsys.readouterr().out
    assert "2 cells: 0 were done, 2 done now" in out  # the dataset is another one now
    assert "1 of 36 images embedded now" in out


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX links")
@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize(
    "name", ["results.json", "report.md", "log.jsonl", "cells/x.json", "failed/.x.tmp",
             "cross-manipulation-faces.png"],
)  # fmt: skip
@pytest.mark.parametrize("source", ["CONFIG", "faces.csv", "faces/0-0-genuine.png"])
def test_no_result_takes_the_place_of_an_input(small, capsys, source, name, link):
    source = small if source == "CONFIG" else small.parent / source
    original = source.read_bytes()
    output = small.parent / "benchmark-results" / name
    output.parent.mkdir(parents=True)
    link(source, output)
    assert command(small) == 2
    assert "it is the input" in capsys.readouterr().err
    assert source.read_bytes() == original
    assert os.path.samefile(output, source)


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_results_are_their_owners_alone(small):
    original = os.umask(0)
    try:
        assert command(small) == 0
    finally:
        os.umask(original)
    folder = small.parent / "benchmark-results"
    paths = [folder, *folder.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}


def test_other_seeds_and_pictures_are_other_cells(small):
    plan = plan_benchmark(read_config(small, trusted=TRUSTED))
    text = small.read_text()
    small.write_text(text.replace("seed = 3", "seed = 4"))
    second_plan = plan_benchmark(read_config(small, trusted=TRUSTED))
    assert set(plan.keys).isdisjoint(second_plan.keys)
    small.write_text(text.replace("bootstrap = 3", "bootstrap = 4"))
    assert plan_benchmark(read_config(small, trusted=TRUSTED)).keys == plan.keys
    a, b = (small.parent / "faces" / f"0-{i}-genuine.png" for i in (0, 1))
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)
    small.write_text(text)
    swapped = plan_benchmark(read_config(small, trusted=TRUSTED))
    assert swapped.fingerprints != plan.fingerprints
    assert set(plan.keys).isdisjoint(swapped.keys)


def test_bad_configurations_are_one_line(small, capsys):
    small.write_text(small.read_text().replace("folds = 2", "foldz = 2"))
    assert command(small) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "[protocols.cross-manipulation] foldz: unknown key; did you mean 'folds'?" in error


def test_what_dataset_does_not_suit_is_said(small, capsys):
    small.write_text(small.read_text().replace("folds = 2", "folds = 9"))
    assert command(small) == 2
    error = capsys.readouterr().err
    assert "[protocols.cross-manipulation] There are too few groups for 9 folds" in error


@pytest.mark.parametrize(
    ("module", "extra", "additional"),
    [("matplotlib", "plots", []), ("distributed", "dask", ["--dask", "tcp://127.0.0.1:1"])],
)
def test_missing_extras_are_named(small, capsys, monkeypatch, module, extra, additional):
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    assert command(small, *additional) == 2
    assert f"pip install 'sklearn-diffake[{extra}]'" in capsys.readouterr().err


def test_videos_are_judged_if_asked_for(small, capsys):
    text = small.read_text()
    small.write_text("level = 'videos'\n" + text)
    assert command(small) == 2
    assert "dataset 'faces' has pairs of no named video" in capsys.readouterr().err
    table = small.parent / "faces.csv"
    header, *lines = table.read_text().splitlines()
    names = [f"{line},{line.split(',')[1]}-{line.split(',')[3]}" for line in lines]
    table.write_text("\n".join([f"{header},video", *names]) + "\n")
    assert command(small) == 0
    results = json.loads((small.parent / "benchmark-results" / "results.json").read_text())
    assert results["summary"][0]["n_genuine"] == 6  # not 18
