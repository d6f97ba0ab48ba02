"""Two embeddings become one difference."""

import tracemalloc

import numpy as np
import pytest
from sklearn.utils import get_tags

from sklearn_diffake.pairs import PairDifference

OPERATORS = ["absolute", "subtract", "squared", "cubed", "concat", "hadamard", "cosine", "probe"]
NORMALIZE = [None, "embeddings", "difference", "both"]

A, B = np.array([3.0, 4.0]), np.array([0.0, 2.0])
EXPECTED = {  # by hand, without normalization
    "absolute": [3.0, 2.0],
    "subtract": [3.0, 2.0],
    "squared": [9.0, 4.0],
    "cubed": [27.0, 8.0],
    "concat": [3.0, 4.0, 0.0, 2.0],
    "hadamard": [0.0, 8.0],
    "cosine": [1 - 8 / (5 * 2)],
    "probe": [0.0, 2.0],
}
UNSCALED = ["cosine", "probe"]
REVERSED = {"subtract": -1, "cubed": -1, "absolute": 1, "squared": 1, "hadamard": 1, "cosine": 1}


@pytest.fixture
def embeddings():
    return np.random.default_rng(0).normal(size=(20, 2, 5))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.mark.parametrize("operator", OPERATORS)
def test_operators_by_hand(operator):
    result = PairDifference(operator, normalize=None).fit_transform([[A, B]])
    np.testing.assert_allclose(result, [EXPECTED[operator]], rtol=1e-15)


