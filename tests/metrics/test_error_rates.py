"""The equal error rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_diffake.metrics import equal_error_rate

LABELED = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(-20, 20)), min_size=2, max_size=40
).filter(lambda rows: len({label for label, _ in rows}) == 2)

INCREASING = {
    "affine": lambda score: 3.0 * score - 7.0,
    "exp": lambda score: np.exp(score / 5.0),
    "cube": lambda score: score**3,
    "rank": lambda score: np.unique(score, return_inverse=True)[1].astype(float),
}


@pytest.mark.parametrize(
    ("genuine", "fake", "eer", "threshold"),
    [
        ([3, 4], [1, 2], 0.0, 3),  # perfect
        ([1, 2], [3, 4], 1.0, 3),  # upside down: 3 rejects every genuine, accepts every fake
        ([5, 5], [5, 5], 0.5, 5),  # one score for all
        ([9, 4], [5, 1], 0.5, 5),
        ([9, 8, 3], [5, 2, 1], 1 / 3, 5),
        # ROC points (APCER, BPCER) (0, 2/3) and (1/2, 0) at 9 and 5: line meets y = x at 2/7
        ([9, 5, 5], [5, 1], 2 / 7, 5),
        # (0, 1/4) at 7, (1, 0) at 3: meets at 1/5; 7 is the closer
        ([9, 8, 7, 3], [3], 1 / 5, 7),
        # (1/4, 1/3) at 6, (1/2, 1/3) at 5: the line is level there, EER = 1/3
        ([9, 8, 2], [6, 5, 1, 0], 1 / 3, 6),
    ],
)
def test_by_hand(genuine, fake, eer, threshold):
    y = [1] * len(genuine) + [-1] * len(fake)
    result, index_of = equal_error_rate(y, genuine + fake, return_threshold=True)
    assert result == pytest.approx(eer, abs=1e-12)
    assert index_of == threshold
    assert equal_error_rate(y, genuine + fake) == result


@given(LABELED, st.sampled_from(sorted(INCREASING)))
def test_only_the_order_of_scores_matters(rows, name):
    y, score = np.array(rows, dtype=float).T
    mapped = INCREASING[name](score)
    eer, threshold = equal_error_rate(y, score, return_threshold=True)
    eer_mapped, threshold_mapped = equal_error_rate(y, mapped, return_threshold=True)
    assert eer_mapped == eer
    np.testing.assert_array_equal(mapped >= threshold_mapped, score >= threshold)


@given(LABELED)
def test_turning_scores_around(rows):
    y, score = np.array(rows, dtype=float).T
    assert equal_error_rate(y, -score) == pytest.approx(1 - equal_error_rate(y, score))
    assert equal_error_rate(-y, -score) == pytest.approx(equal_error_rate(y, score))


@given(LABELED)
def test_threshold_brings_the_error_rates_closest(rows):
    y, score = np.array(rows, dtype=float).T
    eer, threshold = equal_error_rate(y, score, return_threshold=True)

    def rates(index_of):
        return np.mean(score[y == 1] < index_of), np.mean(score[y == -1] >= index_of)

    gaps = [abs(np.subtract(*rates(index_of))) for index_of in np.append(score, np.inf)]
    bpcer, apcer = rates(threshold)
    assert abs(bpcer - apcer) == pytest.approx(min(gaps))
    if bpcer == apcer:
        assert eer == pytest.approx(bpcer)


def test_normal_scores():
    rng = np.random.default_rng(0)
    y = np.repeat([1, -1], 50_000)
    score = rng.normal(size=100_000) + y  # two apart: EER = Phi(-1)
    assert equal_error_rate(y, score) == pytest.approx(0.1587, abs=0.003)


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([1, 1], [0.1, 0.2], r"both classes; all 2 rows are genuine \(\+1\)"),
        ([-1, -1], [0.1, 0.2], r"both classes; all 2 rows are deepfake \(-1\)"),
        ([1, 0, -1], [0.1, 0.2, 0.3], r"must be \+1 .*got .*0.* in row 1"),
        ([1, -1, -1], [0.1, np.nan, 0.3], "score contains NaN in row 1"),
        ([1, -1, -1], [0.1, 0.2, np.inf], "score contains infinity in row 2"),
        ([1, -1], [0.1, 0.2, 0.3], "inconsistent numbers of samples"),
        ([], [], "both classes; all 0 rows"),
    ],
)
def test_bad_input(y, score, message):
    with pytest.raises(ValueError, match=message):
        equal_error_rate(y, score)
