"""Displays: what they compute, and that it is drawn."""

import os

import forked_programs
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


def draw_sample(display):
    """Fail unless the figure can be drawn."""
    display.figure_.canvas.draw()
    assert display.ax_.figure is display.figure_
    return display


def test_det_curve_is_drawn_where_it_is(data):
    X, y, _, detector = data
    display = draw_sample(DetectionErrorDisplay.from_estimator(detector, X, y))
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


def test_curves_of_several_detectors_differ_in_color_and_style():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 50)
    axes, lines = None, []
    for _ in range(3):
        display = DetectionErrorDisplay.from_predictions(y, y + rng.normal(size=100), ax=axes)
        axes = display.ax_
        lines += display.lines_
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_linestyle() for line in lines}) == 3


def test_short_names_of_style_are_taken():
    y = np.repeat([1, -1], 50)
    score = y + np.random.default_rng(0).normal(size=100)
    (line,) = DetectionErrorDisplay.from_predictions(y, score, c="k", ls=":").lines_
    assert (line.get_color(), line.get_linestyle()) == ("k", ":")


def test_det_curve_of_the_worst_technique(data):
    X, y, technique, detector = data
    plain = DetectionErrorDisplay.from_estimator(detector, X, y, name="all")
    worst = DetectionErrorDisplay.from_estimator(
        detector, X, y, technique=technique, ax=plain.ax_, name="worst", color="red"
    )
    draw_sample(worst)
    assert worst.ax_ is plain.ax_
    assert worst.lines_[0].get_color() == "red"
    assert worst.eer[0] > plain.eer[0]
    assert "worst technique" in worst.ax_.get_xlabel()
    legend = [text.get_text().split(" (")[0] for text in worst.ax_.get_legend().get_texts()]
    assert legend == ["all", "worst"]


def test_det_ticks_are_where_their_labels_say(data):
    X, y, _, detector = data
    ax = draw_sample(DetectionErrorDisplay.from_estimator(detector, X, y)).ax_
    for positions, labels in (
        (ax.get_xticks(), ax.get_xticklabels()),
        (ax.get_yticks(), ax.get_yticklabels()),
    ):
        expected_times = [float(label.get_text().removesuffix(" %")) for label in labels]
        assert expected_times == [0.1, 1, 5, 20, 50, 80, 95, 99, 99.9]
        np.testing.assert_allclose(100 * norm.cdf(positions), expected_times)
    low, high = ax.get_xlim()
    assert (low, high) == ax.get_ylim() == (-high, high)
    assert low < ax.get_xticks()[0] < low + 0.2  # the frame is just off the scale


def test_det_curve_marks_where_it_crosses_the_line_of_equal_rates(data):
    X, y, technique, detector = data
    first = DetectionErrorDisplay.from_estimator(detector, X, y)
    second = DetectionErrorDisplay.from_estimator(detector, X, y, technique=technique, ax=first.ax_)
    lines = draw_sample(second).ax_.lines
    (equal,) = [line for line in lines if line.get_gid() == "equal rates"]  # once, not twice
    np.testing.assert_array_equal(equal.get_xdata(), second.ax_.get_xlim())
    np.testing.assert_array_equal(equal.get_ydata(), second.ax_.get_ylim())
    markers = [line for line in lines if line.get_marker() == "o"]
    assert not any(line.get_clip_on() for line in (*markers, *second.lines_))  # whole on the frame
    for display, marker in zip((first, second), markers, strict=True):
        np.testing.assert_allclose(norm.cdf(marker.get_xydata()), [[display.eer[0]] * 2])
        assert marker.get_color() == display.lines_[0].get_color()


def test_perfect_scores_are_drawn_on_the_frame():
    display = draw_sample(DetectionErrorDisplay.from_predictions([1, 1, -1, -1], [4, 3, 2, 1]))
    points = display.lines_[0].get_xydata()
    assert np.abs(points).max() == display.ax_.get_xlim()[1]
    assert display.lines_[0].get_label() == "EER = 0.0 %"


