"""Displays: what a reader sees besides the values."""

import functools
import sys

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate

from sklearn_diffake.metrics import (
    DetectionErrorDisplay,
    ScoreHistogramDisplay,
    TechniqueHeatmapDisplay,
    apcer,
    detection_error_curve,
    equal_error_rate,
)
from sklearn_diffake.metrics._plotting import axes_or_new, estimator_scores
from sklearn_diffake.novelty import MahalanobisDetector
from sklearn_diffake.utils._colors import BLUE, ORANGE, line_style

matplotlib = pytest.importorskip("matplotlib")

Y, SCORE = np.repeat([1, -1], 4), np.array([9.0, 8, 7, 3, 6, 5, 4, 1])
TECHNIQUE = np.array([*[""] * 4, "x", "y", "y", "y"])
X = SCORE[:, np.newaxis]
DISPLAYS = [
    DetectionErrorDisplay([detection_error_curve(Y, SCORE)]),
    ScoreHistogramDisplay(SCORE[:4], SCORE[4:]),
    TechniqueHeatmapDisplay(np.eye(2), techniques=["x", "y"], detectors=["a", "b"]),
]


@pytest.fixture(autouse=True)
def pyplot():
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def cv_results():
    rows = np.tile(np.arange(8), 4)
    noise = np.random.default_rng(0).normal(size=(32, 1))
    options = {"return_estimator": True, "return_indices": True, "scoring": lambda *_: 0.0}
    folds = StratifiedKFold(2)
    results = cross_validate(MahalanobisDetector(), X[rows] + noise, Y[rows], cv=folds, **options)
    return results, X[rows] + noise, Y[rows], TECHNIQUE[rows]


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda display: type(display).__name__)
def test_axes_are_those_given_or_new(display, pyplot):
    _, ax = pyplot.subplots()
    assert display.plot(ax) is display
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    display.plot()
    assert display.ax_ is not ax
    assert display.figure_ is display.ax_.figure is not ax.figure


