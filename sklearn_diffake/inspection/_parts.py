"""A fitted pipeline taken apart: what aligns, what embeds, what judges."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils.validation import check_is_fitted

from ..embedding import FaceEmbedder
from ..faces import FaceAligner
from ..images.table import image_table

Image = NDArray[np.uint8]
Rows = NDArray[np.float64]
PASSED = (None, "passthrough", "drop")


@dataclass(frozen=True)
class Branch:
    """One embedder, and what makes features of its embeddings.

    Attributes
    ----------
    name : str
        Of the branch in its `FeatureUnion`; ``"embed"`` where there is one embedder only.
    embedder : FaceEmbedder
        Fitted.
    tail : list of estimators
        Transformers between the embedder and the join with other branches.
    weight : float
        Of the branch in its `FeatureUnion`.
    """

    name: str
    embedder: FaceEmbedder
    tail: list[Any]
    weight: float = 1.0

    def features(self, embeddings: NDArray) -> Any:
        """Turn pairs of embeddings (n, 2, d) into what the head is given (n, k)."""
        made = transformed(self.tail, embeddings)
        return made if self.weight == 1.0 else made * self.weight

    def embed_each(self, crops: Sequence[Image]) -> tuple[NDArray, dict[int, str]]:
        """Embed crops one by one, whatever becomes of the others.

        Parameters
        ----------
        crops : sequence of n ndarrays of shape (H, W, 3), uint8

        Returns
        -------
        embeddings : ndarray of shape (n, d), float32
        reasons : dict of int to str
            Why a crop has none, by its position.
        """
        table = image_table(list(crops))
        results = self.embedder._embed_pictures(table, errors="return")
        failed = {source: error.message for source, error in results.errors.items()}
        results.values[list(failed)] = np.nan
        reasons = {i: failed[k] for i, k in enumerate(table.index.tolist()) if k in failed}
        return results.values[table.index], reasons


@dataclass(frozen=True)
class Parts:
    """A fitted pipeline, taken apart; its progress bars are silenced.

    Attributes
    ----------
    aligner : FaceAligner or None
        Turns photographs into crops; None where the photographs are the crops.
    rest : list of estimators
        From pairs of crops to a score: transformers and, last, the detector.
    branches : list of Branch
        The embedders among them; empty where they are not of this package.
    head : list of estimators
        From the joined features of the branches to a score; its last is the detector.
    """

    aligner: FaceAligner | None
    rest: list[Any]
    branches: list[Branch]
    head: list[Any]

    @property
    def detector(self) -> Any:
        """The last step."""
        return self.rest[-1]

    def without_stores(self) -> Parts:
        """Return a copy whose embedders keep nothing: for crops that are no photographs."""
        rest = [_silent(step, stores=False) for step in self.rest]
        branches = _branches(self.branches[0].name, rest[0]) if self.branches else []
        return replace(self, rest=rest, branches=branches, head=rest[1:] if branches else rest)

    def rows(self, pairs: Any) -> Any:
        """Turn a table of pairs of crops into what the detector is given."""
        return transformed(self.rest[:-1], pairs)

    def score(self, rows: Any) -> Rows:
        """Score what the detector is given."""
        score = getattr(self.detector, "score_samples", None) or self.detector.decision_function
        return np.asarray(score(rows), dtype=np.float64)

    def embed(self, pairs: Any) -> list[NDArray]:
        """Embed a table of pairs of crops: for each branch an array of shape (n, 2, d)."""
        return [branch.embedder.transform(pairs) for branch in self.branches]

    def features(self, pairs: Any) -> list[Any]:
        """Turn a table of pairs of crops into the features of every branch, (n, k) each."""
        return self.features_of(self.embed(pairs))

    def features_of(self, embeddings: Sequence[NDArray]) -> list[Any]:
        """Turn pairs of embeddings, (n, 2, d) for each branch, into its features, (n, k) each."""
        return [
            branch.features(pairs) for branch, pairs in zip(self.branches, embeddings, strict=True)
        ]

    def join(self, features: Sequence[Any]) -> Any:
        """Put the features of the branches side by side, and turn them into the detector's rows."""
        joined = features[0]
        if len(features) > 1:
            joined = named(np.hstack([np.asarray(part) for part in features]), self.head[0])
        return transformed(self.head[:-1], joined)