def test_det_curves_of_folds(data):
    X, y, technique, _ = data
    options = {"scoring": get_scorer("roc_auc"), "return_estimator": True, "return_indices": True}
    results = cross_validate(MahalanobisDetector(), X, y, cv=StratifiedKFold(4), **options)
    display = draw_sample(DetectionErrorDisplay.from_cv_results(results, X, y, technique=technique))
    assert len(display.lines_) == len(display.eer) == 4
    assert len({line.get_color() for line in display.lines_}) == 1
    (text,) = display.ax_.get_legend().get_texts()
    assert "4 folds" in text.get_text()
    assert text.get_text().startswith("MahalanobisDetector (EER = ")
    name_list = DetectionErrorDisplay.from_cv_results(results, X, y, name="ours")
    assert name_list.lines_[0].get_label().startswith("ours (EER = ")
    assert f"{100 * np.mean(display.eer):.1f} ±" in text.get_text()
    test = results["indices"]["test"][2]
    score = results["estimator"][2].decision_function(X[test])
    repeated = DetectionErrorDisplay.from_predictions(y[test], score, technique=technique[test])
    assert repeated.eer[0] == display.eer[2]


def test_legend_gives_mean_and_spread_of_folds():
    labels = [1, 1, -1, -1]
    curves = [detection_error_curve(labels, score) for score in ([4, 3, 2, 1], [1, 2, 3, 4])]
    display = draw_sample(DetectionErrorDisplay(curves, name="two").plot())
    assert display.lines_[0].get_label() == "two (EER = 50.0 ± 50.0 %, 2 folds)"
    assert all(line.get_alpha() < 1 for line in display.lines_)  # they may lie on one another
    assert all(line.get_linewidth() > 0 for line in display.lines_)


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
    display = draw_sample(ScoreHistogramDisplay.from_estimator(detector, X, y, ax=ax, bins=17))
    assert display.ax_ is ax
    decision = detector.decision_function(X)
    assert len(display.bins_) == 18
    assert (display.bins_[0], display.bins_[-1]) == (decision.min(), decision.max())
    filled, outlines = display.ax_.patches[::2], display.ax_.patches[1::2]
    for label, heights, *patches in zip((1, -1), display.heights_, filled, outlines, strict=True):
        own_values = decision[y == label]
        np.testing.assert_allclose(
            heights, np.histogram(own_values, display.bins_)[0] / len(own_values)
        )
        for patch in patches:
            np.testing.assert_array_equal(patch.get_data().values, heights)
        assert patches[0].get_fill()
        assert patches[0].get_alpha() < 1  # what lies behind is seen
    assert display.threshold_line_.get_xdata()[0] == 0
    rates = f"APCER {apcer(y, decision):.1%}, BPCER {bpcer(y, decision):.1%}"
    assert rates in [text.get_text() for text in ax.get_legend().get_texts()][-1]


def test_histogram_without_threshold():
    display = draw_sample(ScoreHistogramDisplay.from_predictions([1, -1], [2.0, 2.0], name="tied"))
    assert display.threshold_line_ is None
    assert display.ax_.get_title() == "tied"


def test_histogram_is_titled_by_the_detector(data):
    X, y, _, detector = data
    draw = ScoreHistogramDisplay.from_estimator
    assert draw(detector, X, y).ax_.get_title() == "MahalanobisDetector"
    assert draw(detector, X, y, name="ours").ax_.get_title() == "ours"


def test_a_score_at_the_threshold_is_called_genuine():
    display = ScoreHistogramDisplay.from_predictions([1, -1], [2.0, 2.0], threshold=2.0)
    assert "APCER 100.0%, BPCER 0.0%" in display.threshold_line_.get_label()


def test_heatmap(data):
    X, y, technique, detector = data
    another_one = MahalanobisDetector().fit(X[:, :2], y)
    scores = {"three": detector.score_samples(X), "two": another_one.score_samples(X[:, :2])}
    display = draw_sample(TechniqueHeatmapDisplay.from_predictions(y, scores, technique=technique))
    assert (display.techniques, display.detectors) == (["swap", "warp", "all"], ["three", "two"])
    rows = (y == 1) | (technique == "warp")
    assert display.values[1, 1] == roc_auc_score(y[rows], scores["two"][rows])
    assert display.values[2, 0] == roc_auc_score(y, scores["three"])
    assert display.text_[1, 1].get_text() == f"{display.values[1, 1]:.3f}"
    np.testing.assert_array_equal(display.im_.get_array(), display.values)


def test_heatmap_of_estimators(data):
    X, y, technique, detector = data
    options = {"technique": technique, "metric": equal_error_rate, "colorbar": False}
    single = draw_sample(TechniqueHeatmapDisplay.from_estimator(detector, X, y, **options))
    name_list = draw_sample(
        TechniqueHeatmapDisplay.from_estimator({"it": detector}, X, y, **options)
    )
    assert single.detectors == ["MahalanobisDetector"]
    assert name_list.detectors == ["it"]
    np.testing.assert_array_equal(single.values, name_list.values)
    assert single.metric_name == "equal_error_rate"