@pytest.mark.parametrize("display", DISPLAYS, ids=lambda display: type(display).__name__)
def test_message_names_the_display_that_needs_matplotlib(display, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = f"^Plots of {type(display).__name__} need matplotlib"
    with pytest.raises(ImportError, match=message):
        display.plot()
    with pytest.raises(ImportError, match=message):
        axes_or_new(display, object())


def test_decisions_are_preferred_to_probabilities():
    model = LogisticRegression().fit(X, Y)
    np.testing.assert_array_equal(estimator_scores(model, X), model.decision_function(X))
    probability = estimator_scores(model, X, ("predict_proba",))
    np.testing.assert_array_equal(probability, model.predict_proba(X)[:, 1])
    assert estimator_scores(model, X.astype(np.float32)).dtype == np.float64


def test_det_curves_take_the_next_style(pyplot):
    _, ax = pyplot.subplots()
    ax.plot([0, 1], [0, 1])  # a line of the user does not count
    for n_curves in range(6):
        (line,) = DetectionErrorDisplay.from_predictions(Y, SCORE, ax=ax).lines_
        style = {"color": line.get_color(), "linestyle": line.get_linestyle()}
        assert style == line_style(n_curves)


def test_det_curves_of_folds_count_as_one_detector(pyplot):
    _, ax = pyplot.subplots()
    curves = [detection_error_curve(Y, SCORE)] * 3
    first = DetectionErrorDisplay(curves, name="first").plot(ax)
    assert {line.get_color() for line in first.lines_} == {line_style(0)["color"]}
    assert {line.get_linestyle() for line in first.lines_} == {line_style(0)["linestyle"]}
    assert {line.get_alpha() for line in first.lines_} == {0.5}
    second = DetectionErrorDisplay(curves, name="second").plot(ax, alpha=1.0, color="red")
    assert {line.get_color() for line in second.lines_} == {"red"}
    assert {line.get_linestyle() for line in second.lines_} == {line_style(1)["linestyle"]}
    assert {line.get_alpha() for line in second.lines_} == {1.0}
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == [f"{name} (EER = 25.0 ± 0.0 %, 3 folds)" for name in ("first", "second")]


def test_det_curve_of_one_detector_is_opaque():
    (line,) = DetectionErrorDisplay.from_predictions(Y, SCORE).lines_
    assert line.get_alpha() is None


def test_det_frame():
    display = DetectionErrorDisplay.from_predictions(Y, SCORE)
    ax = display.ax_
    assert ax.get_xlim() == ax.get_ylim() == (-3.2, 3.2)
    assert ax.get_aspect() == 1
    assert ax.get_axisbelow() is True  # the grid does not cover curves
    assert all(line.get_visible() for line in (*ax.get_xgridlines(), *ax.get_ygridlines()))
    for axis in (ax.xaxis, ax.yaxis):
        labels = [float(text.get_text().removesuffix(" %")) for text in axis.get_ticklabels()]
        np.testing.assert_allclose(axis.get_ticklocs(), norm.ppf(np.array(labels) / 100))
    assert ax.get_ylabel() == "BPCER: fraction of genuine rejected"
    (equal,) = [line for line in ax.lines if line.get_gid() == "equal rates"]
    assert equal.get_linestyle() == ":"
    np.testing.assert_array_equal(equal.get_xydata(), [(-3.2, -3.2), (3.2, 3.2)])
    assert equal.get_zorder() < display.lines_[0].get_zorder()
    (marker,) = [line for line in ax.lines if line.get_marker() == "o"]
    assert marker.get_linestyle() == "None"
    assert marker.get_zorder() > display.lines_[0].get_zorder()
    assert len(ax.lines) == 3


@pytest.mark.parametrize("technique", [None, TECHNIQUE])
def test_det_axis_says_of_which_techniques_apcer_is(technique, cv_results):
    expected = "APCER: fraction of deepfakes accepted"
    expected += "" if technique is None else ", worst technique"
    results, rows, labels, technique_of_row = cv_results
    detector = results["estimator"][0]
    displays = [
        DetectionErrorDisplay.from_predictions(Y, SCORE, technique=technique),
        DetectionErrorDisplay.from_estimator(detector, X, Y, technique=technique),
        DetectionErrorDisplay.from_cv_results(
            results, rows, labels, technique=None if technique is None else technique_of_row
        ),
    ]
    assert [display.ax_.get_xlabel() for display in displays] == [expected] * 3
    assert [display.worst_technique for display in displays] == [technique is not None] * 3


def test_names_in_the_legend_of_det_curves(cv_results):
    def label(display):
        return display.lines_[0].get_label()

    curve = detection_error_curve(Y, SCORE)
    assert label(DetectionErrorDisplay([curve]).plot()) == "EER = 25.0 %"
    assert label(DetectionErrorDisplay([curve]).plot(name="b")) == "b (EER = 25.0 %)"
    assert label(DetectionErrorDisplay([curve], name="a").plot()) == "a (EER = 25.0 %)"
    assert label(DetectionErrorDisplay([curve], name="a").plot(name="b")) == "b (EER = 25.0 %)"
    assert label(DetectionErrorDisplay.from_predictions(Y, SCORE, name="a")).startswith("a (")
    detector = cv_results[0]["estimator"][0]
    assert label(DetectionErrorDisplay.from_estimator(detector, X, Y, name="a")).startswith("a (")
    display = DetectionErrorDisplay.from_estimator(detector, X, Y)
    assert label(display).startswith("MahalanobisDetector (")
    display = DetectionErrorDisplay.from_cv_results(*cv_results[:3])
    assert label(display).startswith("MahalanobisDetector (")


def test_det_curves_of_folds_need_estimators_and_indices(cv_results):
    results, rows, labels, technique = cv_results
    for name in ("estimator", "indices"):
        partial = {key: value for key, value in results.items() if key != name}
        with pytest.raises(ValueError, match="no estimators or no indices"):
            DetectionErrorDisplay.from_cv_results(partial, rows, labels)
    with pytest.raises(ValueError, match=r"^technique must have one value for each of the 32 rows"):
        DetectionErrorDisplay.from_cv_results(results, rows, labels, technique=technique[1:])


def test_the_fold_without_a_curve_is_named(cv_results):
    results, rows, labels, _ = cv_results
    labels = labels.copy()
    labels[results["indices"]["test"][1]] = -1
    with pytest.raises(ValueError, match=r"^Fold 1 has no .* all 16 rows are deepfake") as caught:
        DetectionErrorDisplay.from_cv_results(results, rows, labels)
    assert isinstance(caught.value.__cause__, ValueError)


def test_histogram_of_each_class_has_its_color_and_label():
    display = ScoreHistogramDisplay.from_predictions([1, 1, 1, -1, -1], [5.0, 4, 3, 2, 1], bins=4)
    ax = display.ax_
    areas, outlines = ax.patches[::2], ax.patches[1::2]
    assert [patch.get_label() for patch in areas] == ["genuine (3)", "deepfake (2)"]
    for colors in (
        [patch.get_facecolor() for patch in areas],
        [patch.get_edgecolor() for patch in outlines],
    ):
        assert [matplotlib.colors.to_hex(color).upper() for color in colors] == [BLUE, ORANGE]
    assert [patch.get_hatch() for patch in areas] == [None, "///"]  # also without colors
    assert not any(patch.get_fill() for patch in outlines)
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["genuine (3)", "deepfake (2)"]
    np.testing.assert_allclose(display.heights_, [[0, 0, 1 / 3, 2 / 3], [0.5, 0.5, 0, 0]])
    assert ax.get_xlabel() == "score (higher = more genuine)"
    assert ax.get_ylabel() == "fraction of the class"
    assert ax.get_title() == ""


def test_histogram_options():
    display = ScoreHistogramDisplay(SCORE[:4], SCORE[4:]).plot(alpha=0.9, hatch="x")
    assert len(display.bins_) == 41
    assert [patch.get_alpha() for patch in display.ax_.patches[::2]] == [0.9, 0.9]
    assert [patch.get_hatch() for patch in display.ax_.patches[::2]] == ["x", "x"]


def test_threshold_of_a_histogram():
    display = ScoreHistogramDisplay.from_predictions(Y, SCORE, threshold=4.0)
    line = display.threshold_line_
    assert line.get_label() == "threshold 4\nAPCER 75.0%, BPCER 25.0%"
    assert list(line.get_xdata()) == [4.0, 4.0]
    assert (line.get_color(), line.get_linestyle()) == ("black", "--")
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()][2:] == [
        line.get_label()
    ]
    display = ScoreHistogramDisplay.from_predictions(Y, SCORE, threshold=3.14159)
    assert display.threshold_line_.get_label().startswith("threshold 3.14\n")
    detector = MahalanobisDetector().fit(X, Y)
    draw = ScoreHistogramDisplay.from_estimator
    assert draw(detector, X, Y).threshold == 0.0
    assert draw(detector, X, Y, threshold=None).threshold_line_ is None


