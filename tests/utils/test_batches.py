"""Batches of items."""

import pytest
from sklearn.utils import gen_batches

from sklearn_diffake.utils._batches import batch_slices, batches_of, size_within


@pytest.mark.parametrize(("n_items", "batch_size"), [(1, 1), (6, 2), (7, 3), (2, 5)])
def test_slices_are_those_of_scikit_learn(n_items, batch_size):
    assert list(batch_slices(n_items, batch_size)) == list(gen_batches(n_items, batch_size))


def test_no_items_are_no_batches():
    assert list(batch_slices(0, 3)) == []
    assert list(batches_of([], 3)) == []


def test_batches_hold_all_items_in_order():
    assert [*batches_of("abcde", 2)] == ["ab", "cd", "e"]


@pytest.mark.parametrize(
    ("limit", "item_size", "expected"), [(10, 3, 3), (10, 10, 1), (10, 11, 1), (10, 0, 10)]
)
def test_size_within_a_limit(limit, item_size, expected):
    assert size_within(limit, item_size) == expected
