"""The figures of a report, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_diffake.benchmark.report._tables import Row, first_row
from sklearn_diffake.metrics import TechniqueHeatmapDisplay

_SCALE: dict[str, Any] = {"vmin": 0.5, "vmax": 1.0}


class Drawing(NamedTuple):
    """A figure that is to be drawn.

    Parameters
    ----------
    label : str
        What tells it from other figures of its protocol; may be empty.
    size : (float, float)
        Width and height in inches.
    paint : callable
        Draws on the matplotlib figure that it is given.
    """

    label: str
    size: tuple[float, float]
    paint: Callable[[Any], None]

    def file_name(self, protocol: str) -> str:
        """Return the name of its file."""
        text = "".join(c if c.isalnum() or c in "-_" else "_" for c in self.label)
        return f"{protocol}-{text}.png" if text else f"{protocol}.png"

    def png(self) -> bytes:
        """Draw it; equal drawings have equal bytes."""
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        file = io.BytesIO()
        with rc_context({"text.parse_math": False}):  # a $ in a name is a $
            figure = Figure(figsize=self.size, layout="constrained")
            self.paint(figure)
            # without the version of matplotlib, which would change the bytes
            figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
        return file.getvalue()


def heat_map(
    label: str,
    down: Sequence[str],
    across: Sequence[str],
    auc_of: Callable[[Any, Any], float],
    *,
    xlabel: str,
    ylabel: str,
    height: float = 0.5,
    width: float = 1.3,
    names: Sequence[str] | None = None,
) -> Drawing:
    """Draw the AUC of everything down against everything across.

    Parameters
    ----------
    label : str
        Of the drawing.
    down, across : sequence of str
        What the lines and columns stand for.
    auc_of : callable
        Returns the AUC for a line and a column; NaN leaves a gap.
    xlabel, ylabel : str
    height, width : float
        Of a line and of a column, in inches.
    names : sequence of str, default=None
        Names of the lines, if they are not those of `down`.

    Returns
    -------
    drawing : Drawing
    """
    values = np.array([[auc_of(line, column) for column in across] for line in down], dtype=float)

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        display = TechniqueHeatmapDisplay(
            values, techniques=names or down, detectors=across, metric_name="AUC"
        )
        display.plot(ax, **_SCALE)
        ax.set(xlabel=xlabel, ylabel=ylabel)

    return Drawing(label, (3 + width * len(across), 2 + height * len(down)), paint)


def auc_of(rows: Iterable[Row], **values: Any) -> float:
    """Return the AUC of the first row that has some values, NaN if no row has them."""
    row = first_row(rows, **values)
    return float("nan") if row is None else float(row["figures"]["auc"][0])