@pytest.mark.parametrize(("operator", "sign"), REVERSED.items())
def test_only_subtract_and_cubed_tell_the_columns_apart(embeddings, operator, sign):
    transform = PairDifference(operator).fit_transform
    np.testing.assert_allclose(transform(embeddings[:, ::-1]), sign * transform(embeddings))


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name not in UNSCALED])
def test_normalize(embeddings, operator):
    bare = PairDifference(operator, normalize=None).fit(embeddings).transform

    def run(normalize):
        return PairDifference(operator, normalize=normalize).fit_transform(embeddings)

    np.testing.assert_allclose(run("embeddings"), bare(unit(embeddings)), atol=1e-15)
    np.testing.assert_allclose(run("difference"), unit(bare(embeddings)), atol=1e-15)
    np.testing.assert_allclose(run("both"), unit(bare(unit(embeddings))), atol=1e-15)


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_cosine_does_not_depend_on_length(embeddings, normalize):
    transformer = PairDifference("cosine", normalize=normalize).fit(embeddings)
    result = transformer.transform(embeddings * np.array([[2.0], [70.0]]))
    expected = 1 - np.sum(unit(embeddings[:, 0]) * unit(embeddings[:, 1]), axis=1)
    np.testing.assert_allclose(result[:, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("width", [7, 512])
def test_cosine_stays_in_range(width):
    a = np.random.default_rng(0).normal(size=(500, width)).astype(np.float32)
    for b, value in [(a, 0), (-a, 2)]:
        result = PairDifference("cosine").fit_transform(np.stack([a, b], axis=1))
        assert result.min() >= 0
        assert result.max() <= 2
        np.testing.assert_allclose(result, value, atol=1e-6)


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("operator", OPERATORS)
def test_zero_vectors_stay_zero(operator, normalize):
    zero = np.zeros((3, 2, 4))
    result = PairDifference(operator, normalize=normalize).fit_transform(zero)
    np.testing.assert_array_equal(result, 1.0 if operator == "cosine" else 0.0)


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("dtype", "out"),
    [(np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float64), (int, float)],
)
def test_dtype_width_and_untouched_input(operator, normalize, dtype, out):
    pairs = np.arange(1, 25).reshape(4, 2, 3).astype(dtype)
    original = pairs.copy()
    pairs.flags.writeable = False
    transformer = PairDifference(operator, normalize=normalize).fit(pairs)
    result = transformer.transform(pairs)
    assert result.dtype == out
    assert result.shape == (4, {"concat": 6, "cosine": 1}.get(operator, 3))
    assert not np.shares_memory(result, pairs)
    assert result.shape[1] == len(transformer.get_feature_names_out())
    np.testing.assert_array_equal(pairs, original)


@pytest.mark.parametrize("operator", OPERATORS)
def test_float32_is_close_to_float64(operator):
    pairs = np.random.default_rng(0).normal(size=(50, 2, 64))
    transform = PairDifference(operator).fit(pairs).transform
    np.testing.assert_allclose(transform(pairs.astype(np.float32)), transform(pairs), atol=1e-6)


def test_long_float32_embeddings_do_not_overflow():
    pairs = np.full((2, 2, 3), 1e30, dtype=np.float32)
    np.testing.assert_array_equal(PairDifference("absolute").fit_transform(pairs), 0)
    result = PairDifference("concat").fit_transform(pairs)
    np.testing.assert_allclose(result, 1 / np.sqrt(3), rtol=1e-6)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("normalize", NORMALIZE)
def test_a_pair_does_not_depend_on_its_batch(embeddings, operator, normalize):
    transformer = PairDifference(operator, normalize=normalize).fit(embeddings)
    single = np.vstack([transformer.transform(embeddings[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(transformer.transform(embeddings), single, rtol=1e-13)


@pytest.mark.parametrize("form", [list, np.asfortranarray, lambda X: X[::-1][::-1]])
def test_forms_of_pairs(embeddings, form):
    expected = PairDifference().fit_transform(embeddings)
    np.testing.assert_array_equal(PairDifference().fit_transform(form(embeddings)), expected)
    as_lists = [(list(a), list(b)) for a, b in embeddings]
    np.testing.assert_array_equal(PairDifference().fit_transform(as_lists), expected)


@pytest.mark.parametrize(
    ("operator", "names"),
    [
        ("squared", ["squared_0", "squared_1"]),
        ("concat", ["concat_0", "concat_1", "concat_2", "concat_3"]),
        ("cosine", ["cosine"]),
    ],
)
def test_names_of_columns(operator, names):
    transformer = PairDifference(operator).set_output(transform="pandas").fit([[A, B]])
    assert transformer.n_features_in_ == 2
    assert transformer.get_feature_names_out().tolist() == names
    assert transformer.transform([[A, B]]).columns.tolist() == names


@pytest.mark.parametrize(("value", "subject"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_bad_numbers_are_named(embeddings, value, subject):
    transformer = PairDifference().fit(embeddings)
    embeddings[7, 1, 2] = value
    for method in (transformer.transform, PairDifference().fit):
        with pytest.raises(ValueError, match=f"X contains {subject} in row 7"):
            method(embeddings)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 3, 5), r"X must have the shape \(n, 2, d\), .* got \(4, 3, 5\)"),
        ((4, 1, 5), r"got \(4, 1, 5\)"),
        ((4, 2, 0), r"got \(4, 2, 0\)"),
        ((4, 2, 5, 5), r"\(n, 2, d\), .* got \(4, 2, 5, 5\)"),
        ((4, 5), r"got \(4, 5\)\. One pair is written \[\(reference, probe\)\]"),
        ((0, 2, 5), r"0 sample"),
    ],
)
def test_wrong_shapes(shape, message):
    with pytest.raises(ValueError, match=message):
        PairDifference().fit(np.zeros(shape))


@pytest.mark.parametrize("side", [0, 1])
def test_a_pair_without_a_face_is_a_row_of_nan(embeddings, side):
    expected = PairDifference().fit_transform(embeddings)
    embeddings[7, side] = np.nan
    differences = PairDifference().fit_transform(embeddings)
    assert np.isnan(differences[7]).all()
    usable_rows = np.arange(len(embeddings)) != 7
    np.testing.assert_array_equal(differences[usable_rows], expected[usable_rows])


def test_transform_expects_what_fit_saw(embeddings):
    fitted = PairDifference().fit(embeddings)
    with pytest.raises(ValueError, match="X has 4 features, but PairDifference is expecting 5"):
        fitted.transform(embeddings[:, :, :4])
    with pytest.raises(ValueError, match=r"got \(20, 5\).*written \[\(reference, probe\)\]"):
        fitted.transform(embeddings[:, 0])


def test_tags_say_what_it_takes():
    tags = get_tags(PairDifference()).input_tags
    assert not tags.two_d_array
    assert tags.three_d_array


@pytest.mark.parametrize("params", [{"operator": "sum"}, {"normalize": "l2"}])
def test_parameters_are_checked(embeddings, params):
    with pytest.raises(ValueError, match="parameter of PairDifference must be"):
        PairDifference(**params).fit(embeddings)


@pytest.mark.parametrize("operator", OPERATORS)
def test_memory(operator):
    pairs = np.random.default_rng(0).random(size=(20_000, 2, 256))
    transformer = PairDifference(operator, normalize="both").fit(pairs)
    tracemalloc.start()
    result = transformer.transform(pairs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= result.nbytes + 12e6
