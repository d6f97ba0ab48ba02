"""The picture of the demo: probes with verdicts, and all scores relative to the threshold."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from sklearn_diffake.demo._result import DemoResult
from sklearn_diffake.metrics._plotting import FAKE, GENUINE
from sklearn_diffake.utils._numbers import fraction, percent

_N_SHOWN = 2  # probes of each group
_CLOSE_UP = (0.2, 0.2, 0.8, 0.8)  # the face is in the middle of re-takes
_CAPTION = (
    "Every probe is compared with one reference photograph. The model was fitted on "
    "{result.n_train} genuine pairs only: it never saw a manipulated one.\n"
    "Shown are the first two probes of each kind, cut to the face, with the verdict and the score "
    "less the threshold: \u2713 correct, \u2717 wrong."
)


def draw_result(result: DemoResult) -> bytes:
    """Draw the picture as a PNG file with a description of its content."""
    rates = (f"{group}: {accepted:.0%} accepted" for group, _, accepted, _ in result.rates())
    description = f"{_headline(result)}. {'; '.join(rates)}."
    file = io.BytesIO()
    make_figure(result).savefig(file, format="png", metadata={"Description": description})
    return file.getvalue()


def make_figure(result: DemoResult) -> Any:
    """Draw the reference, the first probes of each group with their verdicts, and all scores."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.8, 9.6), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)  # needs no display
    groups = list(dict.fromkeys(result.groups.tolist()))
    panels = figure.subplots(_N_SHOWN, 1 + len(groups), gridspec_kw={
        "left": 0.025, "right": 0.985, "top": 0.83, "bottom": 0.475, "wspace": 0.07, "hspace": 0.19,
    })  # fmt: skip
    reference = result.folder / "reference.png"
    _show(panels[0, 0], reference, (0, 0, 1, 1), "NASA, public domain", "#666666")
    _show(panels[1, 0], reference, result.reference_box, "the face in it", "#444444")
    for axes, title in zip(panels[0], ["reference photograph", *groups], strict=True):
        axes.set_title("\n".join(title.rsplit(" ", 1)), fontsize=11, weight="bold", pad=6)
    for column, group in zip(panels[:, 1:].T, groups, strict=True):
        for axes, index in zip(column, np.flatnonzero(result.groups == group), strict=False):
            _draw_probe(axes, result, int(index))
    for axes in panels.flat:
        axes.set_visible(axes.has_data())  # a group may have one probe only
    _draw_scores(figure.add_axes((0.15, 0.07, 0.655, 0.335)), result)
    figure.text(0.025, 0.952, _headline(result), fontsize=16, weight="bold")
    figure.text(0.025, 0.898, _CAPTION.format(result=result), fontsize=10.5, color="#444444")
    return figure


def _headline(result: DemoResult) -> str:
    genuine, accepted = result.labels == 1, result.decision >= 0
    return (
        f"{accepted[genuine].sum()} of {genuine.sum()} genuine re-takes accepted, "
        f"{(~accepted[~genuine]).sum()} of {(~genuine).sum()} manipulated probes suspicious "
        f"(AUC {fraction(result.auc, 2)})"
    )


def _show(
    axes: Any, path: Path, box: tuple[float, ...], text: str, color: str, weight: str = "normal"
) -> None:
    """Show the region `box` of a picture, given in fractions of its size, above a text."""
    from PIL import Image

    with Image.open(path) as picture:
        left, top, right, bottom = np.rint(np.multiply(box, picture.size * 2)).astype(int)
        axes.imshow(np.asarray(picture.convert("RGB"))[top:bottom, left:right])
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(text, color=color, fontsize=10, weight=weight, labelpad=4)


def _draw_probe(axes: Any, result: DemoResult, index: int) -> None:
    value, accepted = result.decision[index], result.decision[index] >= 0
    color, verdict = (GENUINE, "genuine") if accepted else (FAKE, "suspicious")
    symbol = "\u2713" if accepted == (result.labels[index] == 1) else "\u2717"
    text = f"{symbol} {verdict} {value:+.4f}".replace("-", "\u2212")
    _show(axes, result.probes[index], _CLOSE_UP, text, color, "bold")
    axes.xaxis.label.set_fontsize(8.5)  # so that "suspicious" fits below the picture
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=3.5)


def _draw_scores(axes: Any, result: DemoResult) -> None:
    """Draw the scores of each group as a strip, relative to the threshold at zero."""
    rng = np.random.default_rng(0)  # for jitter, so that markers do not overlap
    rates = result.rates()
    for row, (name, pairs, accepted, _) in enumerate(rates):
        values = result.decision[result.groups == name]
        heights = row + rng.uniform(-0.22, 0.22, pairs)
        for is_drawn, color, marker in ((values >= 0, GENUINE, "o"), (values < 0, FAKE, "X")):
            style = {"c": color, "marker": marker, "s": 42, "alpha": 0.75, "linewidths": 0}
            axes.scatter(values[is_drawn], heights[is_drawn], **style)
        rate, verb = (accepted, "accepted") if row == 0 else (1 - accepted, "suspicious")
        text = f"{round(rate * pairs)} of {pairs} {verb} ({percent(rate, 0)})"
        axes.text(1.015, row, text, transform=axes.get_yaxis_transform(), va="center")
    axes.axvline(0, color="black", linewidth=1.5, linestyle="--")
    axes.axhline(0.5, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(rates)), [name for name, *_ in rates])
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.set_xlabel("score less threshold (score = minus the cosine distance; "
                    "higher = more genuine)")  # fmt: skip
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    above = {"transform": axes.get_xaxis_transform(), "va": "bottom", "weight": "bold"}
    axes.text(0, 1.02, "\u2190 suspicious   ", ha="right", color=FAKE, **above)
    axes.text(0, 1.02, "   genuine \u2192", ha="left", color=GENUINE, **above)
