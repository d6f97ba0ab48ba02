"""A report leaves blank what is not known, and draws what is."""

import numpy as np
import pytest

from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._jobs import Job, Rows, Step
from sklearn_diffake.benchmark._scores import POOLED
from sklearn_diffake.benchmark.protocols import PROTOCOLS
from sklearn_diffake.benchmark.protocols._cross_manipulation import plot_det_curves
from sklearn_diffake.benchmark.report._tables import FIGURE_TITLES

figure = pytest.importorskip("matplotlib.figure", reason="needs the extra plots")


def row(fit, test, **extra):
    figures = {name: [0.25, 0.125, 0.5] for name in FIGURE_TITLES}
    row_fields = {
        "protocol": "cross-dataset",
        "candidate": "one",
        "technique": POOLED,
        "condition": [],
    }
    row_fields |= {"mode": "reference", "n_faceless": 3, "n_skipped_videos": 2}
    return {**row_fields, "fit": fit, "test": test, "figures": figures, **extra}


def lines(rows):
    text = "\n".join(PROTOCOLS["cross-dataset"].section(rows))
    return [line for line in text.splitlines() if line.startswith("|")]


def test_a_cell_that_failed_is_blank():
    row_fields = [row("a", "a"), row("b", "b"), row("a", "b")]  # b on a has failed
    assert lines(row_fields)[:4] == [
        "| learned from | a | b | pairs without a face | videos skipped |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| a | 0.250 | 0.250 | 6 | 4 |",
        "| b | - | 0.250 | 3 | 2 |",
    ]


def test_transferred_thresholds_are_shown_where_they_exist():
    assert not any("APCER, equal" in line for line in lines([row("a", "b")]))
    errors = {"threshold": 1.0, "apcer": 0.5, "bpcer": 0.25}
    displayed = lines([row("g", "b", transfer_bpcer=errors)])  # no fakes in g: no equal error rate
    assert displayed[-1] == "| g | b | reference | 50.0 | 25.0 | - | - | 3 | 2 |"


def test_the_heat_map_has_a_gap_for_it():
    rows = [row("a", "a"), row("b", "b"), row("a", "b")]
    ((_, size, paint),) = PROTOCOLS["cross-dataset"].drawings(rows, [], {})
    canvas = figure.Figure(figsize=size)
    paint(canvas)
    texts = [text.get_text() for text in canvas.axes[0].texts]
    assert texts == ["0.250", "0.250", "\N{EN DASH}", "0.250"]


def det_lines(*folds):
    """Draw the curves of folds with these labels; return how many there are."""
    y = np.concatenate(folds)
    table = PairTable("a", np.empty((len(y), 2)), y, {}, np.empty((len(y), 1)))
    stops = np.cumsum([len(fold) for fold in folds])
    process = []
    for fold, stop in zip(folds, stops, strict=True):
        rows = Rows("a", np.arange(stop - len(fold), stop))
        job = Job("cross-manipulation", "one", "a", "a", "", (), (Step((), rows),))
        process.append((job, {"decisions": [np.arange(len(fold), dtype=float)]}))
    ax = figure.Figure().subplots()
    plot_det_curves(ax, "one", "a", process, {"a": table})
    return len(ax.lines)


def test_a_fold_of_one_class_has_no_curve():
    combined, first = [-1, 1, -1, 1], [1, 1, 1]
    sample = det_lines(combined, combined)
    assert sample > 0
    assert det_lines(combined, first, combined) == sample
    assert det_lines(first) == 0
