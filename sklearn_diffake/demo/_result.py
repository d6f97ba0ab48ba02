"""The result of the demo: scores, rates and the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from sklearn_diffake.novelty._calibration import calibration_of
from sklearn_diffake.utils._numbers import fraction, percent

GENUINE = "genuine re-take"
_ROW = "{:<22}{:>6}{:>10}{:>12}{:>7}"
HEADER = _ROW.format("probe", "pairs", "accepted", "suspicious", "AUC")


@dataclass(frozen=True)
class DemoResult:
    """The result of the demo.

    Attributes
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted on the genuine training pairs.
    probes : list of Path
        The probes, in the order of the arrays below.
    groups : ndarray of shape (n,), str
        ``"genuine re-take"``, or the technique of the manipulation.
    decision : ndarray of shape (n,), float64
        Score less threshold: zero or more is accepted as genuine.
    auc : float
        Area under the ROC curve, of all probes.
    auc_interval : tuple of (float, float)
        Its 95 % confidence interval, for other probes of the same photograph.
    eer : float
        Equal error rate, in [0, 1].
    n_train : int
        Number of training pairs.
    n_missing : int
        Number of probes without a detected face, whose center was scored.
    seconds : float
        Duration of the demo.
    reference_box : tuple of float
        Left, top, right and bottom of the face in the reference, in fractions of its size.
    folder : Path
        Folder of all files: ``demo.txt``, ``model.diffake``, ``train.csv``, ``probes.csv``,
        ``reference.png``, ``photos/``, and ``demo.png`` if there is a picture.
    picture : Path or None, default=None
        ``demo.png``; None if matplotlib is not installed.

    See Also
    --------
    run_demo : Runs the demo.

    Examples
    --------
    >>> from sklearn_diffake.demo import run_demo
    >>> result = run_demo("demo")  # doctest: +SKIP
    >>> result.pipeline.score_samples([(result.folder / "reference.png",  # doctest: +SKIP
    ...                                 result.probes[0])])
    """

    pipeline: Pipeline
    probes: list[Path]
    groups: NDArray[np.str_]
    decision: NDArray[np.float64]
    auc: float
    auc_interval: tuple[float, float]
    eer: float
    n_train: int
    n_missing: int
    seconds: float
    reference_box: tuple[float, ...]
    folder: Path
    picture: Path | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """+1 for each genuine probe, -1 for each manipulated one."""
        return np.where(self.groups == GENUINE, 1, -1)

    def rates(self) -> list[tuple[str, int, float, float]]:
        """Return the rates of each group.

        Returns
        -------
        list of (group, pairs, accepted, auc)
            `accepted` is the fraction accepted, `auc` that of the technique against all genuine
            probes (NaN for the genuine ones).
        """
        genuine, rows = self.groups == GENUINE, []
        for name in dict.fromkeys(self.groups.tolist()):
            group = self.groups == name
            auc = np.nan
            if name != GENUINE:
                auc = roc_auc_score(self.labels[genuine | group], self.decision[genuine | group])
            accepted = float((self.decision[group] >= 0).mean())
            rows.append((name, int(group.sum()), accepted, float(auc)))
        return rows

    def table(self) -> str:
        """Return the result as text, with a line for each group.

        Returns
        -------
        str
            The content of ``demo.txt``.
        """
        manipulated = self.decision[self.groups != GENUINE]
        total = "all manipulated", len(manipulated), float((manipulated >= 0).mean()), self.auc
        line, (low, high) = "-" * len(HEADER), map(fraction, self.auc_interval)
        lines = [HEADER, line]
        for name, pairs, accepted, auc in (*self.rates(), total):
            area = "" if np.isnan(auc) else fraction(auc, 2)
            rates = percent(accepted, 0), percent(1 - accepted, 0)
            lines.append(_ROW.format(name, pairs, *rates, area))
        lines += [
            line,
            f"AUC {fraction(self.auc)} (95 % interval {low} to {high}, of this photograph), "
            f"EER {percent(self.eer)}",
            f"Fitted on {self.n_train} genuine pairs of one photograph; no manipulated one was "
            "seen.",
        ]
        if calibration := calibration_of(self.pipeline[-1]):
            lines.append(
                f"The threshold rests on {calibration.n} of them, and rejects at most "
                f"{percent(calibration.level)} of such pairs."
            )
        if self.n_missing:
            lines.append(f"No face was found in {self.n_missing} probes: their center was judged.")
        return "\n".join(lines)