def test_histogram_needs_decisions():
    from sklearn.naive_bayes import GaussianNB

    with pytest.raises(AttributeError, match="decision_function"):
        ScoreHistogramDisplay.from_estimator(GaussianNB().fit(X, Y), X, Y)


def test_heatmap_places_and_labels():
    values = np.arange(6.0).reshape(3, 2) / 10
    display = TechniqueHeatmapDisplay(
        values, techniques=["x", "y", "z"], detectors=["a", "b"], metric_name="AUC"
    ).plot()
    ax, colorbar = display.figure_.axes
    assert ax is display.ax_
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("detector", "technique")
    assert colorbar.get_ylabel() == "AUC"
    assert (list(ax.get_xticks()), list(ax.get_yticks())) == ([0, 1], [0, 1, 2])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["x", "y", "z"]
    assert display.text_.shape == values.shape
    for (row, column), text in np.ndenumerate(display.text_):
        assert text.get_position() == (column, row)
        assert text.get_text() == f"{values[row, column]:.3f}"
        assert (text.get_ha(), text.get_va()) == ("center", "center")
    assert display.im_.get_cmap().name == "viridis"
    assert display.im_.get_interpolation() == "nearest"
    assert ax.get_aspect() == "auto"
    gray_display = display.plot(cmap="gray", aspect="equal", interpolation="none")
    assert gray_display.im_.get_cmap().name == "gray"
    assert gray_display.im_.get_interpolation() == "none"
    assert gray_display.ax_.get_aspect() == 1


