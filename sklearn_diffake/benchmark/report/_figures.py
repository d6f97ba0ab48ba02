"""The figures of a report, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_diffake.benchmark.report._tables import Grid
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
    grid: Grid,
    *,
    xlabel: str,
    ylabel: str,
    height: float = 0.5,
    width: float = 1.3,
    names: Sequence[str] | None = None,
) -> Drawing:
    """Draw the AUC of a grid of rows.

    Parameters
    ----------
    label : str
        Of the drawing.
    grid : Grid
    xlabel, ylabel : str
    height, width : float
        Of a line and of a column, in inches.
    names : sequence of str, default=None
        Names of the lines, if they are not those of the grid.

    Returns
    -------
    drawing : Drawing
    """
    values = [
        [np.nan if row is None else row["figures"]["auc"][0] for row in rows] for rows in grid.cells
    ]

    def paint(figure: Any) -> None:
        ax = figure.subplots()
        display = TechniqueHeatmapDisplay(
            np.array(values, dtype=float),
            techniques=names or grid.lines,
            detectors=grid.columns,
            metric_name="AUC",
        )
        display.plot(ax, **_SCALE)
        ax.set(xlabel=xlabel, ylabel=ylabel)

    size = (3 + width * len(grid.columns), 2 + height * len(grid.lines))
    return Drawing(label, size, paint)
