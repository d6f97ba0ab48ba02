"""The figures of a report, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sklearn_diffake.benchmark._cells import Cell
from sklearn_diffake.benchmark._datasets import PairTable
from sklearn_diffake.benchmark._degrade import UNITS
from sklearn_diffake.benchmark._protocols import CALIBRATED
from sklearn_diffake.benchmark._summary import POOLED, WORST
from sklearn_diffake.metrics import (
    DetectionErrorDisplay,
    TechniqueHeatmapDisplay,
    detection_error_curve,
)

Row = Mapping[str, Any]
Done = Sequence[tuple[Cell, Mapping[str, Any]]]
Tables = Mapping[str, PairTable]

_SCALE: dict[str, Any] = {"vmin": 0.5, "vmax": 1.0}


def draw_figures(rows: Sequence[Row], done: Done, tables: Tables) -> dict[str, bytes]:
    """Draw the figures of every protocol.

    Parameters
    ----------
    rows : sequence of dict
        The summary.
    done : sequence of (Cell, record)
        Finished cells, and what was kept of them.
    tables : mapping of str to PairTable

    Returns
    -------
    figures : dict of str to bytes
        File names, which begin with the protocol's, and PNG files.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn: dict[str, bytes] = {}
    for name, draw in _DRAW.items():
        part = [row for row in rows if row["protocol"] == name]
        mine = [(cell, record) for cell, record in done if cell.protocol == name]
        for label, size, paint in draw(part, mine, tables):
            file = io.BytesIO()
            with rc_context({"text.parse_math": False}):  # a $ in a name is a $
                figure = Figure(figsize=size, layout="constrained")
                paint(figure)
                # the same bytes every time: neither the date nor the version is in them
                figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
            drawn[f"{name}{f'-{_file_name(label)}' if label else ''}.png"] = file.getvalue()
    return drawn


def _file_name(label: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in label)


def _heat_map(
    ax: Any, values: Any, down: Sequence[str], across: Sequence[str], xlabel: str, ylabel: str
) -> None:
    display = TechniqueHeatmapDisplay(
        np.array(values, dtype=float), techniques=down, detectors=across, metric_name="AUC"
    )
    display.plot(ax, **_SCALE)
    ax.set(xlabel=xlabel, ylabel=ylabel)


def _auc(rows: Iterable[Row], **wanted: Any) -> float:
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            return float(row["figures"]["auc"][0])
    return float("nan")


