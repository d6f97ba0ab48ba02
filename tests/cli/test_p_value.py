"""p-values on the terminal: only of models that give them."""

import json

import numpy as np
import pytest
from cli_helpers import TINY, N

from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.cli import main
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector


@pytest.fixture(scope="module")
def model(folder):
    """A pipeline with a `ConformalDetector`, and the file it is saved in."""
    detector = ConformalDetector(MahalanobisDetector(), target_bpcer=0.3, random_state=0)
    pipe = make_difffake_pipeline(TINY, aligner=False, device="cpu", detector=detector)
    pipe.fit([(str(folder / f"{i:03}.png"), str(folder / f"{i + 1:03}.png")) for i in range(N - 1)])
    persistence.save(pipe, folder / "conformal")
    return pipe, str(folder / "conformal")


def score(model, *words):
    return main(["score", model[1], *map(str, words), "--trust", TINY, "--device", "cpu"])


def test_p_values_are_those_of_the_detector(folder, model, capsys):
    probes = [folder / name for name in ("001.png", "red.png", "broken.png")]
    assert score(model, folder / "000.png", *probes, "--json") == 2
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    pipe, pairs = model[0], [(str(folder / "000.png"), str(probe)) for probe in probes[:2]]
    differences = pipe[:-1].transform(pairs)
    expected = pipe[-1].p_values(differences)
    np.testing.assert_allclose([row["p_value"] for row in rows[:2]], expected)
    np.testing.assert_allclose(
        [row["score"] for row in rows[:2]], pipe.score_samples(pairs), rtol=1e-5
    )
    assert expected[1] < expected[0]
    assert "p_value" not in rows[2]


def test_the_table_has_a_column_for_them(folder, model, capsys):
    score(model, folder / "000.png", folder / "red.png", folder / "broken.png")
    head, line, unreadable = capsys.readouterr().out.splitlines()
    assert head.split() == ["reference", "probe", "score", "threshold", "p-value", "verdict"]
    pipe = model[0]
    row = pipe[:-1].transform([(str(folder / "000.png"), str(folder / "red.png"))])
    assert line.split()[-2] == f"{pipe[-1].p_values(row)[0]:.3f}"
    assert unreadable.split()[4:6] == ["-", "error:"]


def test_few_calibration_pairs_are_warned_about(folder, model, capsys):
    pipe, _ = model
    n = pipe[-1].n_calibration_
    assert n < 19
    pair = folder / "000.png", folder / "red.png"
    score(model, *pair, "--json")
    said = capsys.readouterr()
    (message,) = json.loads(said.out)["warnings"]
    assert message.startswith(f"few-calibration-pairs: the threshold rests on {n} genuine pairs")
    assert message in said.err
    assert json.loads(said.out)["calibration"] == {
        "pairs": n,
        "groups": None,
        "least_p_value": 1 / (n + 1),
        "level": pipe[-1].level_,
    }
    score(model, *pair)
    assert message in capsys.readouterr().err


def test_other_models_have_none(folder, capsys):
    pair = folder / "000.png", folder / "001.png"
    main(["score", str(folder / "model"), *map(str, pair), "--trust", TINY, "--json"])
    assert not {"p_value", "calibration"} & set(json.loads(capsys.readouterr().out))
