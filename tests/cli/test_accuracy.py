"""Error rates at the thresholds that were used, where labels are known."""

import pytest
from cli_helpers import write_table
from named_verdicts import verdict_of

from sklearn_diffake.cli import main
from sklearn_diffake.cli._accuracy import LabeledVerdict, accuracy_lines
from sklearn_diffake.metrics import apcer, bpcer, confidence_interval


def judged_row(label, outcome, score, name, p_value=None, category=(1, 1)):
    return LabeledVerdict(label, (f"{name} a", f"{name} b"), outcome, score, p_value, category)


GENUINE = [judged_row(1, "genuine", i, f"g{i}", i / 20) for i in range(5, 12)]
REJECTED = [judged_row(1, "suspicious", -1.0, "r0", 0.01)]
FAKES = [judged_row(-1, "suspicious", -10.0 - i, f"f{i}", 0.01) for i in range(4)]
ACCEPTED = [
    judged_row(-1, "genuine", 8.0, "p0", 0.6),
    judged_row(-1, "inconclusive", 0.5, "p1", 0.08),
]
ALL_ROWS = GENUINE + REJECTED + FAKES + ACCEPTED


def test_rates_at_the_threshold_that_was_used():
    rejected, accepted, unsure, ranking = accuracy_lines(ALL_ROWS)
    labels = [row.label for row in ALL_ROWS]
    decisions = [-1.0 if row.outcome == "suspicious" else 1.0 for row in ALL_ROWS]
    for line, name, metric, rate in (
        (rejected, "rejected genuine pairs (BPCER)", bpcer, "12.5% (1 of 8)"),
        (accepted, "accepted deepfakes (APCER)", apcer, "33.3% (2 of 6)"),
    ):
        _, low, high = confidence_interval(metric, labels, decisions)
        assert line == f"{name}: {rate} (95 %: {100 * low:.1f}% to {100 * high:.1f}%)"
    assert unsure == "inconclusive, counted as accepted: 0 genuine, 1 deepfake"
    assert ranking.startswith("AUC 0.8")
    assert ranking.endswith("(8 genuine, 6 deepfake)")


def test_scores_of_several_categories_are_not_compared():
    rows = [row._replace(category=(3, 1)) if i % 2 else row for i, row in enumerate(ALL_ROWS)]
    assert accuracy_lines(rows)[-1].startswith("AUC by p-value 0.")
    assert len(accuracy_lines([row._replace(p_value=None) for row in rows])) == 3


@pytest.mark.parametrize("rows", [GENUINE[:4], FAKES, GENUINE[:4] + FAKES, REJECTED])
def test_nothing_is_estimated_from_few(rows):
    (line,) = accuracy_lines(rows)
    n = sum(row.label == 1 for row in rows)
    displayed = f"{n} genuine, {len(rows) - n} deepfake"
    assert line == f"no error rates: the labeled pairs are too few ({displayed})"


def test_one_class_gives_one_rate():
    rejected, accepted = accuracy_lines(GENUINE + REJECTED)
    assert rejected.startswith("rejected genuine pairs (BPCER): 12.5% (1 of 8) (95 %: ")
    assert accepted == "accepted deepfakes (APCER): not estimated from 0 labeled pairs"


def test_pairs_that_share_photographs_are_no_independent_evidence():
    rows = [row._replace(sides=("a", f"b{i}")) for i, row in enumerate(ALL_ROWS)]
    rejected = accuracy_lines(rows)[0]
    assert rejected == (
        "rejected genuine pairs (BPCER): 12.5% (1 of 8) "
        "(no interval: the pairs share photographs or persons)"
    )


def test_the_command_says_them(recorder, tmp_path, capsys):
    rows = [(f"g{i}", f"good{i}", 1) for i in range(6)] + [
        (f"f{i}", f"fake{i}", -1) for i in range(6)
    ]
    rows += [("x", "good", ""), ("y", "broken", 1)]
    table = write_table(tmp_path / "t.csv", rows, ("reference", "probe", "label"))
    assert main(["compare", "--csv", table]) == 2
    output = capsys.readouterr()
    assert "rejected genuine pairs (BPCER): 0.0% (0 of 6) (95 %: 0.0% to 45.9%)\n" in output.err
    assert "accepted deepfakes (APCER): 0.0% (0 of 6) (95 %: 0.0% to 45.9%)\n" in output.err
    assert "AUC 1.000" in output.err
    assert "BPCER" not in output.out
    main(["compare", "--csv", table, "-q"])
    assert capsys.readouterr().err == ""


def test_without_labels_nothing_is_said(recorder, capsys):
    main(["compare", "a", *["good"] * 9])
    assert "error rates" not in capsys.readouterr().err
    assert verdict_of("good").outcome == "genuine"
