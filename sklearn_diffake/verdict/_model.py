"""Fitted models, prepared once to give verdicts, and their measured error rates."""

from __future__ import annotations

import copy
import functools
import json
import os
import threading
from dataclasses import dataclass
from importlib import resources
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from sklearn_diffake.base import threshold_warning
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.inspection._split_pipeline import SplitPipeline, split_pipeline
from sklearn_diffake.novelty import ConformalDetector
from sklearn_diffake.pairs import mode_of
from sklearn_diffake.pairs._mode import refuse_other
from sklearn_diffake.utils._estimators import estimators
from sklearn_diffake.utils._modes import Mode
from sklearn_diffake.verdict._evidence import ErrorRate, ModelInfo
from sklearn_diffake.verdict._fingerprint import fingerprint_model


@dataclass(frozen=True, eq=False)
class JudgingModel:
    """The steps of a fitted model, and the facts about it that verdicts name.

    Attributes
    ----------
    pipeline : SplitPipeline
    info : ModelInfo
    few_pairs : str or None
        The warning if its threshold rests on few pairs.
    stated_mode : {"reference", "same-video"} or None
        As the model declares it.
    """

    pipeline: SplitPipeline
    info: ModelInfo
    few_pairs: str | None
    stated_mode: Mode | None

    @property
    def mode(self) -> Mode:
        """In which it judges: in reference mode unless it states the other one."""
        return self.stated_mode or "reference"

    def check_mode(self, expected: Mode) -> None:
        """Raise a ModeError if it must not judge in a mode, a ValueError if it cannot."""
        refuse_other(self.stated_mode, expected, unstated=expected == "reference")
        if expected == "reference":
            return
        if self.matches:
            raise ValueError(
                "select='match' takes the faces that are alike on both sides, but in same-video "
                "mode there is one side: set another `select` of the FaceAligner"
            )
        if self.conformal is not None and not self.conformal.category_scores_:
            raise ValueError(
                'a ConformalDetector with method="cv+" has no p-value for the mean over several '
                'pairs of frames, which is the score of a clip: use method="split"'
            )

    @property
    def conformal(self) -> ConformalDetector | None:
        """The detector if it gives p-values."""
        detector = self.pipeline.detector
        return detector if isinstance(detector, ConformalDetector) else None

    def n_calibration(self, k: int, m: int) -> int:
        """Return how many people (or pairs) set the threshold for k references and m probes."""
        detector = self.conformal
        assert detector is not None
        category = detector.category_of(k, m)
        position = np.flatnonzero((detector.categories_ == category).all(axis=1))[0]
        return int(detector.category_n_[position])

    @property
    def matches(self) -> bool:
        """Whether the face of a picture is chosen by comparison with the other side."""
        aligner = self.pipeline.aligner
        return aligner is not None and aligner.select == "match"

    def aligner(self, n_frames: int) -> FaceAligner | None:
        """Return a copy of the aligner that skips unusable images."""
        if self.pipeline.aligner is None:
            return None
        aligner = copy.copy(self.pipeline.aligner)
        aligner.n_frames, aligner.on_missing, aligner.shared = n_frames, "skip", True
        return aligner


PACKAGED_NAMES: dict[Mode, str] = {"reference": "default", "same-video": "same-video"}
_COUNTS = ("n_embedded_", "counts_")  # set by every call
_lock = threading.RLock()
_prepared: WeakKeyDictionary[Any, tuple[list[Any], JudgingModel]] = WeakKeyDictionary()


def prepare_model(model: Any) -> JudgingModel:
    """Split a model into its steps and fingerprint it, unless that is done already.

    Parameters
    ----------
    model : Pipeline, search, str, Path or None
        Fitted; a file that `persistence.save` wrote; None is the model of the package.

    Returns
    -------
    JudgingModel
        The one of an earlier call if nothing was set or fitted since.

    Raises
    ------
    TypeError
        If it is none of these, or embeds faces by other means than `FaceEmbedder`.
    NotFittedError
        If it is not fitted.
    """
    if isinstance(model, JudgingModel):
        return model
    if model is None:
        return packaged_model("reference")
    if isinstance(model, (str, os.PathLike)):
        from sklearn_diffake.persistence import load

        return _prepare(load(model), os.path.basename(os.fsdecode(model)))
    if not hasattr(model, "get_params"):
        raise TypeError(
            "model must be a fitted pipeline such as load_default() gives, a file of one, or "
            f"None, got {type(model).__name__}"
        )
    with _lock:
        state = _state(model)
        cached = _prepared.get(model)
        if cached is not None and _unchanged(cached[0], state):
            return cached[1]
        prepared = _prepare(model, None)
        _prepared[model] = state, prepared
        return prepared


@functools.cache
def packaged_model(mode: Mode) -> JudgingModel:
    """Return the model of the package for a mode.

    Parameters
    ----------
    mode : {"reference", "same-video"}

    Returns
    -------
    JudgingModel
    """
    from sklearn_diffake.pipeline import load_default

    return _prepare(load_default(mode=mode), PACKAGED_NAMES[mode])


def _prepare(model: Any, name: str | None) -> JudgingModel:
    pipeline = split_pipeline(model, stores=True)
    if not pipeline.branches:
        step = type(pipeline.scoring_steps[0]).__name__
        raise TypeError(
            f"the model embeds faces by a {step}: verdicts need a FaceEmbedder, or a FeatureUnion "
            "of these, whose embeddings they can pool"
        )
    fingerprint = fingerprint_model([pipeline.aligner, *pipeline.scoring_steps])
    conformal = isinstance(pipeline.detector, ConformalDetector)
    info = ModelInfo(
        name=name or packaged_name(fingerprint) or "custom",
        fingerprint=fingerprint,
        networks=tuple(branch.embedder.backbone_info_["name"] for branch in pipeline.branches),
        target_bpcer=float(pipeline.detector.target_bpcer) if conformal else None,
        n_calibration=int(pipeline.detector.n_calibration_) if conformal else None,
        error_rates=error_rates_of(fingerprint),
    )
    return JudgingModel(pipeline, info, threshold_warning(pipeline.detector), mode_of(model))


def _state(model: Any) -> list[Any]:
    """Return the attributes of all estimators in a model, but not the model itself."""
    return [
        value
        for estimator in estimators(model)
        for name, value in vars(estimator).items()
        if name not in _COUNTS
    ]


def _unchanged(old: list[Any], new: list[Any]) -> bool:
    return len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))


def error_rates_of(fingerprint: str) -> tuple[ErrorRate, ...]:
    """Return the error rates that were measured of a model.

    Parameters
    ----------
    fingerprint : str
        Of the model.

    Returns
    -------
    tuple of ErrorRate
        Empty for a model that was not measured.
    """
    model = _measured_models().get(fingerprint)
    return () if model is None else tuple(ErrorRate(**rate) for rate in model["rates"])


def packaged_name(fingerprint: str) -> str | None:
    """Return the name of a model that comes with the package; None for any other."""
    model = _measured_models().get(fingerprint)
    return None if model is None else str(model["name"])


@functools.cache
def _measured_models() -> dict[str, dict[str, Any]]:
    """Read ``data/error_rates.json``.

    It holds an object with ``models``: a list of objects with ``name``, ``fingerprint`` and
    ``rates``, a list of objects with the fields of `ErrorRate`.
    """
    file = resources.files("sklearn_diffake") / "data" / "error_rates.json"
    models = json.loads(file.read_text(encoding="utf-8"))["models"]
    return {model["fingerprint"]: model for model in models}
