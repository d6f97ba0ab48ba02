"""Genuine pairs of templates, and their scores, on which a calibration rests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from ..base import missing_rows
from ..images.errors import ImageError
from ..images.table import ImageTable, image_table
from ..inspection._parts import SplitPipeline, transformed
from ..novelty._p_values import SINGLE
from ._random_templates import Pool
from ._sources import EmbeddedSources, Template, embed_sources, score_templates

#: Numbers of images for which templates are formed.
N_REFERENCES = (1, 2, 3, 5)
N_PROBES = (1, 2, 4)
_SAME = "the same picture is on both sides"


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


class Templates:
    """Pairs of pictures, embedded, from which pairs of templates are formed.

    Parameters
    ----------
    parts : Parts
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
        parts: SplitPipeline,
        pairs: Any,
        rows: NDArray[np.intp],
        codes: NDArray[np.int64],
        verbose: int,
    ) -> None:
        self.parts = parts
        self.table = _pair_table(pairs)
        members = [self._members(row) for row in rows.tolist()]
        sources = sorted({source for pair in members for cell in pair for source in cell})
        self.embedded: EmbeddedSources = embed_sources(parts, self.table, sources, verbose=verbose)
        self.left_out_rows: dict[int, str] = {}
        first = self.embedded.distinct()
        usable = [source for source in sources if source not in self.embedded.reasons]
        self.n_pictures = len(np.unique(first[usable]))
        self.pairs: list[Template] = []
        self.codes: list[int] = []
        for row, code, pair in zip(rows.tolist(), codes.tolist(), members, strict=True):
            used = [
                list(dict.fromkeys(int(first[s]) for s in cell if s not in self.embedded.reasons))
                for cell in pair
            ]
            if (reason := self._reason(pair, used)) is not None:
                self.left_out_rows[row] = reason
                continue
            self.pairs.append((used[0], used[1]))
            self.codes.append(code)

    def _members(self, row: int) -> list[list[int]]:
        return [self.table.template(int(t)).tolist() for t in self.table.index[row]]

    def _reason(self, pair: list[list[int]], used: list[list[int]]) -> str | None:
        """Return why a pair cannot be used, with column and file; None if it can."""
        for column, (cell, usable) in enumerate(zip(pair, used, strict=True)):
            if not usable:
                path = self.table.location(cell[0])["path"]
                message = self.embedded.reasons[cell[0]]
                return str(ImageError(message, column=column, path=path))
        return _SAME if not Pool(*used).allows(1, 1) else None

    def evidence(
        self,
        interchangeable: bool,
        limits: tuple[int, int],
        least: int,
        n_draws: int,
        rng: RandomState,
    ) -> Evidence:
        """Form pairs of templates in every category that enough people allow, and score them."""
        pools = self._pools(interchangeable)
        formed, codes, n_images = self._single_pairs(pools, n_draws, rng)
        for k, m in _categories(limits):
            people = [code for code, pool in pools.items() if pool.allows(k, m)]
            if len(people) < least:
                continue
            for code in people:
                formed += [pools[code].draw(k, m, rng) for _ in range(n_draws)]
                codes += [code] * n_draws
                n_images += [(k, m)] * n_draws
        places = {self.table.name(s): reason for s, reason in self.embedded.reasons.items()}
        return Evidence(
            score_templates(self.parts, self.embedded, formed),
            np.array(codes, dtype=np.int64),
            np.array(n_images, dtype=np.int64).reshape(-1, 2),
            self.n_pictures,
            self.left_out_rows,
            places,
        )

    def _pools(self, interchangeable: bool) -> dict[int, Pool]:
        """Return the distinct pictures of each person."""
        sides: dict[int, tuple[dict[int, None], dict[int, None]]] = {}
        for code, pair in zip(self.codes, self.pairs, strict=True):
            own = sides.setdefault(code, ({}, {}))
            for pictures, side in zip(pair, own, strict=True):
                side.update(dict.fromkeys(pictures))
        if interchangeable:
            sides = {code: (own[0] | own[1],) * 2 for code, own in sides.items()}
        return {code: Pool(list(own[0]), list(own[1])) for code, own in sides.items()}

    def _single_pairs(
        self, pools: dict[int, Pool], n_draws: int, rng: RandomState
    ) -> tuple[list[Template], list[int], list[tuple[int, int]]]:
        """Return the pairs of single images as they were given; of others draw some."""
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
    parts: SplitPipeline, pairs: Any, rows: NDArray[np.intp], codes: NDArray[np.int64]
) -> Evidence:
    """Score genuine rows as they are: of a model without a `FaceEmbedder` of this package."""
    X, left_out = _safe_indexing(pairs, rows), {}
    if parts.aligner is not None:
        if _pair_table(X).offsets is not None:
            raise ValueError(
                "pairs holds templates of several pictures, which only models with a FaceEmbedder "
                "are calibrated for: give one picture a side"
            )
        faces = parts.aligner.align(X, errors="return")
        X = faces.crops
        left_out = {i: reason for i, reason in enumerate(faces.row_reasons) if reason is not None}
    usable = np.array([i not in left_out for i in range(len(rows))], dtype=bool)
    features = transformed(parts.scoring_steps[:-1], _safe_indexing(X, np.flatnonzero(usable)))
    missing = missing_rows(features)
    for i in np.flatnonzero(usable)[missing].tolist():
        left_out[i] = "no usable face"
    usable[usable] = ~missing
    scores = parts.score(_safe_indexing(features, np.flatnonzero(~missing)))
    if not np.isfinite(scores).all():
        row = int(rows[usable][~np.isfinite(scores)][0])
        raise ValueError(f"the model gives the genuine row {row} a score that is not finite")
    n_images = np.ones((len(scores), 2), dtype=np.int64)
    named = {int(rows[i]): reason for i, reason in sorted(left_out.items())}
    return Evidence(scores, codes[usable], n_images, left_out_rows=named)
