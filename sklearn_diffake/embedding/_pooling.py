"""Pool the embeddings of the pictures of a template."""

from __future__ import annotations

import numpy as np

from sklearn_diffake.images.table import ImageTable
from sklearn_diffake.utils._arrays import unit_rows


def pool_templates(embeddings: np.ndarray, table: ImageTable) -> np.ndarray:
    """Return one embedding for each template of a table.

    Parameters
    ----------
    embeddings : ndarray of shape (n_sources, d), float32
        Those of single pictures.
    table : ImageTable

    Returns
    -------
    ndarray of shape (n_templates, d), float32
        For a template of one picture its embedding; for others the mean of the unit vectors, times
        the mean of the lengths; for ``d == 1``, where a unit vector would only say the sign, the
        plain mean. Pictures without an embedding (NaN) are left out.
    """
    n_sources = len(table.sources)
    pooled = np.empty((table.n_templates, embeddings.shape[1]), dtype=embeddings.dtype)
    pooled[:n_sources] = embeddings
    for number in range(n_sources, table.n_templates):
        pooled[number] = pool_embeddings(embeddings[table.template(number)])
    return pooled


def pool_embeddings(embeddings: np.ndarray) -> np.ndarray:
    """Return one embedding for several of one person.

    Parameters
    ----------
    embeddings : ndarray of shape (m, d), float

    Returns
    -------
    ndarray of shape (d,), float64
        The mean of the unit vectors, times the mean of the lengths; for ``d == 1``, where a unit
        vector would only say the sign, the plain mean. Rows with NaN or infinity are left out;
        NaN if none remains.
    """
    rows = embeddings.astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return np.full(rows.shape[1], np.nan)
    if rows.shape[1] == 1:
        return np.asarray(rows.mean(axis=0))
    units, lengths = unit_rows(rows)
    return np.asarray(units.mean(axis=0) * lengths.mean())
