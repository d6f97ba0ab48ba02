"""The DET curve: APCER against BPCER on normal-deviate axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from sklearn_diffake.metrics._checks import check_rows
from sklearn_diffake.metrics._curve import ErrorCurve, crossing, detection_error_curve
from sklearn_diffake.metrics._plotting import axes_or_new, estimator_scores
from sklearn_diffake.utils._colors import GRAY, LIGHT_GRAY, line_style
from sklearn_diffake.utils._numbers import percent
from sklearn_diffake.utils._sklearn_compat import _safe_indexing

_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
_FIRST_CURVE = "first curve of a detector"  # mark by which the next one takes another style
_EDGE = 3.2  # normal deviate of the frame, on which more extreme rates are drawn: 0.07 %


class DetectionErrorDisplay:
    """Detection error trade-off (DET) curve: BPCER against APCER.

    Create it by :meth:`from_predictions`, :meth:`from_estimator` or :meth:`from_cv_results`. Both
    axes are scaled by the quantile function of the normal distribution [1]_, so that scores of two
    normal distributions give a straight line. Rates below 0.1 % or above 99.9 %, also zero, are
    drawn on the frame. On the dotted line both rates are equal; the marker on it is the equal
    error rate. The terms are those of ISO/IEC 30107-3, whose scope is presentation attacks.

    Parameters
    ----------
    curves : sequence of ErrorCurve
        Results of :func:`detection_error_curve`, one or several of one detector.
    name : str, default=None
        Name of the detector in the legend.
    worst_technique : bool, default=False
        Whether APCER is that of the worst technique; changes the label of the axis.

    Attributes
    ----------
    eer : list of float
        Equal error rate of each curve.
    lines_ : list of matplotlib Line2D
        One per curve.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    sklearn.metrics.DetCurveDisplay : Without techniques and equal error rate.

    References
    ----------
    .. [1] A. Martin et al., "The DET curve in assessment of detection task performance",
       Eurospeech 1997, 1895-1898.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.metrics import DetectionErrorDisplay
    >>> y = np.repeat([1, -1], 500)
    >>> score = np.random.default_rng(0).normal(size=1000) + y
    >>> display = DetectionErrorDisplay.from_predictions(y, score, name="a detector")
    >>> display.ax_.get_xlabel()
    'APCER: fraction of deepfakes accepted'
    """

    def __init__(
        self,
        curves: Sequence[ErrorCurve],
        *,
        name: str | None = None,
        worst_technique: bool = False,
    ):
        self.curves = curves
        self.name = name
        self.worst_technique = worst_technique
        self.eer = [crossing(curve)[0] for curve in curves]

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        score: ArrayLike,
        *,
        technique: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> DetectionErrorDisplay:
        """Draw the curve of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        score : array-like of shape (n_samples,)
            Higher means more genuine.
        technique : array-like of shape (n_samples,), default=None
            Technique of each deepfake. If given, APCER is the worst technique's.
        name : str, default=None
            Name of the detector in the legend.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : DetectionErrorDisplay
            With the curve drawn on `ax_`.

        Raises
        ------
        ValueError
            If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is
            absent, or a deepfake has no technique.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        curve = detection_error_curve(y_true, score, technique=technique)
        display = cls([curve], name=name, worst_technique=technique is not None)
        return display.plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        technique: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> DetectionErrorDisplay:
        """Draw the curve of a fitted detector.

        Parameters
        ----------
        estimator : detector, or classifier whose labels are +1 and -1
            Fitted; or a pipeline that ends in one of these.
        X : rows that the estimator takes
            The test data.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        technique : array-like of shape (n_samples,), default=None
            Technique of each deepfake. If given, APCER is the worst technique's.
        name : str, default=None
            Name of the detector in the legend; by default, its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : DetectionErrorDisplay
            With the curve drawn on `ax_`.

        Raises
        ------
        ValueError
            If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is
            absent, or a deepfake has no technique.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        return cls.from_predictions(
            y,
            estimator_scores(estimator, X),
            technique=technique,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        X: Any,
        y: ArrayLike,
        *,
        technique: ArrayLike | None = None,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> DetectionErrorDisplay:
        """Draw one curve for every fold of a cross-validation.

        Parameters
        ----------
        cv_results : dict
            Of :func:`sklearn.model_selection.cross_validate` with ``return_estimator=True`` and
            ``return_indices=True``.
        X : rows that the estimators take
            The rows that were cross-validated; so are `y` and `technique`.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur in every fold.
        technique : array-like of shape (n_samples,), default=None
            Technique of each deepfake. If given, APCER is the worst technique's.
        name : str, default=None
            Name of the detector in the legend; by default, its class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : DetectionErrorDisplay
            With the curves drawn on `ax_`.

        Raises
        ------
        ValueError
            If `cv_results` lacks estimators or indices, or a fold lacks one of the classes.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        if not {"estimator", "indices"} <= set(cv_results):
            raise ValueError(
                "cv_results has no estimators or no indices; call cross_validate with "
                "return_estimator=True and return_indices=True."
            )
        estimators, tests = cv_results["estimator"], cv_results["indices"]["test"]
        labels = np.asarray(y)
        names = None if technique is None else check_rows(technique, len(labels), name="technique")
        curves = []
        for fold, (estimator, test) in enumerate(zip(estimators, tests, strict=True)):
            score = estimator_scores(estimator, _safe_indexing(X, test))
            test_technique = None if names is None else names[test]
            try:
                curves.append(detection_error_curve(labels[test], score, technique=test_technique))
            except ValueError as error:
                raise ValueError(f"Fold {fold} has no curve: {error}") from error
        name = type(estimators[0]).__name__ if name is None else name
        return cls(curves, name=name, worst_technique=names is not None).plot(ax, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, **kwargs: Any) -> Any:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, over existing curves; None creates a figure.
        name : str, default=None
            Name of the detector in the legend, instead of `name`.
        **kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : DetectionErrorDisplay
            This display, with the curves drawn on `ax_`.

        Raises
        ------
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        self.ax_ = axes_or_new(self, ax)
        from matplotlib.cbook import normalize_kwargs
        from matplotlib.lines import Line2D

        self.figure_ = self.ax_.figure
        label = self._label(self.name if name is None else name)
        fold_style = {"alpha": 0.5, "linewidth": 1.0} if len(self.curves) > 1 else {}
        place = sum(line.get_gid() == _FIRST_CURVE for line in self.ax_.lines)
        own_style = {**line_style(place), **normalize_kwargs(kwargs, Line2D)}
        self.lines_: list[Any] = []
        for curve, eer in zip(self.curves, self.eer, strict=True):
            style = {**fold_style, "clip_on": False, "label": label, **own_style}
            if self.lines_:  # one color for all curves of a detector
                style |= {"color": self.lines_[0].get_color(), "label": None}
            else:
                style.setdefault("gid", _FIRST_CURVE)
            self.lines_ += self.ax_.plot(_deviate(curve.apcer), _deviate(curve.bpcer), **style)
            marker = {"marker": "o", "markersize": 4, "clip_on": False, "zorder": 3}
            position, color = _deviate(np.array([eer])), self.lines_[-1].get_color()
            self.ax_.plot(position, position, color=color, linestyle="", **marker)
        self._draw_frame()
        return self

    def _label(self, name: str | None) -> str:
        mean, spread = float(np.mean(self.eer)), 100 * np.std(self.eer)
        figure = f"EER = {percent(mean, sign=' %')}"
        if len(self.eer) > 1:
            figure = f"EER = {percent(mean, sign='')} ± {spread:.1f} %, {len(self.eer)} folds"
        return figure if name is None else f"{name} ({figure})"

    def _draw_frame(self) -> None:
        ax, ends = self.ax_, (-_EDGE, _EDGE)
        # Draw this line once: each further copy makes it darker
        if not any(line.get_gid() == "equal rates" for line in ax.lines):
            dots = {"color": GRAY, "linestyle": ":", "linewidth": 1.0, "zorder": 0}
            ax.plot(ends, ends, gid="equal rates", **dots)
        accepted = "deepfakes accepted"
        if self.worst_technique:
            accepted += ", worst technique"
        ax.set(
            xlabel=f"APCER: fraction of {accepted}",
            ylabel="BPCER: fraction of genuine rejected",
            xlim=ends,
            ylim=ends,
            aspect="equal",
        )
        labels = [f"{100 * tick:g} %" for tick in _TICKS]
        ax.set_xticks(norm.ppf(_TICKS), labels, fontsize="small")
        ax.set_yticks(norm.ppf(_TICKS), labels, fontsize="small")
        ax.grid(color=LIGHT_GRAY, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.legend(loc="upper right", fontsize="small")


def _deviate(rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the normal deviate of rates, clipped to the frame."""
    return norm.ppf(rate).clip(-_EDGE, _EDGE)
