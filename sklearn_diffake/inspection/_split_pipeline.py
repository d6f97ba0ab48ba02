"""Split a fitted pipeline into aligner, embedders and detector."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.images.table import image_table
from sklearn_diffake.utils._estimators import active_steps

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Branch:
    """One embedder, and the steps that compute features of its embeddings.

    Attributes
    ----------
    name : str
        Name in the `FeatureUnion`; ``"embed"`` if there is only one embedder.
    embedder : FaceEmbedder
        Fitted.
    tail : list of estimators
        Transformers between the embedder and the concatenation with other branches.
    weight : float
        Weight in the `FeatureUnion`.
    """

    name: str
    embedder: FaceEmbedder
    tail: list[Any]
    weight: float = 1.0

    def features(self, embeddings: NDArray) -> Any:
        """Compute features (n, k) of pairs of embeddings (n, 2, d)."""
        rows = transformed(self.tail, embeddings)
        return rows if self.weight == 1.0 else rows * self.weight

    def embed_each(self, crops: Sequence[Pixels]) -> tuple[NDArray, dict[int, str]]:
        """Embed crops; the failure of a crop does not affect the others.

        Parameters
        ----------
        crops : sequence of n ndarrays of shape (H, W, 3), uint8

        Returns
        -------
        embeddings : ndarray of shape (n, d), float32
        reasons : dict of int to str
            Why a crop has no embedding, by its position.
        """
        if not crops:
            return np.empty((0, self.embedder.backbone_info_["width"]), np.float32), {}
        table = image_table(list(crops))
        results = self.embedder._embed_pictures(table, errors="return")
        failed = {source: error.message for source, error in results.errors.items()}
        results.values[list(failed)] = np.nan
        reasons = {i: failed[k] for i, k in enumerate(table.index.tolist()) if k in failed}
        return results.values[table.index], reasons


@dataclass(frozen=True)
class SplitPipeline:
    """The steps of a fitted pipeline, without progress bars.

    Attributes
    ----------
    aligner : FaceAligner or None
        Cuts crops from photographs; None if the photographs are the crops.
    scoring_steps : list of estimators
        All steps from pairs of crops to a score: transformers and, last, the detector.
    branches : list of Branch
        The embedders in these steps; empty if they are not of this package.
    detection_steps : list of estimators
        All steps from the concatenated features of the branches to a score; the last is the
        detector.
    """

    aligner: FaceAligner | None
    scoring_steps: list[Any]
    branches: list[Branch]
    detection_steps: list[Any]

    @property
    def detector(self) -> Any:
        """The last step."""
        return self.scoring_steps[-1]

    def without_stores(self) -> SplitPipeline:
        """Return a copy whose embedders store nothing, for crops that are not photographs."""
        scoring_steps = [_silent(step, stores=False) for step in self.scoring_steps]
        branches = _branches(self.branches[0].name, scoring_steps[0]) if self.branches else []
        return replace(
            self,
            scoring_steps=scoring_steps,
            branches=branches,
            detection_steps=scoring_steps[1:] if branches else scoring_steps,
        )

    def rows(self, pairs: Any) -> Any:
        """Compute the input of the detector for a table of pairs of crops."""
        return transformed(self.scoring_steps[:-1], pairs)

    def score(self, rows: Any) -> NDArray[np.float64]:
        """Return the scores of inputs of the detector."""
        score = getattr(self.detector, "score_samples", None) or self.detector.decision_function
        return np.asarray(score(rows), dtype=np.float64)

    def embed(self, pairs: Any) -> list[NDArray]:
        """Embed a table of pairs of crops: for each branch an array of shape (n, 2, d)."""
        return [branch.embedder.transform(pairs) for branch in self.branches]

    def features(self, pairs: Any) -> list[Any]:
        """Compute the features of every branch, (n, k) each, for a table of pairs of crops."""
        return self.features_of(self.embed(pairs))

    def features_of(self, embeddings: Sequence[NDArray]) -> list[Any]:
        """Compute the features of every branch, (n, k) each, of its embeddings (n, 2, d)."""
        return [
            branch.features(pairs) for branch, pairs in zip(self.branches, embeddings, strict=True)
        ]

    def detector_rows(self, embeddings: Sequence[NDArray]) -> Any:
        """Compute the input of the detector, for the embeddings (n, 2, d) of every branch."""
        return self.join(self.features_of(embeddings))

    def join(self, features: Sequence[Any]) -> Any:
        """Concatenate the features of the branches, and compute the input of the detector."""
        rows = features[0]
        if len(features) > 1:
            rows = with_feature_names(
                np.hstack([np.asarray(array) for array in features]), self.detection_steps[0]
            )
        return transformed(self.detection_steps[:-1], rows)


def split_pipeline(pipeline: Any, *, stores: bool = False) -> SplitPipeline:
    """Split a fitted pipeline.

    Parameters
    ----------
    pipeline : Pipeline or search
        Fitted; for a search, its best pipeline.
    stores : bool, default=False
        Whether embedders keep their stores. Crops with hidden regions should not be stored.

    Returns
    -------
    SplitPipeline
        Shallow copies: `pipeline` does not change.

    Raises
    ------
    TypeError
        If it is not a pipeline, or its last step gives no scores.
    NotFittedError
        If its last step is not fitted.
    """
    pipeline = getattr(pipeline, "best_estimator_", pipeline)
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            "the model must be a fitted pipeline such as that of load_default(), got "
            f"{type(pipeline).__name__}"
        )
    steps = [(name, _silent(step, stores)) for name, step in active_steps(pipeline.steps)]
    detector = steps[-1][1]
    if not (hasattr(detector, "score_samples") or hasattr(detector, "decision_function")):
        raise TypeError(
            "the last step of the pipeline must be a detector, got a "
            f"{type(detector).__name__}, which gives no scores"
        )
    check_is_fitted(detector)
    aligner = None
    if isinstance(steps[0][1], FaceAligner):
        aligner = steps.pop(0)[1]
    scoring_steps = [step for _, step in steps]
    branches = _branches(*steps[0])
    return SplitPipeline(
        aligner, scoring_steps, branches, scoring_steps[1:] if branches else scoring_steps
    )


def transformed(steps: Sequence[Any], X: Any) -> Any:
    """Apply fitted transformers in sequence."""
    for step in steps:
        X = step.transform(X)
    return X


def with_feature_names(rows: NDArray, step: Any) -> Any:
    """Return rows with the feature names of a fitted step, if it has any."""
    names = getattr(step, "feature_names_in_", None)
    if names is None:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=names)


def threshold_of(detector: Any, score: float, row: Any) -> float:
    """Return the threshold of a detector; some need one row and its score."""
    offset = getattr(detector, "offset_", None)
    if offset is not None and hasattr(detector, "score_samples"):
        return float(np.ravel(offset)[0])
    if hasattr(detector, "decision_function"):
        return score - float(np.ravel(detector.decision_function(row))[0])
    raise TypeError(f"{type(detector).__name__} has no threshold: no offset_, no decision_function")


def pair_table(pairs: Sequence[tuple[Pixels, Pixels]]) -> NDArray[np.object_]:
    """Return pairs of crops as an object array, in which a crop may occur several times."""
    table = np.empty((len(pairs), 2), dtype=object)
    for row, pair in enumerate(pairs):
        table[row, 0], table[row, 1] = pair
    return table


def _branches(name: str, step: Any) -> list[Branch]:
    """Return the embedders in the step that takes crops; none if it is another kind of step."""
    if isinstance(step, FaceEmbedder):
        return [Branch(name, step, [])]
    if not isinstance(step, FeatureUnion):
        return []
    branches = []
    for name, branch in active_steps(step.transformer_list):
        has_steps = hasattr(branch, "steps")  # "passthrough" is a FunctionTransformer after fit
        inner = [s for _, s in active_steps(branch.steps)] if has_steps else [branch]
        if not isinstance(inner[0], FaceEmbedder):
            return []
        weight = (step.transformer_weights or {}).get(name, 1.0)
        branches.append(Branch(name, inner[0], inner[1:], weight))
    return branches


def _silent(estimator: Any, stores: bool) -> Any:
    """Copy an estimator and its nested ones, without progress bars; without stores by choice.

    Fitted attributes are shared with the original.
    """
    if isinstance(estimator, str) or estimator is None:
        return estimator
    estimator = copy.copy(estimator)
    for field in ("steps", "transformer_list"):
        if hasattr(estimator, field):
            inner = [(name, _silent(step, stores)) for name, step in getattr(estimator, field)]
            setattr(estimator, field, inner)
    if isinstance(estimator, (FaceAligner, FaceEmbedder)):
        estimator.verbose = 0
    if isinstance(estimator, FaceEmbedder) and not stores:
        estimator.cache = None
    return estimator
