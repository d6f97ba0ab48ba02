"""Verdicts made by hand, with the pictures they are about."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from sklearn_diffake.inspection._split_pipeline import split_pipeline
from sklearn_diffake.verdict import (
    ClipEvidence,
    ErrorRate,
    ImageEvidence,
    ModelInfo,
    Verdict,
    VerdictWarning,
)

MINUS = "\N{MINUS SIGN}"
NETWORKS = ("corner", "right")
RATES = (
    ErrorRate("pairs of A", 1, 1, "apcer", 0.25, 0.2, 0.3125, 400),
    ErrorRate("pairs of A", 1, 1, "bpcer", 0.05, 0.02, 0.1, 410),
    ErrorRate("pairs of A", 3, 1, "apcer", 0.125, 0.1, 0.15, 400),
    ErrorRate("pairs of A", 3, 1, "bpcer", 0.04, 0.02, 0.08, 410),
    ErrorRate("pairs of B", 1, 1, "eer", 0.2, 0.1, 0.3, 90),
)
INFO = ModelInfo("default", "ab" * 32, NETWORKS, 0.05, 1234, RATES)


@dataclass
class PicturesInMemory:
    """Stands for `ComparedImages`: pictures in memory, each its own crop."""

    pictures: list[Any]
    sources: list[Any] = field(default_factory=list)
    pipeline: Any = None
    crops: Any = None

    def __post_init__(self):
        self.crops = list(self.pictures) if self.crops is None else self.crops

    def picture(self, row):
        """Return a picture, or raise the error in its place."""
        return returned_or_raised(self.pictures[row])

    def crop(self, row):
        return returned_or_raised(self.crops[row])


def returned_or_raised(result):
    if isinstance(result, Exception):
        raise result
    return result


def with_pictures(verdict, pictures, **options):
    """Return a copy of a verdict that holds pictures."""
    paths = [image.path for image in verdict.images]
    return replace(
        verdict, _compared_images=PicturesInMemory(pictures, **{"sources": paths, **options})
    )


def noisy(seed=0, size=(48, 64)):
    """Return a picture unlike others."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def pair_verdict(folder=None, names=("a.png", "b.png"), **fields):
    """A photo against a photo, suspicious."""
    pictures = [noisy(1), noisy(2)]
    paths = [None, None]
    if folder is not None:
        paths = [str(folder / name) for name in names]
        for path, picture in zip(paths, pictures, strict=True):
            Image.fromarray(picture).save(path, "PNG")
    shared = {"box": (10.0, 8.0, 40.0, 38.0), "face_size": 30.25, "eye_distance": 12.5}
    images = (
        ImageEvidence("reference", paths[0], **shared, probability=0.875, n_faces=1),
        ImageEvidence(
            "probe", paths[1], **shared, probability=0.75, n_faces=2,
            score=-3.1234567, p_value=0.0123456,
        ),
    )  # fmt: skip
    verdict = Verdict(
        outcome="suspicious", reason="p = 0.01235 is at most the level", score=-3.1234567,
        threshold=-2.0345678, p_value=0.0123456, level=0.05, n_references=1, n_probes=1,
        category=(1, 1), images=images, model=INFO,
        warnings=(VerdictWarning("small_face", "The face of the probe is small."),),
    )  # fmt: skip
    return with_pictures(replace(verdict, **fields), pictures)


def clip_verdict(n=30, missing=(3, 4), low=range(10, 16), **fields):
    """A clip against a photo: frames in `low` are unusual, those in `missing` have no face."""
    frames = []
    for number in range(n):
        if number in missing:
            evidence = {"reason": "no face was detected"}
        else:
            score = -3.5 if number in low else -1.0 - number / 100
            p_value = 0.01 if number in low else 0.4
            evidence = {"box": (5.0, 5.0, 25.0, 25.0), "face_size": 20.0, "score": score}
            evidence["p_value"] = p_value
        time = number / 2
        frames.append(ImageEvidence("probe", "clip.mp4", number * 15, time, **evidence))
    reference = ImageEvidence("reference", "a.png", box=(1.0, 1.0, 9.0, 9.0), face_size=8.0)
    n_used = n - len(missing)
    verdict = Verdict(
        outcome="suspicious", reason="the worst window decides", score=-1.75, threshold=-2.25,
        p_value=0.0123, level=0.05, n_references=1, n_probes=n_used, category=(1, 1),
        images=(reference, *frames), model=INFO,
        clip=ClipEvidence(
            n_used, len(low) / n_used, (5.0, 7.5), (4.5, 8.0), 11, 0.321, 0.00615,
        ),
    )  # fmt: skip
    return with_pictures(replace(verdict, **fields), [noisy(k) for k in range(n + 1)])


def split_with_stores(pipeline):
    """Split a fitted pipeline, as verify does."""
    return split_pipeline(pipeline, stores=True)


def lone_clip_verdict(**fields):
    """A clip by itself: no reference, and error rates of frames and of a few clips."""
    verdict = clip_verdict()
    rates = (
        ErrorRate("frames of A", 0, 1, "apcer", 0.8125, 0.75, 0.875, 400),
        ErrorRate("frames of A", 0, 1, "bpcer", 0.05, 0.02, 0.1, 410),
        ErrorRate("clips of B", 0, 24, "apcer", 0.6, 0.15, 0.95, 5),
        ErrorRate("clips of B", 0, 24, "bpcer", 0.0, 0.0, 0.5, 5),
    )
    info = replace(INFO, name="same-video", error_rates=rates)
    modified = {"n_references": 0, "category": None, "mode": "same-video", "model": info}
    lone = replace(verdict, images=verdict.images[1:], **{**modified, **fields})
    return with_pictures(lone, [noisy(k) for k in range(len(lone.images))])
