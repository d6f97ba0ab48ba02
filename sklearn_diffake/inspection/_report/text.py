"""The sentences of reports on an explanation."""

from __future__ import annotations

import os

import numpy as np

from sklearn_diffake.inspection._explanation_data import ExplanationData
from sklearn_diffake.inspection._photo import ExplainedPhoto
from sklearn_diffake.utils._numbers import percent, significant

#: Title and description of each kind of map.
MAPS = {
    "joint occlusion": (
        "Left out of the comparison",
        "Each region is hidden in both photographs at once. Orange: the score rises without it, so "
        "it is evidence against the pair; blue: the score falls, so it is evidence for the pair. "
        "The effect on a comparison of the reference with itself is subtracted.",
    ),
    "occlusion": (
        "Hidden here alone",
        "Each region is hidden in this photograph only. Orange: the score rises without it; blue: "
        "it falls.",
    ),
    "gradient": (
        "Sensitivity",
        "Orange: regions where small changes of color change the score most, up or down.",
    ),
}
CAUTION = (
    "Maps show which regions influence the score. They do not prove that a region was manipulated, "
    "nor that others were not."
)


def number(value: float) -> str:
    """Write a number with four significant digits and a typographic minus sign."""
    return significant(value).replace("-", "\N{MINUS SIGN}")


def full_color(method: str, limit: float) -> str:
    """Write the value shown in full color; gradient maps have no negative values."""
    return ("" if method == "gradient" else "\N{PLUS-MINUS SIGN}") + number(limit)


def short(text: str, length: int) -> str:
    """Shorten a long text in its middle, and replace characters that cannot be printed."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= length:
        return text
    return f"{text[: length // 3]}\N{HORIZONTAL ELLIPSIS}{text[-(length - length // 3 - 1) :]}"


def verdict_sentence(explanation: ExplanationData) -> str:
    """Return the verdict as one sentence."""
    side = "above" if explanation.decision >= 0 else "below"
    verdict = "genuine" if explanation.decision >= 0 else "suspicious"
    return (
        f"The model calls the probe {verdict}: the score of the pair, {number(explanation.score)}, "
        f"is {number(abs(explanation.decision))} {side} the threshold of "
        f"{number(explanation.threshold)} (higher means more genuine)."
    )


def calibration_lines(explanation: ExplanationData) -> list[str]:
    """Return the meaning of a conformal p-value, and warnings about the calibration."""
    if explanation.p_value is None or explanation.calibration is None:
        return []
    sentence = explanation.calibration.p_value_in_words(explanation.p_value)
    return [sentence, *(f"Warning: {message}." for message in explanation.warnings)]


def numbers(explanation: ExplanationData) -> list[tuple[str, str]]:
    """Return names and values of the numbers of the verdict."""
    rows = [
        ("Score", number(explanation.score)),
        ("Threshold", number(explanation.threshold)),
        ("Score less threshold", number(explanation.decision)),
    ]
    if explanation.p_value is not None:
        rows.append(("p-value among genuine pairs", number(explanation.p_value)))
    if explanation.calibration is not None:
        rows.append(("Threshold calibrated on", explanation.calibration.basis()))
    return rows


def contribution_lines(explanation: ExplanationData) -> list[str]:
    """Return the contribution of each embedder to the score."""
    lines = [
        f"{contribution.name} ({contribution.backbone}) adds {number(contribution.value)} to the "
        "score: "
        f"{percent(contribution.fraction, 0)} of what moves it."
        for contribution in explanation.contributions
    ]
    if explanation.base_score is not None:
        lines.insert(0, f"With genuine means throughout: {number(explanation.base_score)}.")
    return lines


def nearest_lines(explanation: ExplanationData) -> list[str]:
    """Return descriptions of the most similar genuine pairs."""
    nearest = explanation.nearest
    if nearest is None:
        return []
    lines = []
    for position, (row, distance) in enumerate(
        zip(nearest.indices.tolist(), nearest.distances.tolist(), strict=True)
    ):
        paths = ""
        if nearest.names is not None:
            paths = f" ({', '.join(short(name, 60) for name in nearest.names[position])})"
        lines.append(f"Genuine pair {row}{paths} is at a distance of {number(distance)}.")
    if np.isfinite(nearest.typical):
        lines.append(
            f"Genuine pairs have their nearest neighbor at {number(nearest.typical)} (median)."
        )
    return lines


def map_sentence(photo: ExplainedPhoto, side: str, method: str) -> str:
    """Return the position of a map's maximum, as the alternative text of its picture."""
    title, values = MAPS[method][0], photo.maps[method]
    if values.max() <= 0:
        maximum = "is zero everywhere" if method == "gradient" else "is nowhere above zero"
        return f"{title}: the map of the {side} {maximum}."
    height, width = photo.image.shape[:2]
    x, y = photo.peak(method)
    return (
        f"{title}: the map of the {side} is greatest {x:.0f} pixels from the left and {y:.0f} "
        f"from the top of the photograph of {width} by {height} pixels."
    )


def origin_lines(explanation: ExplanationData, date: str | None) -> list[tuple[str, str]]:
    """Return the provenance of the explanation."""
    facts = explanation.provenance
    lines = [("Date", date)] if date else []
    for side, photo in facts["photographs"].items():
        name = "image" if photo["name"] is None else short(os.path.basename(photo["name"]), 80)
        size = f"{photo['width']} x {photo['height']}"
        lines.append((side.capitalize(), f"{name}, {size} pixels, digest {photo['digest']}"))
    lines.append(("Pipeline", ", ".join(facts["steps"])))
    for network in facts["networks"]:
        description = f"{network['name']}, fingerprint {network['fingerprint']}"
        lines.append((f"Network of {network['branch']}", description))
    versions = [f"{name} {version}" for name, version in facts["versions"].items()]
    lines.append(("Versions", ", ".join(versions)))
    settings = [f"{name}={value}" for name, value in facts["settings"].items()]
    return [*lines, ("Settings", ", ".join(settings))]
