"""Boxes that overlap a more confident box are dropped."""

import numpy as np
import pytest

from sklearn_diffake.faces._suppression import suppress_by_smaller, suppress_by_union


def random_boxes(n, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (n, 2))
    confidence = rng.permutation(n)[:, None]
    return np.hstack([corner, corner + rng.uniform(1, 30, (n, 2)), confidence]).astype("f4")


def brute_force(boxes, threshold, edge, fraction_of):
    """Walk down by confidence, and keep what overlaps no kept box by more than the threshold."""
    remaining = []
    for i in sorted(range(len(boxes)), key=lambda i: -boxes[i, 4]):
        for j in remaining:
            width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + edge
            height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + edge
            shared = max(width, 0) * max(height, 0)
            areas = [(b[2] - b[0] + edge) * (b[3] - b[1] + edge) for b in (boxes[i], boxes[j])]
            if shared > threshold * fraction_of(shared, *areas):
                break
        else:
            remaining.append(i)
    return remaining


@pytest.mark.parametrize("threshold", [0.3, 0.7])
@pytest.mark.parametrize("n", [0, 1, 2, 60, 700])
def test_brute_force(n, threshold):
    boxes = random_boxes(n, n)
    of_union = brute_force(boxes, threshold, 0, lambda shared, a, b: a + b - shared)
    assert suppress_by_union(boxes, threshold).tolist() == of_union
    of_smaller = brute_force(boxes, threshold, 1, lambda shared, a, b: min(a, b))
    assert suppress_by_smaller(boxes, threshold).tolist() == of_smaller


def test_equal_and_empty_boxes():
    boxes = np.array([[0, 0, 4, 4, 1], [0, 0, 4, 4, 1], [2, 2, 2, 2, 1], [2, 2, 2, 2, 1]], "f4")
    assert suppress_by_union(boxes, 0.5).tolist() == [0, 2, 3]
