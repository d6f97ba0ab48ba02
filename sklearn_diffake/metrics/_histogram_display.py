"""Histograms of the scores of genuine rows and deepfakes, with a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sklearn_diffake.metrics._checks import check_scores
from sklearn_diffake.metrics._plotting import FAKE, GENUINE, axes_or_new, estimator_scores
from sklearn_diffake.utils._numbers import percent


class ScoreHistogramDisplay:
    """Scores of genuine rows and of deepfakes, and the threshold between them.

    Create it by :meth:`from_predictions` or :meth:`from_estimator`. Both classes have the same
    bins; heights are fractions of the rows of each class.

    Parameters
    ----------
    genuine : ndarray of shape (n_genuine,)
        Scores of genuine rows.
    fake : ndarray of shape (n_fake,)
        Scores of deepfakes.
    threshold : float, default=None
        ``score >= threshold`` means genuine. None draws no line.
    name : str, default=None
        Title, the detector's name.

    Attributes
    ----------
    bins_ : ndarray of shape (n_bins + 1,)
        Edges of the bins.
    heights_ : ndarray of shape (2, n_bins)
        Fractions of the genuine rows and of the deepfakes in each bin.
    threshold_line_ : matplotlib Line2D or None
        The threshold.
    ax_ : matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    DetectionErrorDisplay : Errors at every threshold.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.metrics import ScoreHistogramDisplay
    >>> y = np.repeat([1, -1], 500)
    >>> score = np.random.default_rng(0).normal(size=1000) + y
    >>> display = ScoreHistogramDisplay.from_predictions(y, score, threshold=0.0)
    >>> display.heights_.sum(axis=1).round(6)
    array([1., 1.])
    """

    def __init__(
        self,
        genuine: Any,
        fake: Any,
        *,
        threshold: float | None = None,
        name: str | None = None,
    ):
        self.genuine = genuine
        self.fake = fake
        self.threshold = threshold
        self.name = name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        score: ArrayLike,
        *,
        threshold: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> ScoreHistogramDisplay:
        """Draw the histograms of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        score : array-like of shape (n_samples,)
            Higher means more genuine.
        threshold : float, default=None
            ``score >= threshold`` means genuine. None draws no line.
        name : str, default=None
            Title, the detector's name.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            With the histograms drawn on `ax_`.

        Raises
        ------
        ValueError
            If lengths differ, a label is neither +1 nor -1, a score is not finite, or a class
            is absent.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        labels, values = check_scores(y_true, score)
        display = cls(values[labels == 1], values[labels == -1], threshold=threshold, name=name)
        return display.plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        threshold: float | None = 0.0,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> ScoreHistogramDisplay:
        """Draw the histograms of a fitted detector's ``decision_function``.

        Parameters
        ----------
        estimator : detector, or classifier whose labels are +1 and -1
            Fitted; or a pipeline that ends in one.
        X : rows that the estimator takes
            The test data.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        threshold : float, default=0.0
            ``decision_function(X) >= threshold`` means genuine. None draws none.
        name : str, default=None
            Title, the detector's name; by default, its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            With the histograms drawn on `ax_`.

        Raises
        ------
        ValueError
            If lengths differ, a label is neither +1 nor -1, a score is not finite, or a class
            is absent.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        score = estimator_scores(estimator, X, ("decision_function",))
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(y, score, threshold=threshold, name=name, ax=ax, **kwargs)

    def plot(self, ax: Any = None, *, bins: Any = 40, **kwargs: Any) -> Any:
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        bins : int, sequence or str, default=40
            As for :func:`numpy.histogram_bin_edges`, of the scores of both classes.
        **kwargs : dict
            Passed to matplotlib's ``stairs`` for both classes.

        Returns
        -------
        display : ScoreHistogramDisplay
            This display, with the histograms drawn on `ax_`.

        Raises
        ------
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        self.ax_ = axes_or_new(self, ax)
        self.figure_ = self.ax_.figure
        self.bins_ = np.histogram_bin_edges(np.concatenate([self.genuine, self.fake]), bins)
        rows = [np.asarray(self.genuine), np.asarray(self.fake)]
        self.heights_ = np.array(
            [np.histogram(scores, self.bins_)[0] / len(scores) for scores in rows]
        )
        for heights, scores, color, hatch, label in zip(
            self.heights_, rows, (GENUINE, FAKE), (None, "///"), ("genuine", "deepfake"),
            strict=True,
        ):  # fmt: skip
            style = {"color": color, "alpha": 0.45, "fill": True, "hatch": hatch, **kwargs}
            self.ax_.stairs(heights, self.bins_, label=f"{label} ({len(scores)})", **style)
            self.ax_.stairs(heights, self.bins_, color=color, linewidth=1.2)
        self._draw_threshold()
        self.ax_.set(xlabel="score (higher = more genuine)", ylabel="fraction of the class")
        if self.name is not None:
            self.ax_.set_title(self.name)
        self.ax_.legend(fontsize="small")
        return self

    def _draw_threshold(self) -> None:
        self.threshold_line_ = None
        if self.threshold is None:
            return
        bpcer = float(np.mean(np.asarray(self.genuine) < self.threshold))
        apcer = float(np.mean(np.asarray(self.fake) >= self.threshold))
        rates = f"APCER {percent(apcer)}, BPCER {percent(bpcer)}"
        self.threshold_line_ = self.ax_.axvline(
            self.threshold,
            color="black",
            linestyle="--",
            label=f"threshold {self.threshold:.3g}\n{rates}",
        )