def take_apart(pipeline: Any, *, stores: bool = False) -> Parts:
    """Take a fitted pipeline apart.

    Parameters
    ----------
    pipeline : Pipeline or search
        Fitted; of a search the best pipeline is taken.
    stores : bool, default=False
        Leave the embedders their stores. A store is no place for photographs with holes.

    Returns
    -------
    Parts
        Shallow copies: nothing of `pipeline` is changed.

    Raises
    ------
    TypeError
        If it is no pipeline, or its last step gives no scores.
    NotFittedError
        If its last step is not fitted.
    """
    pipeline = getattr(pipeline, "best_estimator_", pipeline)
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"expected a fitted pipeline such as load_default() gives, got "
            f"{type(pipeline).__name__}"
        )
    steps = [(name, _silent(step, stores)) for name, step in pipeline.steps if step not in PASSED]
    detector = steps[-1][1]
    if not (hasattr(detector, "score_samples") or hasattr(detector, "decision_function")):
        raise TypeError(
            f"the last step of the pipeline is a {type(detector).__name__}, which gives no scores: "
            "expected a detector"
        )
    check_is_fitted(detector)
    aligner = None
    if isinstance(steps[0][1], FaceAligner):
        aligner = steps.pop(0)[1]
    rest = [step for _, step in steps]
    branches = _branches(*steps[0])
    return Parts(aligner, rest, branches, rest[1:] if branches else rest)


def transformed(steps: Sequence[Any], X: Any) -> Any:
    """Apply fitted transformers one after another."""
    for step in steps:
        X = step.transform(X)
    return X


def named(rows: NDArray, step: Any) -> Any:
    """Give columns the names by which a fitted step knows them, if it does."""
    names = getattr(step, "feature_names_in_", None)
    if names is None:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=names)


def threshold_of(detector: Any, score: float, row: Any) -> float:
    """Return the score below which a detector says deepfake, given one row and its score."""
    offset = getattr(detector, "offset_", None)
    if offset is not None and hasattr(detector, "score_samples"):
        return float(np.ravel(offset)[0])
    if hasattr(detector, "decision_function"):
        return score - float(np.ravel(detector.decision_function(row))[0])
    raise TypeError(f"{type(detector).__name__} has no threshold: no offset_, no decision_function")


def pair_table(pairs: Sequence[tuple[Image, Image]]) -> NDArray[np.object_]:
    """Put pairs of crops into an object array, in which the same crop may occur often."""
    table = np.empty((len(pairs), 2), dtype=object)
    for row, pair in enumerate(pairs):
        table[row, 0], table[row, 1] = pair
    return table


def _branches(name: str, step: Any) -> list[Branch]:
    """Find the embedders in the step that takes crops; none if it is of another kind."""
    if isinstance(step, FaceEmbedder):
        return [Branch(name, step, [])]
    if not isinstance(step, FeatureUnion):
        return []
    branches = []
    for name, part in step.transformer_list:
        if part == "drop":  # what is passed through is a FunctionTransformer after fit
            continue
        inner = [s for _, s in part.steps if s not in PASSED] if hasattr(part, "steps") else [part]
        if not isinstance(inner[0], FaceEmbedder):
            return []
        weight = (step.transformer_weights or {}).get(name, 1.0)
        branches.append(Branch(name, inner[0], inner[1:], weight))
    return branches


def _silent(part: Any, stores: bool) -> Any:
    """Copy an estimator, and those within it, without progress bar and perhaps without store.

    What is fitted is shared with the original.
    """
    if isinstance(part, str) or part is None:
        return part
    part = copy.copy(part)
    for field in ("steps", "transformer_list"):
        if hasattr(part, field):
            inner = [(name, _silent(step, stores)) for name, step in getattr(part, field)]
            setattr(part, field, inner)
    if isinstance(part, (FaceAligner, FaceEmbedder)):
        part.verbose = 0
    if isinstance(part, FaceEmbedder) and not stores:
        part.cache = None
    return part
