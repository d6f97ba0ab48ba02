"""The picture of the demo: probes with verdicts, and all scores relative to the threshold."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils._numbers import fraction, percent

if TYPE_CHECKING:
    from ._run import DemoResult

# Colors of Okabe and Ito, which color-blind people can distinguish; symbols and text are redundant.
ACCEPTED, REJECTED = "#0072B2", "#D55E00"
_N_SHOWN = 2  # probes of each group
_CLOSE_UP = (0.2, 0.2, 0.8, 0.8)  # the face is in the middle of re-takes
_CAPTION = (
    "Every probe is compared with one reference photograph. The model was fitted on "
    "{result.n_train} genuine pairs only: it never saw a manipulated one.\n"
    "Shown are the first two probes of each kind, cut to the face, with the verdict and the score "
    "less the threshold: \u2713 correct, \u2717 wrong."
)


def draw(result: "DemoResult") -> Any:
    """Draw the reference, the first probes of each group with their verdicts, and all scores.

    Parameters
    ----------
    result : DemoResult
        The result of the demo.

    Returns
    -------
    matplotlib.figure.Figure
        12.8 x 9.6 inches at 110 dots per inch; needs no display.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.8, 9.6), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    names = list(dict.fromkeys(result.groups.tolist()))
    grid = figure.add_gridspec(
        _N_SHOWN,
        1 + len(names),
        left=0.025,
        right=0.985,
        top=0.83,
        bottom=0.475,
        wspace=0.07,
        hspace=0.19,
    )
    _draw_reference([figure.add_subplot(grid[row, 0]) for row in (0, 1)], result)
    for column, name in enumerate(names, start=1):
        for row, index in enumerate(np.flatnonzero(result.groups == name)[:_N_SHOWN]):
            axes = figure.add_subplot(grid[row, column])
            _draw_probe(axes, result, int(index))
            if row == 0:
                axes.set_title("\n".join(name.rsplit(" ", 1)), fontsize=11, weight="bold", pad=6)
    _draw_scores(figure.add_axes((0.15, 0.07, 0.655, 0.335)), result)
    figure.text(0.025, 0.952, headline(result), fontsize=16, weight="bold")
    figure.text(0.025, 0.898, _CAPTION.format(result=result), fontsize=10.5, color="#444444")
    return figure


def headline(result: "DemoResult") -> str:
    """Return the result as one sentence."""
    genuine, accepted = result.labels == 1, result.decision >= 0
    return (
        f"{accepted[genuine].sum()} of {genuine.sum()} genuine re-takes accepted, "
        f"{(~accepted[~genuine]).sum()} of {(~genuine).sum()} manipulated probes rejected "
        f"(AUC {fraction(result.auc, 2)})"
    )


def _show(axes: Any, path: Any, box: tuple[float, float, float, float]) -> None:
    """Show the region `box` of a picture, given in fractions of its width and height."""
    from PIL import Image

    with Image.open(path) as picture:
        width, height = picture.size
        crop = picture.convert("RGB").crop(
            (
                round(box[0] * width),
                round(box[1] * height),
                round(box[2] * width),
                round(box[3] * height),
            )
        )
    axes.imshow(np.asarray(crop))
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_reference(axes: list[Any], result: "DemoResult") -> None:
    photo, face = axes
    _show(photo, result.folder / "reference.png", (0, 0, 1, 1))
    photo.set_title("reference\nphotograph", fontsize=11, weight="bold", pad=6)
    photo.set_xlabel("NASA, public domain", fontsize=8.5, color="#666666")
    _show(face, result.folder / "reference.png", result.reference_box)
    face.set_xlabel("the face in it", fontsize=10, color="#444444", labelpad=4)


def _draw_probe(axes: Any, result: "DemoResult", index: int) -> None:
    value, accepted = result.decision[index], result.decision[index] >= 0
    color = ACCEPTED if accepted else REJECTED
    right = accepted == (result.labels[index] == 1)
    _show(axes, result.probes[index], _CLOSE_UP)
    for spine in axes.spines.values():
        spine.set(color=color, linewidth=3.5)
    verdict = f"{'genuine' if accepted else 'deepfake'} {value:+.3f}".replace("-", "\u2212")
    symbol = "\u2713" if right else "\u2717"
    axes.set_xlabel(f"{symbol} {verdict}", color=color, fontsize=10, weight="bold", labelpad=4)


def _draw_scores(axes: Any, result: "DemoResult") -> None:
    """Draw the scores of each group as a strip, relative to the threshold at zero."""
    rng = np.random.default_rng(0)  # for jitter, so that markers do not overlap
    rates = result.rates()
    for row, (name, pairs, accepted, _) in enumerate(rates):
        values = result.decision[result.groups == name]
        for is_drawn, color, marker in (
            (values >= 0, ACCEPTED, "o"),
            (values < 0, REJECTED, "X"),
        ):
            heights = row + rng.uniform(-0.22, 0.22, int(is_drawn.sum()))
            axes.scatter(
                values[is_drawn], heights, c=color, marker=marker, s=42, alpha=0.75, linewidths=0
            )
        rate, verb = (accepted, "accepted") if row == 0 else (1 - accepted, "rejected")
        axes.text(
            1.015,
            row,
            f"{round(rate * pairs)} of {pairs} {verb} ({percent(rate, 0)})",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=10.5,
        )
    axes.axvline(0, color="black", linewidth=1.5, linestyle="--")
    axes.axhline(0.5, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(rates)), [name for name, *_ in rates], fontsize=10.5)
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.set_xlabel(
        "score less threshold (score = minus the cosine distance; higher = more genuine)",
        fontsize=10.5,
    )
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    style = {"transform": axes.get_xaxis_transform(), "va": "bottom", "fontsize": 10.5}
    axes.text(0, 1.02, "\u2190 deepfake   ", ha="right", color=REJECTED, weight="bold", **style)
    axes.text(0, 1.02, "   genuine \u2192", ha="left", color=ACCEPTED, weight="bold", **style)