def test_heatmap_of_given_values():
    values = np.array([[0.1, np.nan]])
    display = TechniqueHeatmapDisplay(values, techniques=["t"], detectors=["a", "b"])
    draw_sample(display.plot(vmin=0, vmax=1, values_format=".0%"))
    assert [text.get_text() for text in display.text_[0]] == ["10%", "\N{EN DASH}"]


def test_heatmap_of_one_technique_has_one_row():
    scores, technique = {"a": [2, 1, 3, 0]}, ["", "", "swap", "swap"]
    display = TechniqueHeatmapDisplay.from_predictions([1, 1, -1, -1], scores, technique=technique)
    assert display.techniques == ["swap"]
    assert display.values.tolist() == [[0.5]]


def test_heatmap_keeps_a_technique_that_is_called_all():
    scores, technique = {"a": [2, 1, 3, 0]}, ["", "", "all", "swap"]
    display = TechniqueHeatmapDisplay.from_predictions([1, 1, -1, -1], scores, technique=technique)
    assert display.techniques == ["all", "swap"]
    assert display.values.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("techniques", "lines"),
    [(["swap", "warp", "all"], [1.5]), (["swap", "all"], [0.5]), (["swap", "warp"], []),
     (["all"], [])],
)  # fmt: skip
def test_heatmap_parts_the_last_row_if_it_is_of_all(techniques, lines):
    values = np.linspace(0, 1, len(techniques))[:, np.newaxis]
    display = TechniqueHeatmapDisplay(values, techniques=techniques, detectors=["a"])
    draw_sample(display.plot())
    assert [line.get_ydata()[0] for line in display.ax_.lines] == lines
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == techniques
    assert len(display.figure_.axes) == 2  # with a color bar


def test_heatmap_is_written_in_ink_that_can_be_read():
    dark, light = ["black", "blue", "red", "magenta"], ["lime", "yellow", "cyan", "white"]
    colors = [*dark, *light, "#008000", "#CC6666"]
    values = np.arange(10.0)[np.newaxis]
    display = TechniqueHeatmapDisplay(values, techniques=["t"], detectors=list("abcdefghij"))
    draw_sample(display.plot(cmap=matplotlib.colors.ListedColormap(colors), colorbar=False))
    assert len(display.figure_.axes) == 1
    ink = [text.get_color() for text in display.text_[0]]
    assert ink == ["white"] * 4 + ["black"] * 4 + ["white", "black"]


@pytest.mark.parametrize(("length", "turned"), [(18, False), (19, True)])
def test_long_names_of_detectors_are_turned(length, turned):
    names = ["a" * length, "b"]
    display = TechniqueHeatmapDisplay(np.eye(1, 2), techniques=["t"], detectors=names)
    labels = draw_sample(display.plot()).ax_.get_xticklabels()
    assert [label.get_text() for label in labels] == names
    assert all((label.get_rotation() > 0) == turned for label in labels)


def test_heatmap_refuses():
    with pytest.raises(ValueError, match="at least one detector"):
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
    printed = forked_programs.run(code, cwd=os.curdir, libraries=forked_programs.SCIKIT_LEARN)
    assert "Plots of DetectionErrorDisplay need matplotlib (not installed)" in printed


def test_displays_of_scikit_learn_draw_the_same_error_rates(data):
    from sklearn.metrics import DetCurveDisplay, RocCurveDisplay
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y, _, _ = data
    pipe = make_pipeline(StandardScaler(), MahalanobisDetector()).fit(X, y)
    score = pipe.decision_function(X)
    curve = detection_error_curve(y, score)
    points = set(zip(curve.apcer.round(9), curve.bpcer.round(9), strict=True))
    det = draw_sample(DetCurveDisplay.from_predictions(y, score, pos_label=1))
    assert len(det.fpr) > 50
    assert set(zip(det.fpr.round(9), det.fnr.round(9), strict=True)) <= points
    roc = draw_sample(RocCurveDisplay.from_predictions(y, score, pos_label=1))
    assert roc.roc_auc == roc_auc_score(y, score)
    assert set(zip(roc.fpr.round(9), (1 - roc.tpr).round(9), strict=True)) <= points
    for display in (DetCurveDisplay, RocCurveDisplay):
        with pytest.raises(ValueError, match="binary classifier"):
            display.from_estimator(pipe, X, y)
