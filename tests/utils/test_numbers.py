"""Numbers in text do not claim more than they hold."""

import pytest

from sklearn_diffake.utils._numbers import fraction, percent, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"), (1.0, "1.000"), (0.9996, ">0.999"), (0.9994, "0.999"), (0.00049, "<0.001"),
        (0.0006, "0.001"), (0.25, "0.250"), (1 / 10001, "<0.001"), (float("nan"), "-"),
    ],
)  # fmt: skip
def test_fractions_are_not_rounded_to_the_ends(value, text):
    assert fraction(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 1, "0.0%"), (1.0, 1, "100.0%"), (0.9996, 1, ">99.9%"), (0.0004, 1, "<0.1%"),
        (0.217, 1, "21.7%"), (0.999, 0, ">99%"), (0.001, 0, "<1%"), (1.0, 0, "100%"),
        (float("nan"), 1, "-"),
    ],
)  # fmt: skip
def test_percentages_are_not_rounded_to_the_ends(value, digits, text):
    assert percent(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.99996, ">0.9999"),
        (0.0, "0"),
        (1e-7, "1e-07"),
        (-2.03451, "-2.035"),
        (0.25, "0.25"),
    ],
)
def test_significant_digits_never_reach_one(value, text):
    assert significant(value) == text