def test_heatmap_writes_a_missing_value_in_black():
    values = np.array([[np.nan, 0.0, 1.0]])
    display = TechniqueHeatmapDisplay(values, techniques=["x"], detectors=list("abc"))
    assert [text.get_color() for text in display.plot().text_[0]] == ["black", "white", "black"]


def test_long_names_of_detectors_end_at_their_ticks():
    names = ["a" * 30, "b"]
    display = TechniqueHeatmapDisplay(np.eye(1, 2), techniques=["x"], detectors=names).plot()
    labels = display.ax_.get_xticklabels()
    assert {(label.get_rotation(), label.get_ha()) for label in labels} == {(30, "right")}
    assert {label.get_rotation_mode() for label in labels} == {"anchor"}


def test_heatmap_values_are_of_the_genuine_rows_and_one_technique():
    def mean_score(labels, score):
        assert (labels == 1).sum() == 4
        return score.sum() + 100 * (labels == -1).sum()

    options = {"technique": TECHNIQUE, "metric": mean_score}
    draw = TechniqueHeatmapDisplay.from_predictions
    display = draw(Y, {"a": SCORE, "b": 2 * SCORE}, **options)
    genuine = SCORE[:4].sum()
    first = np.array([genuine + 6 + 100, genuine + 10 + 300, SCORE.sum() + 400])
    second = np.array([2 * genuine + 12 + 100, 2 * genuine + 20 + 300, 2 * SCORE.sum() + 400])
    np.testing.assert_allclose(display.values, np.transpose([first, second]))
    assert display.techniques == ["x", "y", "all"]
    assert display.metric_name == "mean_score"
    assert draw(Y, {"a": SCORE}, **options, metric_name="own").metric_name == "own"


def test_names_of_metrics_on_the_color_bar():
    draw = TechniqueHeatmapDisplay.from_predictions
    options = {"technique": TECHNIQUE}
    assert draw(Y, {"a": SCORE}, **options).figure_.axes[1].get_ylabel() == "roc_auc_score"
    nameless = functools.partial(apcer, threshold=4.0)
    display = draw(Y, {"a": SCORE}, metric=nameless, **options)
    assert display.metric_name is None
    assert display.figure_.axes[1].get_ylabel() == ""
    np.testing.assert_allclose(display.values[:, 0], [1.0, 2 / 3, 0.75])
    detector = MahalanobisDetector().fit(X, Y)
    display = TechniqueHeatmapDisplay.from_estimator(
        detector, X, Y, metric=equal_error_rate, metric_name="EER", **options
    )
    assert display.figure_.axes[1].get_ylabel() == "EER"


def test_names_of_techniques_become_text():
    technique = np.array([0, 0, 0, 0, 2, 2, 10, 10])
    display = TechniqueHeatmapDisplay.from_predictions(Y, {"a": SCORE}, technique=technique)
    assert display.techniques == ["10", "2", "all"]
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == display.techniques
