"""Figures are those of sklearn_diffake.metrics, over folds and people."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sklearn_diffake import metrics
from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._jobs import Job, Rows, Step
from sklearn_diffake.benchmark._results import summarize
from sklearn_diffake.benchmark._scores import (
    FIGURES,
    POOLED,
    WORST,
    Scores,
    Settings,
    figures,
    join_folds,
    with_intervals,
)
from sklearn_diffake.benchmark.protocols._cross_manipulation import CALIBRATED


def some_scores(seed=0, n=240, ties=False):
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.5, 1, -1)
    decision = rng.normal(size=n) + 0.8 * y
    if ties:
        decision = np.round(decision)
    technique = np.where(y == 1, "genuine", rng.choice(["swap", "warp"], n)).astype(object)
    decision[technique == "warp"] += 0.5
    return Scores(y, decision, technique, np.arange(n) % 3, np.arange(n) // 6)


@pytest.mark.parametrize("ties", [False, True])
def test_figures_of_one_fold_are_those_of_metrics(ties):
    y, decision, technique, *_ = some_scores(ties=ties)
    result = figures(y, decision, np.zeros(len(y), int))
    assert list(result) == list(FIGURES)
    expected = {
        "auc": roc_auc_score(y, decision),
        "eer": metrics.equal_error_rate(y, decision),
        "ap_fake": metrics.average_precision_fake(y, decision),
        "bpcer10": metrics.bpcer_at_apcer(y, decision, apcer=0.10),
        "bpcer20": metrics.bpcer_at_apcer(y, decision, apcer=0.05),
        "bpcer100": metrics.bpcer_at_apcer(y, decision, apcer=0.01),
        "apcer": metrics.apcer(y, decision),
        "bpcer": metrics.bpcer(y, decision),
    }
    assert result == pytest.approx(expected, abs=1e-12)
    worst = figures(y, decision, np.zeros(len(y), int), technique)
    warp = (y == 1) | (technique == "warp")
    assert worst["auc"] == pytest.approx(roc_auc_score(y[warp], decision[warp]))
    assert worst["apcer"] == metrics.worst_apcer(y, decision, technique)
    for name, rate in {"bpcer10": 0.10, "bpcer20": 0.05, "bpcer100": 0.01}.items():
        assert worst[name] == metrics.bpcer_at_apcer(y, decision, apcer=rate, technique=technique)
    assert worst["eer"] > result["eer"]


def test_figures_of_folds_are_averaged():
    y, decision, _, fold, _ = some_scores()
    per_fold = [roc_auc_score(y[fold == k], decision[fold == k]) for k in range(3)]
    assert figures(y, decision, fold)["auc"] == pytest.approx(np.mean(per_fold))
    # a fold of one class has no figures
    y = np.where(fold == 2, 1, y)
    assert figures(y, decision, fold)["auc"] == pytest.approx(np.mean(per_fold[:2]))
    # each fold of one class: all rows together
    y = np.where(fold == 2, 1, -1)
    assert figures(y, decision, fold)["auc"] == pytest.approx(roc_auc_score(y, decision))


@pytest.mark.parametrize("worst", [False, True])
def test_intervals_are_over_groups(worst):
    scores = some_scores()
    number, result = with_intervals(7, scores, worst, Settings(40, 0.9, 1))
    assert number == 7
    technique = {"technique": scores.technique} if worst else {}
    for name in ("auc", "bpcer10", "apcer"):
        expected = metrics.bootstrap_interval(
            lambda y, s, name=name, **extra: figures(y, s, **extra)[name],
            scores.y,
            scores.decision,
            groups=scores.group,
            metadata={"fold": scores.fold, **technique},
            n_resamples=40,
            confidence_level=0.9,
            random_state=1,
        )
        assert result[name] == pytest.approx(list(expected))
    one_group = scores._replace(group=np.zeros(len(scores.y), int))
    assert with_intervals(0, one_group, worst, Settings(40, 0.9, 1))[1]["auc"][1:] == [None, None]


def make_table(name, y, technique):
    columns = dict.fromkeys(
        ("identity", "compression", "split", "original"), np.array([""] * len(y))
    )
    columns |= {"technique": np.array(technique, object), "video": np.array([""] * len(y), object)}
    people = np.array([[f"{name}{i // 4}"] for i in range(len(y))], object)
    return PairTable(name, np.empty((len(y), 2)), np.array(y), columns, people)


def make_job(candidate, condition, *rows, fit="a", test="a", protocol="cross-manipulation"):
    names = [test] + [fit] * (len(rows) - 1)
    steps = tuple(
        Step((), Rows(name, np.array(piece))) for name, piece in zip(names, rows, strict=True)
    )
    return Job(protocol, candidate, fit, test, "", condition, steps)


Y = [1, 1, -1, -1] * 4
TECHNIQUE = ["genuine", "genuine", "swap", "warp"] * 4


def record(*decisions):
    return {"decisions": decisions, "faceless": 2}


def test_techniques_with_different_names_stay_separate():
    table = make_table("a", Y, TECHNIQUE)
    good = [1.0, 2.0, -1.0, -2.0] * 4
    blind = [1.0, 2.0, 3.0, -2.0] * 4  # to swaps
    process = [
        (make_job("good", (), range(16)), record(good)),
        (make_job("blind", (), range(16)), record(blind)),
    ]
    rows = summarize(process, {"a": table}, Settings(5, 0.9, 0), {"cross-dataset": {"bpcer": 0.05}})
    names = [POOLED, WORST, "swap", "warp"]
    assert [(row["candidate"], row["technique"]) for row in rows] == [
        (candidate, name) for candidate in ("good", "blind") for name in names
    ]
    assert [row["figures"]["auc"][0] for row in rows] == [1, 1, 1, 1, 0.5, 0, 0, 1]
    assert [row["figures"]["apcer"][0] for row in rows] == [0, 0, 0, 0, 0.5, 1, 1, 0]
    assert (rows[0]["n_genuine"], rows[0]["n_fake"]) == (8, 8)
    assert (rows[2]["n_fake"], rows[0]["n_groups"], rows[0]["n_faceless"]) == (4, 4, 2)


def test_what_other_fakes_choose_is_judged_on_the_technique_left_out():
    table = make_table("a", Y, TECHNIQUE)
    test, first, second = [0, 1, 2, 4, 5, 6], [8, 9, 11], [12, 13, 15]
    condition = (CALIBRATED, "swap")
    bad = [1.0, 2.0, 1.5, 1.0, 2.0, 1.5]
    perfect = [1.0, 2.0, -1.0, 1.0, 2.0, 0.5]
    process = [
        # perfect on what is left out, but fakes of the other technique would not choose it
        (make_job("a", condition, test, first, second), record(perfect, [1, 2, 3], [1, 2, 3])),
        (make_job("b", condition, test, first, second), record(bad, [1, 2, 0.9], [1, 2, 0])),
    ]
    rows = summarize(process, {"a": table}, Settings(5, 0.9, 0), {"cross-dataset": {"bpcer": 0.05}})
    assert [(row["candidate"], row["chosen"]) for row in rows] == [("a", False), ("b", True)]
    assert rows[1]["held_out_auc"] == 1
    transfer = rows[1]["transfer_eer"]
    assert transfer["threshold"] == 1  # the lowest genuine score held out, above the fakes there
    assert (transfer["apcer"], transfer["bpcer"]) == (1.0, 0.0)
    assert "transfer_bpcer" not in rows[1]
    assert rows[1]["figures"]["auc"][0] == 0.5


def test_thresholds_are_carried_to_another_dataset():
    tables = {"a": make_table("a", Y, TECHNIQUE), "g": make_table("g", [1] * 20, ["genuine"] * 20)}
    held_out = [list(map(float, range(10))), list(map(float, range(10, 20)))]
    decisions = [10.0, 20.0, 0.5, 1.5] * 4
    job = make_job("one", (), range(16), range(10), range(10, 20), fit="g",
                     protocol="cross-dataset")  # fmt: skip
    rows = summarize(
        [(job, record(decisions, *held_out))],
        tables,
        Settings(5, 0.9, 0),
        {"cross-dataset": {"bpcer": 0.05}},
    )
    assert [row["technique"] for row in rows] == [POOLED, WORST]
    errors = rows[0]["transfer_bpcer"]
    assert errors == {"threshold": 1.0, "apcer": 0.5, "bpcer": 0.0}  # one of twenty is given up
    assert "transfer_eer" not in rows[0]  # there are no fakes to find it by
    assert "transfer_bpcer" not in rows[1]


def test_videos_are_judged_by_the_mean_of_their_pairs():
    table = make_table("a", Y, TECHNIQUE)
    table.columns["video"][:] = [f"v{i % 4}-{i // 8}" for i in range(16)]
    decisions = (
        [5.0, 1.0, 2.0, -9.0]
        + [-3.0, 1.0, 0.0, 1.0]
        + [1.0] * 2
        + [-1.0] * 2
        + [1.0, 1.0, 0.5, -1.0]
    )
    process = [(make_job("one", (), range(16), protocol="ablation"), record(decisions))]
    (row,) = summarize(
        process, {"a": table}, Settings(5, 0.9, 0, "videos"), {"cross-dataset": {"bpcer": 0.05}}
    )
    assert (row["n_genuine"], row["n_fake"]) == (4, 4)
    # genuine: 1, 1, 1, 1; deepfakes: 1, -4, -0.25, -1
    assert row["figures"]["auc"][0] == (4 * 3 + 4 * 0.5) / 16
    assert row["figures"]["apcer"][0] == 0.25


def test_folds_that_lack_a_class_altogether_give_no_row():
    table = make_table("a", [1] * 8, ["genuine"] * 8)
    process = [(make_job("one", (), range(8)), record([1.0] * 8))]
    assert (
        summarize(process, {"a": table}, Settings(5, 0.9, 0), {"cross-dataset": {"bpcer": 0.05}})
        == []
    )


def test_a_video_that_is_forged_in_part_is_a_deepfake():
    """Its decision is the mean over all its pairs, and its technique that of the forged ones."""
    video = np.array(["a", "a", "b", "b", "b"], dtype=object)
    technique = np.array(["genuine", "genuine", "genuine", "swap", "swap"], dtype=object)
    target = np.array([1, 1, 1, -1, -1])
    table = PairTable(
        "clips", np.empty((5, 2)), target, {"video": video, "technique": technique}, video[:, None]
    )
    job = Job("p", "c", "clips", "clips", "", (), (Step((), Rows("clips", np.arange(5))),))
    record = {"decisions": [[1.0, 3.0, 6.0, 0.0, 3.0]]}
    scores = join_folds([(job, record)], {"clips": table}, level="videos")
    assert scores.y.tolist() == [1, -1]
    assert scores.decision.tolist() == [2.0, 3.0]
    assert scores.technique.tolist() == ["genuine", "swap"]
