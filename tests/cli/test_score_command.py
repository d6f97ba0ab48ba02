"""``sklearn-diffake score``, ``compare`` and ``demo``: what they say of pairs."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_helpers import TINY, N, write_table
from image_helpers import astronaut
from PIL import Image
from sklearn.metrics import roc_auc_score

import sklearn_diffake
from sklearn_diffake import demo, persistence
from sklearn_diffake.cli import main
from sklearn_diffake.embedding import _face_embedder
from sklearn_diffake.metrics import confidence_interval, equal_error_rate

TRUST = ["--trust", TINY, "--device", "cpu"]


def expected_scores(folder, pairs):
    model = persistence.load(folder / "model", trusted=[TINY])
    return model.score_samples([(str(folder / a), str(folder / b)) for a, b in pairs])


def score(folder, *words):
    return main(["score", str(folder / "model"), *map(str, words), *TRUST])


def test_score_writes_a_table(folder, capsys):
    assert score(folder, folder / "000.png", folder / "001.png", folder / "red.png") == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    first, second = expected_scores(folder, [("000.png", "001.png"), ("000.png", "red.png")])
    threshold = persistence.load(folder / "model", trusted=[TINY])["detect"].offset_
    assert lines == [
        ["reference", "probe", "score", "threshold", "verdict"],
        [f"{folder}/000.png", f"{folder}/001.png", f"{first:.3f}", f"{threshold:.3f}", "genuine"],
        [f"{folder}/000.png", f"{folder}/red.png", f"{second:.3f}", f"{threshold:.3f}", "deepfake"],
    ]


def test_score_is_zero_when_all_are_genuine(folder):
    assert score(folder, folder / "000.png", folder / "001.png") == 0


def test_score_writes_json_with_labels(folder, tmp_path, capsys):
    rows = [("000.png", "001.png", 1), ("000.png", "red.png", -1), ("002.png", "003.png", "")]
    table = write_table(folder / "labelled.csv", rows, ("reference", "probe", "label"))
    assert score(folder, "--csv", table, "--json") == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [list(row) for row in found] == [
        ["reference", "probe", "score", "threshold", "decision", "verdict", "label", "warnings"],
        ["reference", "probe", "score", "threshold", "decision", "verdict", "label", "warnings"],
        ["reference", "probe", "score", "threshold", "decision", "verdict", "warnings"],
    ]
    assert [row["probe"] for row in found] == ["001.png", "red.png", "003.png"]
    assert [row.get("label") for row in found] == [1, -1, None]
    scores = expected_scores(folder, [row[:2] for row in rows])
    np.testing.assert_allclose([row["score"] for row in found], scores, rtol=1e-9)
    for row in found:
        assert row["decision"] == row["score"] - row["threshold"]
        assert row["verdict"] == ("genuine" if row["decision"] >= 0 else "deepfake")


def test_score_ends_with_auc_and_eer(folder, capsys):
    pairs = [(f"{i:03}.png", f"{i + 1:03}.png") for i in range(N - 1)]
    labels = [1, 1, -1, 1, -1] * 4 + [1] * 3
    rows = [(*pair, label) for pair, label in zip(pairs, labels, strict=True)]
    table = write_table(folder / "many.csv", rows, ("reference", "probe", "label"))
    score(folder, "--csv", table)
    said = capsys.readouterr()
    scores = expected_scores(folder, pairs)
    auc, eer = roc_auc_score(labels, scores), equal_error_rate(labels, scores)
    assert said.err == (  # each pair has a photograph of the next
        f"AUC {auc:.3f}, EER {eer:.1%} (15 genuine, 8 deepfake)\n"
        "too few pairs without a photograph in common for 95 % intervals\n"
    )
    assert "AUC" not in said.out
    score(folder, "--csv", table, "--quiet")
    assert capsys.readouterr().err == ""


def test_auc_and_eer_have_intervals_over_photographs(folder, capsys):
    pairs = [(f"{i:03}.png", f"{i + 1:03}.png") for i in range(0, N - 1, 2)]
    rows = [(*pair, label) for pair, label in zip(pairs, [1, -1] * len(pairs), strict=False)]
    table = write_table(folder / "apart.csv", rows, ("reference", "probe", "label"))
    score(folder, "--csv", table)
    _, line = capsys.readouterr().err.splitlines()
    labels, scores = [row[2] for row in rows], expected_scores(folder, pairs)
    _, low, high = confidence_interval(roc_auc_score, labels, scores)
    assert line.startswith(f"95 % intervals: AUC {low:.3f} to {high:.3f}, EER ")


def test_no_auc_of_one_class(folder, capsys):
    table = write_table(
        folder / "one.csv", [("000.png", "001.png", 1)], ("reference", "probe", "label")
    )
    assert score(folder, "--csv", table) == 0
    assert capsys.readouterr().err == "no AUC: the labelled pairs are 1 genuine, 0 deepfake\n"


def test_unreadable_probes_do_not_cost_the_others(folder, capsys):
    names = ["001.png", "broken.png", "red.png", "absent.png", "003.png"]
    assert score(folder, folder / "000.png", *[folder / name for name in names], "--json") == 2
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["verdict"] for row in rows][1:4] == ["error", "deepfake", "error"]
    assert rows[1]["error"].startswith("probe, file ")
    assert "no such file" in rows[3]["error"]
    assert rows[1]["score"] is rows[1]["decision"] is None
    good = [("000.png", names[i]) for i in (0, 2, 4)]
    found = [rows[i]["score"] for i in (0, 2, 4)]
    np.testing.assert_allclose(found, expected_scores(folder, good), rtol=1e-5)


def test_table_shows_why_a_probe_has_no_score(folder, capsys):
    assert score(folder, folder / "000.png", folder / "broken.png") == 2
    line = capsys.readouterr().out.splitlines()[1]
    assert " -  " in line
    assert "  error: probe, file " in line


def test_unreadable_reference_is_called_so(folder, capsys):
    assert score(folder, folder / "broken.png", folder / "000.png", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"].startswith("reference, file ")


def test_all_pairs_are_scored_in_one_call(recorder):
    assert main(["compare", "reference", *["good"] * 50]) == 0
    assert recorder.calls == [50]


def test_a_pair_that_fails_is_left_out_and_the_others_are_scored_together(recorder, capsys):
    assert main(["compare", "reference", "good", "bad", "fake"]) == 2
    assert recorder.calls == [3, 2]
    verdicts = [line.split()[4] for line in capsys.readouterr().out.splitlines()[1:]]
    assert verdicts == ["genuine", "error:", "deepfake"]


def test_no_photograph_is_computed_twice_beside_a_broken_one(folder, capsys, monkeypatch):
    computed = []
    build = _face_embedder.build_forward

    def counting(*args):
        forward = build(*args)
        return lambda crops: (computed.append(len(crops)), forward(crops))[1]

    monkeypatch.setattr(_face_embedder, "build_forward", counting)
    probes = [folder / f"{i:03}.png" for i in range(1, 9)]
    assert score(folder, folder / "000.png", *probes, folder / "broken.png") == 2
    assert sum(computed) == 9


def test_compare_uses_the_default_model(recorder, capsys):
    assert main(["compare", "a", "good one"]) == 0
    assert main(["compare", "a", "other", "--json"]) == 1
    out = capsys.readouterr().out
    assert '"score": 0.0, "threshold": 0.5, "decision": -0.5, "verdict": "deepfake"' in out


def test_compare_with_the_model_that_ships(tmp_path, capsys):
    if not (Path(sklearn_diffake.__file__).parent / "data" / "default.diffake").is_file():
        pytest.skip("the packaged model is not there yet: sklearn_diffake/data/default.diffake")
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    Image.fromarray(astronaut()).save(tmp_path / "b.jpg", quality=90)
    code = main(["compare", str(tmp_path / "a.png"), str(tmp_path / "b.jpg"), "--json"])
    row = json.loads(capsys.readouterr().out)
    assert code == 0
    assert row["verdict"] == "genuine"


def test_demo_prints_the_table_and_where_the_picture_is(tmp_path, capsys, monkeypatch):
    def run_demo(folder, verbose):
        result = SimpleNamespace(folder=Path(folder), seconds=12.3)
        result.table = lambda: f"the table, {verbose=}"
        return result

    monkeypatch.setattr(demo, "run_demo", run_demo)
    assert main(["demo", "-o", str(tmp_path), "-v"]) == 0
    out = capsys.readouterr().out
    assert "the table, verbose=True" in out
    assert str(tmp_path / "demo.png") in out
