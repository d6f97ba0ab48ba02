"""Displays: what they compute, and that it is drawn."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate

from sklearn_diffake.metrics import (
    DetectionErrorDisplay,
    ScoreHistogramDisplay,
    TechniqueHeatmapDisplay,
    apcer,
    bpcer,
    detection_error_curve,
    equal_error_rate,
    get_scorer,
)
from sklearn_diffake.novelty import MahalanobisDetector

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def pyplot(monkeypatch):
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    technique = np.tile(["", "", "swap", "warp"], 60)
    y = np.where(technique == "", 1, -1)
    X = (
        rng.normal(size=(240, 3))
        + (1.0 * (technique == "swap") + 3.0 * (technique == "warp"))[:, None]
    )
    return X, y, technique, MahalanobisDetector().fit(X, y)


def drawn(display):
    """Fail unless the figure can be drawn."""
    display.figure_.canvas.draw()
    assert display.ax_.figure is display.figure_
    return display


def test_det_curve_is_drawn_where_it_is(data):
    X, y, _, detector = data
    display = drawn(DetectionErrorDisplay.from_estimator(detector, X, y))
    curve = detection_error_curve(y, detector.decision_function(X))
    inner = (
        (curve.apcer > 0.01) & (curve.apcer < 0.99) & (curve.bpcer > 0.01) & (curve.bpcer < 0.99)
    )
    (line,) = display.lines_
    np.testing.assert_allclose(line.get_xdata()[inner], norm.ppf(curve.apcer[inner]))
    np.testing.assert_allclose(line.get_ydata()[inner], norm.ppf(curve.bpcer[inner]))
    assert np.isfinite(line.get_xydata()).all()
    eer = equal_error_rate(y, detector.decision_function(X))
    assert display.eer == [eer]
    assert line.get_label() == f"MahalanobisDetector (EER = {100 * eer:.1f} %)"
    assert "genuine rejected" in display.ax_.get_ylabel()


def test_det_curve_of_the_worst_technique(data):
    X, y, technique, detector = data
    plain = DetectionErrorDisplay.from_estimator(detector, X, y, name="all")
    worst = DetectionErrorDisplay.from_estimator(
        detector, X, y, technique=technique, ax=plain.ax_, name="worst", color="red"
    )
    drawn(worst)
    assert worst.ax_ is plain.ax_
    assert worst.lines_[0].get_color() == "red"
    assert worst.eer[0] > plain.eer[0]
    assert "worst technique" in worst.ax_.get_xlabel()
    legend = [text.get_text().split(" (")[0] for text in worst.ax_.get_legend().get_texts()]
    assert legend == ["all", "worst"]


def test_perfect_scores_are_drawn_on_the_frame():
    display = drawn(DetectionErrorDisplay.from_predictions([1, 1, -1, -1], [4, 3, 2, 1]))
    points = display.lines_[0].get_xydata()
    assert np.abs(points).max() == display.ax_.get_xlim()[1]
    assert display.lines_[0].get_label() == "EER = 0.0 %"


def test_det_curves_of_folds(data):
    X, y, technique, _ = data
    options = {"scoring": get_scorer("roc_auc"), "return_estimator": True, "return_indices": True}
    results = cross_validate(MahalanobisDetector(), X, y, cv=StratifiedKFold(4), **options)
    display = drawn(DetectionErrorDisplay.from_cv_results(results, X, y, technique=technique))
    assert len(display.lines_) == len(display.eer) == 4
    assert len({line.get_color() for line in display.lines_}) == 1
    (text,) = display.ax_.get_legend().get_texts()
    assert "4 folds" in text.get_text()
    assert f"{100 * np.mean(display.eer):.1f} ±" in text.get_text()
    test = results["indices"]["test"][2]
    score = results["estimator"][2].decision_function(X[test])
    again = DetectionErrorDisplay.from_predictions(y[test], score, technique=technique[test])
    assert again.eer[0] == display.eer[2]


def test_det_curves_of_folds_that_have_none(data):
    X, y, _, _ = data
    with pytest.raises(ValueError, match="return_indices=True"):
        DetectionErrorDisplay.from_cv_results({"estimator": []}, X, y)
    rows = np.argsort(-y, kind="stable")
    results = cross_validate(
        MahalanobisDetector(),
        X[rows],
        y[rows],
        cv=KFold(4),
        scoring=lambda *_: 0.0,
        return_estimator=True,
        return_indices=True,
    )
    with pytest.raises(ValueError, match="Fold 0 has no curve: y_true must hold both classes"):
        DetectionErrorDisplay.from_cv_results(results, X[rows], y[rows])


def test_histogram(data, pyplot):
    X, y, _, detector = data
    _, ax = pyplot.subplots()
    display = drawn(ScoreHistogramDisplay.from_estimator(detector, X, y, ax=ax, bins=17))
    assert display.ax_ is ax
    decision = detector.decision_function(X)
    assert len(display.bins_) == 18
    assert (display.bins_[0], display.bins_[-1]) == (decision.min(), decision.max())
    for label, heights in zip((1, -1), display.heights_, strict=True):
        own = decision[y == label]
        np.testing.assert_allclose(heights, np.histogram(own, display.bins_)[0] / len(own))
    assert display.threshold_line_.get_xdata()[0] == 0
    rates = f"APCER {apcer(y, decision):.1%}, BPCER {bpcer(y, decision):.1%}"
    assert rates in [text.get_text() for text in ax.get_legend().get_texts()][-1]


def test_histogram_without_threshold():
    display = drawn(ScoreHistogramDisplay.from_predictions([1, -1], [2.0, 2.0], name="tied"))
    assert display.threshold_line_ is None
    assert display.ax_.get_title() == "tied"


def test_heatmap(data):
    X, y, technique, detector = data
    other = MahalanobisDetector().fit(X[:, :2], y)
    scores = {"three": detector.score_samples(X), "two": other.score_samples(X[:, :2])}
    display = drawn(TechniqueHeatmapDisplay.from_predictions(y, scores, technique=technique))
    assert (display.techniques, display.detectors) == (["swap", "warp", "all"], ["three", "two"])
    rows = (y == 1) | (technique == "warp")
    assert display.values[1, 1] == roc_auc_score(y[rows], scores["two"][rows])
    assert display.values[2, 0] == roc_auc_score(y, scores["three"])
    assert display.text_[1, 1].get_text() == f"{display.values[1, 1]:.3f}"
    np.testing.assert_array_equal(display.im_.get_array(), display.values)


def test_heatmap_of_estimators(data):
    X, y, technique, detector = data
    options = {"technique": technique, "metric": equal_error_rate, "colorbar": False}
    one = drawn(TechniqueHeatmapDisplay.from_estimator(detector, X, y, **options))
    named = drawn(TechniqueHeatmapDisplay.from_estimator({"it": detector}, X, y, **options))
    assert one.detectors == ["MahalanobisDetector"]
    assert named.detectors == ["it"]
    np.testing.assert_array_equal(one.values, named.values)
    assert one.metric_name == "equal_error_rate"


def test_heatmap_of_given_values():
    values = np.array([[0.1, np.nan]])
    display = TechniqueHeatmapDisplay(values, techniques=["t"], detectors=["a", "b"])
    drawn(display.plot(vmin=0, vmax=1, values_format=".0%"))
    assert [text.get_text() for text in display.text_[0]] == ["10%", "\N{EN DASH}"]


def test_heatmap_refuses():
    with pytest.raises(ValueError, match="names no detector"):
        TechniqueHeatmapDisplay.from_predictions([1, -1], {}, technique=["", "x"])
    with pytest.raises(ValueError, match="Row 1 is a deepfake and has no technique"):
        TechniqueHeatmapDisplay.from_predictions([1, -1], {"a": [1, 0]}, technique=["", ""])


def test_matplotlib_is_imported_when_drawing_only():
    code = (
        "import sys, sklearn_diffake.metrics as m; assert 'matplotlib' not in sys.modules;"
        "sys.modules['matplotlib'] = None\n"
        "try: m.DetectionErrorDisplay.from_predictions([1, -1], [1, 0])\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Plots of DetectionErrorDisplay need matplotlib (not installed)" in done.stdout
