"""Every picture and clip of a table of pairs, embedded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.images.table import ImageTable
from sklearn_diffake.inspection._split_pipeline import Branch, SplitPipeline
from sklearn_diffake.utils._batches import batches_of
from sklearn_diffake.utils._progress import progress_bar
from sklearn_diffake.verdict._templates import pool_groups

_BATCH = 256  # sources whose crops are in memory together
_CHUNK = 4096  # pairs of templates that are scored together

#: Sources of the reference, and those of the probe.
SourcePair = tuple[Sequence[int], Sequence[int]]


@dataclass
class EmbeddedSources:
    """Embeddings of pictures and clips; a clip has one, of its frames together.

    Attributes
    ----------
    embeddings : list of ndarray of shape (n_sources, d), float32
        One array for each branch of the pipeline; NaN for sources without a usable face.
    reasons : dict of int to str
        Why a source is not used.
    """

    embeddings: list[NDArray[np.float32]]
    reasons: dict[int, str] = field(default_factory=dict)

    def distinct(self) -> NDArray[np.int64]:
        """Return for each source the first one that shows the same picture.

        Returns
        -------
        first : ndarray of shape (n_sources,), int64
        """
        first: dict[bytes, int] = {}
        rows = np.hstack(self.embeddings)
        return np.array([first.setdefault(row.tobytes(), i) for i, row in enumerate(rows)])


def embed_sources(
    split: SplitPipeline, table: ImageTable, sources: Sequence[int], *, verbose: int
) -> EmbeddedSources:
    """Align and embed sources of a table of pairs.

    Parameters
    ----------
    split : SplitPipeline
        Of a fitted pipeline, with branches.
    table : ImageTable
        Of pairs.
    sources : sequence of int
        Positions in ``table.sources``; no others are read.
    verbose : int
        Whether to show a progress bar.

    Returns
    -------
    EmbeddedSources
    """
    n = len(table.sources)
    widths = [branch.embedder.backbone_info_["width"] for branch in split.branches]
    result = EmbeddedSources([np.full((n, width), np.nan, np.float32) for width in widths])
    partners = _partners(table) if split.aligner and split.aligner.select == "match" else None
    with progress_bar(total=len(sources), desc="embedding", unit="source", verbose=verbose) as bar:
        for numbers in batches_of(sources, _BATCH):
            crops = _crops(split.aligner, table, numbers, partners, result.reasons)
            numbers_with_crops = [number for number in numbers if number in crops]
            for branch, embeddings in zip(split.branches, result.embeddings, strict=True):
                _embed(branch, crops, numbers_with_crops, embeddings, result.reasons)
            bar.update(len(numbers))
    for embeddings in result.embeddings:
        embeddings[list(result.reasons)] = np.nan
    return result


def score_pairs(
    split: SplitPipeline, embedded: EmbeddedSources, pairs: Sequence[SourcePair]
) -> NDArray[np.float64]:
    """Score pairs of templates, given the embeddings of their sources.

    Parameters
    ----------
    split : SplitPipeline
        Of the pipeline.
    embedded : EmbeddedSources
    pairs : sequence of (sequence of int, sequence of int)
        Sources of the reference, and of the probe, of each pair.

    Returns
    -------
    scores : ndarray of shape (n,), float64
    """
    scores = [np.empty(0)]
    for batch in batches_of(pairs, _CHUNK):
        cells = [cell for pair in batch for cell in pair]
        pooled = [pool_groups(embeddings, cells) for embeddings in embedded.embeddings]
        embeddings = [vectors.reshape(-1, 2, vectors.shape[1]) for vectors in pooled]
        scores.append(split.score(split.detector_rows(embeddings)))
    return np.concatenate(scores)


def _partners(table: ImageTable) -> dict[int, int]:
    """Return for each source one of the other side of the first row that it stands in."""
    partners: dict[int, int] = {}
    for row in table.index.tolist():
        cells = [table.template(template).tolist() for template in row]
        for cell, opposite in (cells, cells[::-1]):
            for source in cell:
                partners.setdefault(source, opposite[0])
    return partners


def _crops(
    aligner: FaceAligner | None,
    table: ImageTable,
    numbers: Sequence[int],
    partners: dict[int, int] | None,
    reasons: dict[int, str],
) -> dict[int, list[Any]]:
    """Return the crops of sources, of a clip one for each frame; note why a source has none."""
    pictures = [table.sources[number] for number in numbers]
    if aligner is None:
        return {number: [picture] for number, picture in zip(numbers, pictures, strict=True)}
    X: list[Any] = pictures
    if partners is not None:
        opposite = (table.sources[partners[number]] for number in numbers)
        X = list(zip(pictures, opposite, strict=True))
    faces = aligner.align(X, errors="return")
    cells, missing = list(faces.crops), faces.is_missing
    if partners is not None:
        cells, missing = [cell[0] for cell in cells], missing[:, 0]
    crops = {}
    for row, (number, cell) in enumerate(zip(numbers, cells, strict=True)):
        if missing[row]:
            lines = (faces.row == row) & (faces.column == 0)
            reasons[number] = faces.reason[lines][0]
        else:
            crops[number] = cell if isinstance(cell, list) else [cell]
    return crops


def _embed(
    branch: Branch,
    crops: dict[int, list[Any]],
    numbers: Sequence[int],
    embeddings: NDArray[np.float32],
    reasons: dict[int, str],
) -> None:
    """Fill in the embeddings of sources; note why a source has none."""
    if not numbers:
        return
    flat = [crop for number in numbers for crop in crops[number]]
    values, failed = branch.embed_each(flat)
    ends = np.cumsum([len(crops[number]) for number in numbers])
    members = np.split(np.arange(len(flat)), ends[:-1])
    embeddings[numbers] = pool_groups(values, members)
    for number, cell in zip(numbers, members, strict=True):
        if all(position in failed for position in cell.tolist()):
            reasons[number] = failed[int(cell[0])]
