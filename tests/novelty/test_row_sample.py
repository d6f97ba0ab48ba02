"""A random sample of rows that come in chunks."""

import numpy as np
import pytest
from scipy.stats import kstest

from sklearn_diffake.novelty._row_sample import RowSample

NUMBERS = np.arange(5000.0)[:, np.newaxis]


def sample(X, max_rows, n_chunks):
    row_sample = RowSample(max_rows)
    for chunk in np.array_split(X, n_chunks):
        row_sample.partial_fit(chunk)
    return row_sample


@pytest.mark.parametrize("n_chunks", [1, 3, 50])
def test_all_rows_are_kept_as_long_as_they_fit(n_chunks):
    np.testing.assert_array_equal(sample(NUMBERS, 5000, n_chunks).rows_, NUMBERS)


def test_chunks_make_no_difference():
    samples = [sample(NUMBERS, 300, n_chunks).rows_ for n_chunks in (1, 2, 17, 5000)]
    assert samples[0].shape == (300, 1)
    for rows in samples[1:]:
        np.testing.assert_array_equal(rows, samples[0])


def test_rows_are_drawn_evenly_and_stay_in_order():
    sampled = sample(NUMBERS, 1000, 10).rows_[:, 0]
    assert (np.diff(sampled) > 0).all()
    assert kstest(sampled / 5000, "uniform").pvalue > 0.01


def test_rows_are_copied():
    X = NUMBERS.copy()
    row_sample = RowSample(10_000).partial_fit(X)
    X[:] = -1
    assert row_sample.rows_.min() == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_sample_does_not_depend_on_rows_drawn_by_a_common_seed(seed):
    X = np.random.default_rng(seed).random((20_000, 1))
    sampled = sample(X, 1000, 1).rows_[:, 0]
    assert kstest(sampled, "uniform").pvalue > 0.001