def _names(rows: Iterable[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _within(rows: Sequence[Row], done: Done, tables: Tables) -> Iterator[Any]:
    pooled = [row for row in rows if row["technique"] == POOLED]
    down, across = _names(pooled, "candidate"), _names(pooled, "test")
    if not down:
        return

    def table(figure: Any) -> None:
        values = [[_auc(pooled, candidate=c, test=t) for t in across] for c in down]
        _heat_map(figure.subplots(), values, down, across, "dataset", "candidate")

    yield "", (3 + 1.3 * len(across), 2 + 0.5 * len(down)), table


def _manipulation(rows: Sequence[Row], done: Done, tables: Tables) -> Iterator[Any]:
    plain = [row for row in rows if not row["condition"]]
    for dataset in _names(plain, "test"):
        part = [row for row in plain if row["test"] == dataset]
        candidates, techniques = _names(part, "candidate"), _names(part, "technique")
        down = [t for t in techniques if t not in (POOLED, WORST)] + [POOLED]

        values = [[_auc(part, candidate=c, technique=t) for c in candidates] for t in down]

        def table(
            figure: Any, values: Any = values, down: Any = down, across: Any = candidates
        ) -> None:
            labels = ["all" if t == POOLED else t for t in down]
            _heat_map(figure.subplots(), values, labels, across, "candidate", "technique")

        yield dataset, (3 + 1.3 * len(candidates), 2 + 0.4 * len(down)), table

        def curves(figure: Any, dataset: str = dataset, names: Any = candidates) -> None:
            ax = figure.subplots()
            for name in names:
                _det(ax, name, dataset, done, tables)

        yield f"{dataset}-det", (6.5, 6.5), curves


def _det(ax: Any, candidate: str, dataset: str, done: Done, tables: Tables) -> None:
    """Draw the DET curve of every fold of a candidate."""
    curves = []
    for cell, record in done:
        if (cell.candidate, cell.test) != (candidate, dataset) or CALIBRATED in cell.condition:
            continue
        y = tables[dataset].target[cell.steps[0].score.rows]
        if len(np.unique(y)) == 2:
            curves.append(detection_error_curve(y, record["decisions"][0]))
    if curves:
        DetectionErrorDisplay(curves, name=candidate).plot(ax)


def _datasets(rows: Sequence[Row], done: Done, tables: Tables) -> Iterator[Any]:
    for candidate in _names(rows, "candidate"):
        part = [r for r in rows if r["candidate"] == candidate and r["technique"] == POOLED]
        down, across = _names(part, "fit"), _names(part, "test")

        def table(figure: Any, part: Any = part, down: Any = down, across: Any = across) -> None:
            values = [[_auc(part, fit=f, test=t) for t in across] for f in down]
            _heat_map(figure.subplots(), values, down, across, "judged on", "learned from")

        yield candidate, (3 + 1.3 * len(across), 2 + 0.5 * len(down)), table


def _compression(rows: Sequence[Row], done: Done, tables: Tables) -> Iterator[Any]:
    for dataset, candidate in dict.fromkeys((r["test"], r["candidate"]) for r in rows):
        part = [r for r in rows if (r["test"], r["candidate"]) == (dataset, candidate)]
        levels = list(dict.fromkeys(row["condition"][0] for row in part))

        def table(figure: Any, part: Any = part, levels: Any = levels) -> None:
            values = [[_auc(part, condition=[a, b]) for b in levels] for a in levels]
            _heat_map(figure.subplots(), values, levels, levels, "judged on", "learned from")

        yield f"{dataset}-{candidate}", (3 + 1.1 * len(levels), 2 + 0.5 * len(levels)), table


def _robustness(rows: Sequence[Row], done: Done, tables: Tables) -> Iterator[Any]:
    for dataset in _names(rows, "test"):
        part = [row for row in rows if row["test"] == dataset]
        kinds = [kind for kind in UNITS if any(row["condition"][0] == kind for row in part)]

        def lines(figure: Any, part: Any = part, kinds: Any = kinds) -> None:
            for ax, kind in zip(figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0],
                                kinds, strict=True):  # fmt: skip
                _decline(ax, part, kind)
            figure.axes[0].set_ylabel("AUC")
            figure.axes[0].legend(fontsize="small")

        yield dataset, (3.2 * len(kinds) + 0.6, 3.4), lines


def _decline(ax: Any, rows: Sequence[Row], kind: str) -> None:
    """Draw how the AUC falls with the strength of one kind of loss."""
    for candidate in _names(rows, "candidate"):
        part = [row for row in rows if row["candidate"] == candidate]
        part = [row for row in part if row["condition"][0] in ("none", kind)]
        low, high = (
            [row["figures"]["auc"][i] or row["figures"]["auc"][0] for row in part] for i in (1, 2)
        )
        values = [row["figures"]["auc"][0] for row in part]
        (line,) = ax.plot(range(len(part)), values, marker="o", label=candidate)
        ax.fill_between(range(len(part)), low, high, color=line.get_color(), alpha=0.15)
        ax.set_xticks(range(len(part)), [row["condition"][1] or "none" for row in part])
    ax.set(xlabel=UNITS[kind][0])
    ax.grid(color="#DDDDDD", linewidth=0.6)


def _ablation(rows: Sequence[Row], done: Done, tables: Tables) -> Iterator[Any]:
    for dataset in _names(rows, "test"):
        part = [row for row in rows if row["test"] == dataset]

        def dots(figure: Any, part: Any = part) -> None:
            ax, places = figure.subplots(), np.arange(len(part))
            values, low, high = np.array(
                [[v if v is not None else row["figures"]["auc"][0] for v in row["figures"]["auc"]]
                 for row in part]
            ).T  # fmt: skip
            error = np.maximum([values - low, high - values], 0)
            ax.errorbar(values, places, xerr=error, fmt="o", color="#0072B2", capsize=2)
            ax.axvline(values[0], color="#888888", linestyle=":", linewidth=1)
            ax.set_yticks(places, [row["candidate"] for row in part])
            ax.invert_yaxis()
            ax.set(xlabel="AUC")
            ax.grid(axis="x", color="#DDDDDD", linewidth=0.6)

        yield dataset, (7, 1 + 0.3 * len(part)), dots


_DRAW = {
    "within-dataset": _within,
    "cross-manipulation": _manipulation,
    "cross-dataset": _datasets,
    "compression": _compression,
    "robustness": _robustness,
    "ablation": _ablation,
}
