"""Genuine pairs of templates, and their scores, on which a calibration rests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from sklearn_diffake.base import missing_rows
from sklearn_diffake.images.errors import ImageError
from sklearn_diffake.images.table import ImageTable, image_table
from sklearn_diffake.inspection._split_pipeline import SplitPipeline, transformed
from sklearn_diffake.novelty._p_values import SINGLE
from sklearn_diffake.utils._sklearn_compat import _safe_indexing
from sklearn_diffake.verdict._calibration_sources import (
    EmbeddedSources,
    SourcePair,
    embed_sources,
    score_pairs,
)

#: Numbers of images for which templates are formed.
N_REFERENCES = (1, 2, 3, 5)
N_PROBES = (1, 2, 4)
_ON_BOTH_SIDES = "the same picture is on both sides"


@dataclass
class Evidence:
    """Scores of genuine pairs of templates.

    Attributes
    ----------
    scores : ndarray of shape (n,)
    codes : ndarray of shape (n,), int64
        Person of each.
    n_images : ndarray of shape (n, 2), int64
        Reference and probe images of each.
    n_pictures : int
        Distinct pictures used.
    left_out_rows : dict of int to str
    left_out_pictures : dict of str to str
    """

    scores: NDArray[np.float64]
    codes: NDArray[np.int64]
    n_images: NDArray[np.int64]
    n_pictures: int = 0
    left_out_rows: dict[int, str] = field(default_factory=dict)
    left_out_pictures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pool:
    """Distinct pictures of one person.

    Attributes
    ----------
    references, probes : list of int
        Those that may be on each side; a picture may be on both.
    """

    references: list[int]
    probes: list[int]

    def allows(self, k: int, m: int) -> bool:
        """Return whether k references and m probes can be taken, no picture on both sides."""
        return (
            len(self.references) >= k
            and len(self.probes) >= m
            and len({*self.references, *self.probes}) >= k + m
        )

    def draw(self, k: int, m: int, rng: RandomState) -> SourcePair:
        """Draw k references and m probes, no picture on both sides.

        Parameters
        ----------
        k, m : int
            Such that :meth:`allows` them.
        rng : RandomState

        Returns
        -------
        references, probes : list of int
        """
        spare = len(self.probes) - m  # pictures that the references may take from the probes
        on_both_sides = set(self.references) & set(self.probes)
        references: list[int] = []
        for picture in rng.permutation(self.references).tolist():
            if len(references) == k:
                break
            if picture in on_both_sides and not spare:
                continue
            spare -= picture in on_both_sides
            references.append(picture)
        remaining = [picture for picture in self.probes if picture not in references]
        return references, rng.permutation(remaining)[:m].tolist()


class Templates:
    """Pairs of pictures, embedded, from which pairs of templates are formed.

    Parameters
    ----------
    split : SplitPipeline
        Of the pipeline.
    pairs : table of n pairs
    rows : ndarray of int
        Those that are genuine.
    codes : ndarray of the same length, int64
        Person of each of them.
    verbose : int
    """

    def __init__(
        self,
        split: SplitPipeline,
        pairs: Any,
        rows: NDArray[np.intp],
        codes: NDArray[np.int64],
        verbose: int,
    ) -> None:
        self.split = split
        self.table = _pair_table(pairs)
        members = [self._members(row) for row in rows.tolist()]
        sources = sorted({source for pair in members for cell in pair for source in cell})
        self.embedded: EmbeddedSources = embed_sources(split, self.table, sources, verbose=verbose)
        self.left_out_rows: dict[int, str] = {}
        first = self.embedded.distinct()
        usable = [source for source in sources if source not in self.embedded.reasons]
        self.n_pictures = len(np.unique(first[usable]))
        self.pairs: list[SourcePair] = []
        self.codes: list[int] = []
        for row, code, pair in zip(rows.tolist(), codes.tolist(), members, strict=True):
            distinct = [
                list(dict.fromkeys(int(first[s]) for s in cell if s not in self.embedded.reasons))
                for cell in pair
            ]
            if (reason := self._reason(pair, distinct)) is not None:
                self.left_out_rows[row] = reason
                continue
            self.pairs.append((distinct[0], distinct[1]))
            self.codes.append(code)

    def _members(self, row: int) -> list[list[int]]:
        return [self.table.template(int(t)).tolist() for t in self.table.index[row]]

    def _reason(self, pair: list[list[int]], distinct: list[list[int]]) -> str | None:
        """Return why a pair cannot be used, with column and file; None if it can."""
        for column, (cell, usable) in enumerate(zip(pair, distinct, strict=True)):
            if not usable:
                path = self.table.location(cell[0])["path"]
                message = self.embedded.reasons[cell[0]]
                return str(ImageError(message, column=column, path=path))
        return _ON_BOTH_SIDES if not Pool(*distinct).allows(1, 1) else None

    def evidence(
        self,
        interchangeable: bool,
        limits: tuple[int, int],
        min_people: int,
        n_draws: int,
        rng: RandomState,
    ) -> Evidence:
        """Form pairs of templates in every category that enough people allow, and score them."""
        pools = self._pools(interchangeable)
        formed, codes, n_images = self._single_pairs(pools, n_draws, rng)
        for k, m in _categories(limits):
            people = [code for code, pool in pools.items() if pool.allows(k, m)]
            if len(people) < min_people:
                continue
            for code in people:
                formed += [pools[code].draw(k, m, rng) for _ in range(n_draws)]
                codes += [code] * n_draws
                n_images += [(k, m)] * n_draws
        return Evidence(
            score_pairs(self.split, self.embedded, formed),
            np.array(codes, dtype=np.int64),
            np.array(n_images, dtype=np.int64).reshape(-1, 2),
            self.n_pictures,
            self.left_out_rows,
            {self.table.name(s): reason for s, reason in self.embedded.reasons.items()},
        )

    def _pools(self, interchangeable: bool) -> dict[int, Pool]:
        """Return the distinct pictures of each person."""
        sides: dict[int, tuple[dict[int, None], dict[int, None]]] = {}
        for code, pair in zip(self.codes, self.pairs, strict=True):
            sides_of_person = sides.setdefault(code, ({}, {}))
            for pictures, side in zip(pair, sides_of_person, strict=True):
                side.update(dict.fromkeys(pictures))
        if interchangeable:
            sides = {code: (first | second,) * 2 for code, (first, second) in sides.items()}
        return {code: Pool(list(first), list(second)) for code, (first, second) in sides.items()}

    def _single_pairs(
        self, pools: dict[int, Pool], n_draws: int, rng: RandomState
    ) -> tuple[list[SourcePair], list[int], list[tuple[int, int]]]:
        """Return the pairs of single images of `pairs`, and random ones of people who have none."""
        formed, codes = [], []
        for code, pair in zip(self.codes, self.pairs, strict=True):
            if len(pair[0]) == len(pair[1]) == 1:
                formed.append(pair)
                codes.append(code)
        for code in sorted(set(pools) - set(codes)):
            formed += [pools[code].draw(*SINGLE, rng) for _ in range(n_draws)]
            codes += [code] * n_draws
        return formed, codes, [SINGLE] * len(codes)


def _categories(limits: tuple[int, int]) -> Iterable[tuple[int, int]]:
    """Return the numbers of references and probes to calibrate, besides (1, 1)."""
    for k in N_REFERENCES:
        for m in N_PROBES:
            if (k, m) != SINGLE and k <= limits[0] and m <= limits[1]:
                yield k, m


def _pair_table(pairs: Any) -> ImageTable:
    table = image_table(pairs, templates=True)
    if not table.is_pairs:
        raise ImageError("pairs are single pictures; one pair is written [(reference, probe)]")
    return table


def plain_evidence(
    split: SplitPipeline, pairs: Any, rows: NDArray[np.intp], codes: NDArray[np.int64]
) -> Evidence:
    """Score genuine rows as they are: of a model without a `FaceEmbedder` of this package."""
    X, reasons = _safe_indexing(pairs, rows), {}
    if split.aligner is not None:
        if _pair_table(X).offsets is not None:
            raise ValueError(
                "pairs holds templates of several pictures, which only models with a FaceEmbedder "
                "are calibrated for: give one picture a side"
            )
        faces = split.aligner.align(X, errors="return")
        X = faces.crops
        reasons = {i: reason for i, reason in enumerate(faces.row_reasons) if reason is not None}
    usable = np.array([i not in reasons for i in range(len(rows))], dtype=bool)
    features = transformed(split.scoring_steps[:-1], _safe_indexing(X, np.flatnonzero(usable)))
    missing = missing_rows(features)
    for i in np.flatnonzero(usable)[missing].tolist():
        reasons[i] = "no usable face"
    usable[usable] = ~missing
    scores = split.score(_safe_indexing(features, np.flatnonzero(~missing)))
    if not np.isfinite(scores).all():
        row = int(rows[usable][~np.isfinite(scores)][0])
        raise ValueError(f"the model gives the genuine row {row} a score that is not finite")
    n_images = np.ones((len(scores), 2), dtype=np.int64)
    left_out_rows = {int(rows[i]): reason for i, reason in sorted(reasons.items())}
    return Evidence(scores, codes[usable], n_images, left_out_rows=left_out_rows)
