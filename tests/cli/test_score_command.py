"""``sklearn-diffake score``, ``compare`` and ``demo``: what they say of pairs."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cli_helpers import TINY, error_of, write_table
from image_helpers import astronaut
from PIL import Image

import sklearn_diffake
from sklearn_diffake import demo, make_difffake_pipeline, persistence
from sklearn_diffake.cli import main
from sklearn_diffake.embedding import _face_embedder
from sklearn_diffake.verdict import Verdict

TRUST = ["--trust", TINY, "--device", "cpu"]


def loaded(folder):
    return persistence.load(folder / "model", trusted=[TINY])


def expected_scores(folder, pairs):
    return loaded(folder).score_samples([(str(folder / a), str(folder / b)) for a, b in pairs])


def score(folder, *arguments):
    return main(["score", str(folder / "model"), *map(str, arguments), *TRUST])


def test_score_writes_a_table(folder, capsys):
    assert score(folder, folder / "000.png", folder / "001.png", folder / "red.png") == 1
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    pairs = [("000.png", "001.png"), ("000.png", "red.png")]
    model, rows = loaded(folder), [[str(folder / name) for name in pair] for pair in pairs]
    threshold = model["detect"].offset_
    p_values = model["detect"].p_values(model[:-1].transform(rows))
    assert lines[0] == ["reference", "probe", "score", "threshold", "p-value", "verdict"]
    for line, row, value, p_value, outcome in zip(
        lines[1:], rows, expected_scores(folder, pairs), p_values, ["genuine", "suspicious"],
        strict=True,
    ):  # fmt: skip
        assert line == [*row, f"{value:.4g}", f"{threshold:.4g}", f"{p_value:.3f}", outcome]


def test_score_is_zero_when_all_are_genuine(folder):
    assert score(folder, folder / "000.png", folder / "001.png") == 0


def test_score_writes_json_with_labels(folder, tmp_path, capsys):
    rows = [("000.png", "001.png", 1), ("000.png", "red.png", -1), ("002.png", "003.png", "")]
    table = write_table(folder / "labeled.csv", rows, ("reference", "probe", "label"))
    assert score(folder, "--csv", table, "--json") == 1
    actual = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    fields = list(Verdict("error", "").to_dict())
    assert [list(row) for row in actual] == [
        ["reference", "probe", "label", *fields],
        ["reference", "probe", "label", *fields],
        ["reference", "probe", *fields],
    ]
    assert [row["probe"] for row in actual] == ["001.png", "red.png", "003.png"]
    assert [row.get("label") for row in actual] == [1, -1, None]
    scores = expected_scores(folder, [row[:2] for row in rows])
    np.testing.assert_allclose([row["score"] for row in actual], scores, rtol=1e-5)
    assert [row["outcome"] for row in actual] == ["genuine", "suspicious", "genuine"]
    assert {row["model"]["name"] for row in actual} == {"model"}


def test_unreadable_probes_do_not_cost_the_others(folder, capsys):
    names = ["001.png", "broken.png", "red.png", "absent.png", "002.png"]
    assert score(folder, folder / "000.png", *[folder / name for name in names], "--json") == 2
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = ["genuine", "error", "suspicious", "error", "genuine"]
    assert [row["outcome"] for row in rows] == outcomes
    assert rows[1]["reason"].startswith("probe, file ")
    assert "no such file" in rows[3]["reason"]
    assert rows[1]["score"] is rows[1]["p_value"] is None
    good = [("000.png", names[i]) for i in (0, 2, 4)]
    actual = [rows[i]["score"] for i in (0, 2, 4)]
    np.testing.assert_allclose(actual, expected_scores(folder, good), rtol=1e-5)


def test_table_shows_why_a_probe_has_no_score(folder, capsys):
    assert score(folder, folder / "000.png", folder / "broken.png") == 2
    line = capsys.readouterr().out.splitlines()[1]
    assert " -  " in line
    assert "  error: probe, file " in line


def test_unreadable_reference_is_called_so(folder, capsys):
    assert score(folder, folder / "broken.png", folder / "000.png", "--json") == 2
    assert json.loads(capsys.readouterr().out)["reason"].startswith("reference, file ")


def test_a_folder_is_one_probe(folder, tmp_path, capsys):
    for i in range(1, 4):
        shutil.copy(folder / f"{i:03}.png", tmp_path)
    assert score(folder, folder / "000.png", tmp_path, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["n_references"], row["n_probes"]) == (1, 3)
    score(folder, folder / "000.png", tmp_path)
    assert capsys.readouterr().out.splitlines()[1].endswith("  genuine (3 probe images)")


def test_several_references_are_one_template(folder, capsys):
    names = [str(folder / f"{i:03}.png") for i in range(3)]
    assert score(folder, "--reference", *names, "--probe", folder / "003.png", "--json") in (0, 5)
    row = json.loads(capsys.readouterr().out)
    assert (row["n_references"], row["n_probes"]) == (3, 1)
    expected = loaded(folder).score_samples([(names, str(folder / "003.png"))])
    np.testing.assert_allclose(row["score"], expected[0], rtol=1e-5)


def test_a_wide_band_is_inconclusive(folder, capsys):
    arguments = [folder / "000.png", folder / "001.png", "--abstain"]
    assert score(folder, *arguments, "0.99") == 5
    assert "inconclusive" in capsys.readouterr().out
    assert score(folder, *arguments, "0") == 0


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
    assert '"outcome": "suspicious"' in capsys.readouterr().out


def test_compare_with_the_model_that_ships(tmp_path, capsys):
    if not (Path(sklearn_diffake.__file__).parent / "data" / "default.diffake").is_file():
        pytest.skip("the packaged model is not there yet: sklearn_diffake/data/default.diffake")
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    Image.fromarray(astronaut()[:, ::-1]).save(tmp_path / "b.jpg", quality=90)
    code = main(["compare", str(tmp_path / "a.png"), str(tmp_path / "b.jpg"), "--json"])
    row = json.loads(capsys.readouterr().out)
    assert code == 0
    assert row["outcome"] == "genuine"
    assert row["model"]["name"] == "default"
    assert row["images"][0]["n_faces"] == 1


def test_another_choice_of_the_face_is_set_on_the_aligner(monkeypatch, recorder):
    model = make_difffake_pipeline(["difffake-lite0-identity", "difffake-lite0"])
    monkeypatch.setattr(sklearn_diffake, "load_default", lambda mode: model, raising=False)
    assert main(["compare", "a", "good", "--select", "match", "-q"]) == 0
    assert model["align"].select == "match"
    assert model["align"].matcher.backbone == "difffake-lite0-identity"
    assert main(["compare", "a", "good", "--select", "central", "-q"]) == 0
    assert model["align"].select == "central"


def test_a_model_that_does_not_align_has_no_choice_of_the_face(folder, capsys):
    assert score(folder, folder / "000.png", folder / "001.png", "--select", "match") == 2
    assert "--select: the model does not align" in error_of(capsys)


@pytest.mark.parametrize("name", ["demo.png", None])
def test_demo_prints_the_table_and_where_the_picture_is(tmp_path, capsys, monkeypatch, name):
    picture = tmp_path / name if name else None

    def run_demo(folder, verbose):
        result = SimpleNamespace(folder=Path(folder), seconds=12.3, picture=picture)
        result.table = lambda: f"the table, {verbose=}"
        return result

    monkeypatch.setattr(demo, "run_demo", run_demo)
    assert main(["demo", "-o", str(tmp_path), "-v"]) == 0
    out = capsys.readouterr().out
    assert "the table, verbose=True" in out
    expected = f"The picture is {picture}." if name else "No picture, for it needs matplotlib: pip"
    assert expected in out
