"""A heatmap of a metric by detector and technique."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_auc_score

from sklearn_diffake.metrics._checks import check_scores, technique_rows
from sklearn_diffake.metrics._plotting import axes_or_new, estimator_scores


class TechniqueHeatmapDisplay:
    """Heatmap of a metric for each technique, in rows, and each detector, in columns.

    Create it by :meth:`from_predictions` or :meth:`from_estimator`. The metric of a technique is
    computed on its deepfakes and all genuine rows.

    Parameters
    ----------
    values : ndarray of shape (n_techniques, n_detectors)
        Values of the metric, NaN if there is none.
    techniques : sequence of str
        Names of the rows.
    detectors : sequence of str
        Names of the columns.
    metric_name : str, default=None
        Label of the color bar.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The cells.
    text_ : ndarray of shape (n_techniques, n_detectors), object
        Texts of the cells.
    ax_ : matplotlib Axes
        Axes with the cells.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    apcer_by_technique : Errors of one detector by technique.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.metrics import TechniqueHeatmapDisplay
    >>> y = np.repeat([1, -1], 200)
    >>> technique = np.repeat(["", "swap", "warp"], [200, 100, 100])
    >>> rng = np.random.default_rng(0)
    >>> scores = {"first": rng.normal(size=400) + y, "second": rng.normal(size=400) + 3 * y}
    >>> display = TechniqueHeatmapDisplay.from_predictions(y, scores, technique=technique)
    >>> display.techniques, display.detectors
    (['swap', 'warp', 'all'], ['first', 'second'])
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        *,
        techniques: Sequence[str],
        detectors: Sequence[str],
        metric_name: str | None = None,
    ):
        self.values = values
        self.techniques = techniques
        self.detectors = detectors
        self.metric_name = metric_name

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        scores: Mapping[str, ArrayLike],
        *,
        technique: ArrayLike,
        metric: Callable[..., float] = roc_auc_score,
        metric_name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> TechniqueHeatmapDisplay:
        """Draw the table of given scores.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        scores : dict of str to array-like of shape (n_samples,)
            Scores of each detector; higher means more genuine.
        technique : array-like of shape (n_samples,)
            Technique of each deepfake; ignored where ``y_true == 1``.
        metric : callable, default=sklearn.metrics.roc_auc_score
            ``metric(y_true, score) -> float``.
        metric_name : str, default=None
            Label of the color bar; by default, the name of the function.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : TechniqueHeatmapDisplay
            With a last row "all", the metric over all rows, if there are several techniques and
            none has this name.

        Raises
        ------
        ValueError
            If there are no scores, lengths differ, a label is neither +1 nor -1, a score is not
            finite, a class is absent, or a deepfake has no technique.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        if not scores:
            raise ValueError("scores must hold at least one detector, got none.")
        checked = {name: check_scores(y_true, score) for name, score in scores.items()}
        labels = next(iter(checked.values()))[0]
        genuine = np.flatnonzero(labels == 1)
        rows_by_technique = {
            str(name): np.concatenate([genuine, rows])
            for name, rows in technique_rows(technique, labels).items()
        }
        if len(rows_by_technique) > 1 and "all" not in rows_by_technique:
            rows_by_technique["all"] = np.arange(len(labels))
        figures = [
            [float(metric(labels[rows], score[rows])) for _, score in checked.values()]
            for rows in rows_by_technique.values()
        ]
        if metric_name is None:
            metric_name = getattr(metric, "__name__", None)
        display = cls(
            np.array(figures),
            techniques=list(rows_by_technique),
            detectors=list(checked),
            metric_name=metric_name,
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        technique: ArrayLike,
        metric: Callable[..., float] = roc_auc_score,
        metric_name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> TechniqueHeatmapDisplay:
        """Draw the table of fitted detectors.

        Parameters
        ----------
        estimator : estimator, or dict of str to estimator
            Fitted detectors by name, or one of them: detectors, classifiers whose labels are +1
            and -1, or pipelines that end in one of these.
        X : rows that the estimators take
            The test data.
        y : array-like of shape (n_samples,)
            +1 for genuine, -1 for deepfake; both must occur.
        technique : array-like of shape (n_samples,)
            Technique of each deepfake; ignored where ``y == 1``.
        metric : callable, default=sklearn.metrics.roc_auc_score
            ``metric(y_true, score) -> float``.
        metric_name : str, default=None
            Label of the color bar; by default, the name of the function.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        **kwargs : dict
            Passed to :meth:`plot`.

        Returns
        -------
        display : TechniqueHeatmapDisplay
            As from :meth:`from_predictions`.

        Raises
        ------
        ValueError
            If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is
            absent, or a deepfake has no technique.
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        if not isinstance(estimator, Mapping):
            estimator = {type(estimator).__name__: estimator}
        scores = {name: estimator_scores(detector, X) for name, detector in estimator.items()}
        return cls.from_predictions(
            y,
            scores,
            technique=technique,
            metric=metric,
            metric_name=metric_name,
            ax=ax,
            **kwargs,
        )

    def plot(
        self, ax: Any = None, *, values_format: str = ".3f", colorbar: bool = True, **kwargs: Any
    ) -> Any:
        """Draw the table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.
        values_format : str, default=".3f"
            Format of the values.
        colorbar : bool, default=True
            Whether to draw a color bar.
        **kwargs : dict
            Passed to matplotlib's ``imshow``, such as `cmap`, `vmin` and `vmax`.

        Returns
        -------
        display : TechniqueHeatmapDisplay
            This display, with the table drawn on `ax_`.

        Raises
        ------
        ImportError
            If matplotlib (extra ``plots``) is not installed.
        """
        self.ax_ = axes_or_new(self, ax)
        self.figure_ = self.ax_.figure
        style = {"cmap": "viridis", "aspect": "auto", "interpolation": "nearest", **kwargs}
        self.im_ = self.ax_.imshow(self.values, **style)
        self.text_ = np.empty(self.values.shape, dtype=object)
        for (row, column), value in np.ndenumerate(self.values):
            text = "\N{EN DASH}" if np.isnan(value) else format(value, values_format)
            self.text_[row, column] = self.ax_.text(
                column, row, text, ha="center", va="center", color=self._ink(value)
            )
        self.ax_.set_xticks(range(len(self.detectors)), self.detectors)
        self.ax_.set_yticks(range(len(self.techniques)), self.techniques)
        self.ax_.set(xlabel="detector", ylabel="technique")
        rotation = 30 if max(map(len, self.detectors)) * len(self.detectors) > 36 else 0
        if rotation:
            self.ax_.tick_params(axis="x", labelrotation=rotation)
            for label in self.ax_.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        if len(self.techniques) > 1 and self.techniques[-1] == "all":
            self.ax_.axhline(len(self.techniques) - 1.5, color="white", linewidth=3)
        if colorbar:
            self.figure_.colorbar(self.im_, ax=self.ax_, label=self.metric_name)
        return self

    def _ink(self, value: float) -> str:
        """Return black or white, whichever has more contrast with the cell."""
        if np.isnan(value):
            return "black"
        red, green, blue, _ = self.im_.cmap(self.im_.norm(value))
        return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
