"""Find probes that are more alike to a reference than other photographs of one person are."""

from __future__ import annotations

import numpy as np

from sklearn_diffake.novelty._p_values import SINGLE
from sklearn_diffake.utils._numbers import percent
from sklearn_diffake.verdict._evidence import ImageEvidence
from sklearn_diffake.verdict._model import JudgingModel
from sklearn_diffake.verdict._templates import Template

#: Of genuine pairs of other pictures, at most the rest is this alike.
_MOST_ALIKE = 0.999
#: Genuine calibration pairs; with fewer, too many genuine probes would be the most alike.
_MIN_PAIRS = 500


def copy_message(model: JudgingModel, reference: Template, probe: Template) -> str | None:
    """Say which probe may be a copy of a reference that was encoded again, resized or mirrored.

    Every image of the probe is compared with every image of the reference, since the mean of
    several references hides a copy of one of them.

    Parameters
    ----------
    model : JudgingModel
    reference, probe : Template
        Each with a usable image.

    Returns
    -------
    str or None
        None if there is none, or the model was not calibrated on pairs enough to say so.
    """
    detector = model.conformal
    if detector is None or not detector.category_scores_:
        return None
    if detector.category_of(*SINGLE) != SINGLE or model.n_calibration(*SINGLE) < _MIN_PAIRS:
        return None
    first, second = np.meshgrid(reference.used_positions, probe.used_positions, indexing="ij")
    pairs = [
        np.stack([left[first.ravel()], right[second.ravel()]], axis=1)
        for left, right in zip(reference.embeddings, probe.embeddings, strict=True)
    ]
    scores = model.pipeline.score(model.pipeline.detector_rows(pairs))
    p_values = detector.p_of_scores(scores, np.tile(SINGLE, (len(scores), 1)))
    closest = int(np.argmax(p_values))
    if p_values[closest] < _MOST_ALIKE:
        return None
    names = (
        _name(probe.images[second.ravel()[closest]]),
        _name(reference.images[first.ravel()[closest]]),
    )
    return (
        f"{names[0]} is more like {names[1]} than {percent(_MOST_ALIKE)} of the "
        f"{model.n_calibration(*SINGLE):,} genuine pairs that the threshold rests on: it may be a "
        "copy that was encoded again, resized, cropped or mirrored, or both are of one occasion"
    )


def _name(image: ImageEvidence) -> str:
    name = image.path or f"a {image.side} image"
    return name if image.frame is None else f"frame {image.frame} of {name}"
