"""An explanation in words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..utils._numbers import percent, significant
from ._photo import ExplainedPhoto

if TYPE_CHECKING:
    from ._explain import PairExplanation

#: What each kind of map shows: a title, and how to read it.
MAPS = {
    "joint occlusion": (
        "Left out of the comparison",
        "Each place is hidden in both photographs at once. Orange: the score rises without it, so "
        "that it speaks against the pair; blue: the score falls, it speaks for the pair. What "
        "hiding the place does to the reference compared with itself is taken off.",
    ),
    "occlusion": (
        "Hidden here alone",
        "Each place is hidden in this photograph only. Orange: the score rises without it; blue: "
        "it falls.",
    ),
    "gradient": (
        "Sensitivity",
        "Orange: where small changes of color move the score most, up or down.",
    ),
}
CAUTION = (
    "Maps show what the model looked at. They do not prove that a place was manipulated, nor that "
    "others were not."
)


def number(value: float) -> str:
    """Write a number with four digits that count, and a minus sign that is one."""
    return significant(value).replace("-", "\N{MINUS SIGN}")


def full_colour(method: str, limit: float) -> str:
    """Write the value that is shown in full colour; a gradient map has no negative ones."""
    return ("" if method == "gradient" else "\N{PLUS-MINUS SIGN}") + number(limit)


def short(text: str, length: int) -> str:
    """Cut out the middle of a long text, and show on one line what would not print."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= length:
        return text
    return f"{text[: length // 3]}\N{HORIZONTAL ELLIPSIS}{text[-(length - length // 3 - 1) :]}"


def verdict_in_words(explanation: PairExplanation) -> str:
    """Say in one sentence what the model makes of the pair."""
    side = "above" if explanation.decision >= 0 else "below"
    called = "genuine" if explanation.decision >= 0 else "a deepfake"
    return (
        f"The model calls the probe {called}: the score of the pair, {number(explanation.score)}, "
        f"is {number(abs(explanation.decision))} {side} the threshold of "
        f"{number(explanation.threshold)} (higher means more genuine)."
    )


def calibration_lines(explanation: PairExplanation) -> list[str]:
    """Say what a conformal p-value means, and warn if it rests on few genuine pairs."""
    if explanation.p_value is None or explanation.calibration is None:
        return []
    sentence = explanation.calibration.p_value_in_words(explanation.p_value)
    return [sentence, *(f"Warning: {message}." for message in explanation.warnings)]


def numbers(explanation: PairExplanation) -> list[tuple[str, str]]:
    """Name the numbers of the verdict."""
    found = [
        ("Score", number(explanation.score)),
        ("Threshold", number(explanation.threshold)),
        ("Score less threshold", number(explanation.decision)),
    ]
    if explanation.p_value is not None:
        found.append(("p-value among genuine pairs", number(explanation.p_value)))
    if explanation.calibration is not None:
        found.append(("Threshold calibrated on", explanation.calibration.basis()))
    return found


def contribution_lines(explanation: PairExplanation) -> list[str]:
    """Say what each embedder adds to the score."""
    lines = [
        f"{part.name} ({part.backbone}) adds {number(part.value)} to the score: "
        f"{percent(part.share, 0)} of what moves it."
        for part in explanation.contributions
    ]
    if explanation.base_score is not None:
        lines.insert(0, f"With genuine means throughout: {number(explanation.base_score)}.")
    return lines


def nearest_lines(explanation: PairExplanation) -> list[str]:
    """Name the genuine pairs that are most like this one."""
    nearest = explanation.nearest
    if nearest is None:
        return []
    lines = []
    for place, (row, distance) in enumerate(
        zip(nearest.indices.tolist(), nearest.distances.tolist(), strict=True)
    ):
        named = ""
        if nearest.names is not None:
            named = f" ({', '.join(short(name, 60) for name in nearest.names[place])})"
        lines.append(f"Genuine pair {row}{named} is at a distance of {number(distance)}.")
    if np.isfinite(nearest.typical):
        lines.append(
            f"Genuine pairs have their nearest neighbour at {number(nearest.typical)} (median)."
        )
    return lines


def map_in_words(photo: ExplainedPhoto, side: str, method: str) -> str:
    """Say where a map is greatest: the text that stands for its picture."""
    title, values = MAPS[method][0], photo.maps[method]
    if values.max() <= 0:
        what = "is zero everywhere" if method == "gradient" else "is nowhere above zero"
        return f"{title}: the map of the {side} {what}."
    height, width = photo.image.shape[:2]
    x, y = photo.peak(method)
    return (
        f"{title}: the map of the {side} is greatest {x:.0f} pixels from the left and {y:.0f} "
        f"from the top of the photograph of {width} by {height} pixels."
    )


def origin_lines(explanation: PairExplanation, date: str | None) -> list[tuple[str, str]]:
    """Say with what the explanation was made."""
    facts = explanation.provenance
    lines = [("Date", date)] if date else []
    for side, photo in facts["photographs"].items():
        name = "image" if photo["name"] is None else short(os.path.basename(photo["name"]), 80)
        size = f"{photo['width']} x {photo['height']}"
        lines.append((side.capitalize(), f"{name}, {size} pixels, digest {photo['digest']}"))
    lines.append(("Pipeline", ", ".join(facts["steps"])))
    for network in facts["networks"]:
        words = f"{network['name']}, fingerprint {network['fingerprint']}"
        lines.append((f"Network of {network['branch']}", words))
    versions = [f"{name} {version}" for name, version in facts["versions"].items()]
    lines.append(("Versions", ", ".join(versions)))
    settings = [f"{name}={value}" for name, value in facts["settings"].items()]
    return [*lines, ("Settings", ", ".join(settings))]
