"""Error rates, and what they make of suspicious verdicts."""

from dataclasses import replace

import numpy as np
import pytest
from page_elements import Elements
from report_cases import INFO, RATES, pair_verdict

from sklearn_diffake.verdict import ErrorRate
from sklearn_diffake.verdict._report.page import report_page
from sklearn_diffake.verdict._report.rates import fraction_right, prevalence_rows, rate_rows
from sklearn_diffake.verdict._report.text import expected_count


def page_of(verdict):
    return Elements(report_page(verdict, command=None, case=None, date="today", maps=False))


def test_counts_by_hand():
    """Of 1,000 cases 100 are altered: 75 are noticed, and 45 of 900 genuine ones are suspicious."""
    row = prevalence_rows(RATES[0], RATES[1])[1]
    assert row.prevalence == 0.1
    of_1000 = row.expected[1]
    assert (of_1000.cases, of_1000.altered) == (1000, 100.0)
    assert of_1000.suspicious == pytest.approx(75 + 45)
    assert of_1000.right == pytest.approx(75)
    assert row.right == pytest.approx(75 / 120)
    # APCER at most 31.25 %, BPCER at most 10 %; at least 20 % and 2 %
    assert row.low == pytest.approx(68.75 / (68.75 + 90))
    assert row.high == pytest.approx(80 / (80 + 18))


@pytest.mark.parametrize("prevalence", [0.5, 0.1, 0.01])
def test_counts_of_drawn_cases(prevalence):
    rng = np.random.default_rng(0)
    n = 400_000
    altered = rng.random(n) < prevalence
    suspicious = rng.random(n) < np.where(altered, 1 - 0.25, 0.05)
    assert fraction_right(prevalence, 0.25, 0.05) == pytest.approx(
        altered[suspicious].mean(), abs=0.01
    )


@pytest.mark.parametrize(
    ("apcer", "bpcer", "right"), [(1.0, 0.0, None), (1.0, 0.1, 0.0), (0.0, 0.0, 1.0)]
)
def test_extreme_rates(apcer, bpcer, right):
    assert fraction_right(0.1, apcer, bpcer) == right


def test_the_page_counts_and_names_the_data():
    page = page_of(pair_verdict())
    assert page.all("caption") == ["At the error rates on pairs of A (1 reference, 1 probe)"]
    values = page.numbers()
    for prevalence in (0.5, 0.1, 0.01, 0.001):
        assert fraction_right(prevalence, 0.25, 0.05) in values
    assert "12 suspicious, 7.5 of them right" in page.text
    assert "120 suspicious, 75 of them right" in page.text
    assert "62.5% (43.3% to 81.6%)" in page.text
    assert "25.0% (20.0% to 31.2%)" in page.text
    assert "5.0% (2.0% to 10.0%)" in page.text
    assert "20.0% (10.0% to 30.0%)" in page.text


@pytest.mark.parametrize(
    ("category", "nearest"),
    [((1, 1), (1, 1)), ((2, 4), (1, 1)), ((3, 1), (3, 1)), ((9, 9), (3, 1)), (None, (1, 1))],
)
def test_the_nearest_kind_of_comparison_is_taken(category, nearest):
    rows = rate_rows(pair_verdict(category=category))
    result = {row.data: (row.n_references, row.n_probes) for row in rows if row.nearest}
    assert result == {"pairs of A": nearest, "pairs of B": (1, 1)}


def test_if_only_larger_ones_were_measured_the_smallest_is_taken():
    rates = tuple(ErrorRate("A", k, 2, "apcer", 0.1, 0.0, 0.2, 9) for k in (8, 5))
    verdict = pair_verdict(model=replace(INFO, error_rates=rates))
    assert [row.n_references for row in rate_rows(verdict) if row.nearest] == [5]


@pytest.mark.parametrize("model", [None, replace(INFO, error_rates=())])
def test_a_model_that_was_not_measured(model):
    page = page_of(pair_verdict(model=model))
    assert "Not measured for this model." in page.text
    assert "This cannot be computed" in page.text
    assert page.all("caption") == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.01, "fewer than 0.1"), (0.05, "0.1"), (2.84, "2.8"), (50.0, "50"),
     (99.96, "100"), (1234.5, "1,234")],
)  # fmt: skip
def test_expected_counts_do_not_round_to_nothing(value, text):
    assert expected_count(value) == text


@pytest.mark.parametrize("mode", ["reference", "same-video"])
@pytest.mark.parametrize("outcome", ["genuine", "suspicious"])
def test_no_sentence_refers_to_rates_that_are_not_on_the_page(outcome, mode):
    model = replace(INFO, error_rates=())
    text = page_of(pair_verdict(model=model, outcome=outcome, mode=mode)).text
    assert "APCER above" not in text
    assert "read below how often" not in text.lower()
    assert "how often this model is wrong was not measured" in text
    assert "How many altered ones do was not measured for this model." in text
    assert "sklearn-diffake score MODEL --csv TABLE.csv" in text


@pytest.mark.parametrize("outcome", ["genuine", "suspicious"])
def test_sentences_refer_to_rates_that_are_on_the_page(outcome):
    text = page_of(pair_verdict(outcome=outcome)).text
    assert "read below how often the model is wrong" in text
    assert "is the APCER above" in text
    assert "was not measured" not in text.partition("Where the pictures differ")[0]
    assert "Not measured for this model" not in text


def test_an_apcer_that_was_not_measured_is_not_referred_to():
    only_bpcer = replace(INFO, error_rates=RATES[1:2])
    text = page_of(pair_verdict(model=only_bpcer)).text
    assert "APCER above" not in text
    assert "read below how often the model is wrong" in text
    assert "This cannot be computed: it takes both error rates, from 30 tests or more." in text
