"""PseudoDeepfakeGenerator: the same fakes everywhere, donors from others, errors that name rows."""

import json
import sys
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from generation_cases import textured_crops
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from sklearn_diffake.faces._geometry import template
from sklearn_diffake.generation import (
    TECHNIQUES,
    PseudoDeepfakeGenerator,
    dlib_landmarks,
    fitted_shape,
)
from sklearn_diffake.generation._landmarks import place_landmarks

cv2 = pytest.importorskip("cv2", reason="needs the extra 'generation'")

ROOT = Path(__file__).resolve().parents[2]
N = 10
CROPS = textured_crops(N, 96)
PEOPLE = np.repeat(["ann", "bob", "cat", "dan", "eve"], 2)
SECTIONS = ("images", "reals", "masks")


def is_same(first, second):
    return all((first[piece] == second[piece]).all() for piece in SECTIONS)


def generator(**parameters):
    return PseudoDeepfakeGenerator(**{"random_state": 0, **parameters})


@pytest.fixture(scope="module")
def generated():
    return generator(augment=True).generate(CROPS, PEOPLE)


def test_what_is_made(generated):
    assert generated.images.shape == generated.reals.shape == CROPS.shape
    assert generated.images.dtype == generated.reals.dtype == generated.masks.dtype == np.uint8
    assert generated.masks.shape == CROPS.shape[:3]
    assert len(generated.records) == N
    assert len({record["technique"] for record in generated.records}) > 3
    assert not (generated.images == CROPS).all((1, 2, 3)).any()


def test_replay_bit_for_bit(generated):
    records = json.loads(json.dumps(generated.records))
    assert is_same(generated, generator(random_state=99).replay(CROPS, records))


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_every_technique_replays(technique):
    crops = CROPS[:3]
    single = generator(techniques=[technique]).generate(crops)
    assert {record["technique"] for record in single.records} == {technique}
    assert is_same(single, generator().replay(crops, single.records))


def test_random_state_decides(generated):
    repeated = generator(augment=True).generate(CROPS, PEOPLE)
    assert is_same(generated, repeated)
    assert not is_same(generated, generator(augment=True, random_state=1).generate(CROPS, PEOPLE))
    states = [generator(random_state=np.random.RandomState(3)).transform(CROPS) for _ in "ab"]
    assert (states[0] == states[1]).all()
    rng = np.random.RandomState(3)
    successive = [generator(random_state=rng).transform(CROPS) for _ in "ab"]
    assert (successive[0] != successive[1]).any()


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
def test_number_of_threads_changes_nothing(generated, n_jobs):
    assert is_same(generated, generator(augment=True, n_jobs=n_jobs).generate(CROPS, PEOPLE))


def test_rows_do_not_depend_on_their_batch():
    full = generator(techniques="difffake").generate(CROPS)
    piece = generator(techniques="difffake").generate(CROPS[:4])
    assert (full.images[:4] == piece.images).all()
    single = generator(techniques="difffake").generate(CROPS[:1])
    assert (full.images[0] == single.images[0]).all()


def test_neighboring_rows_and_seeds_are_independent():
    records = [generator(random_state=seed).generate(CROPS).records for seed in (0, 1, 2)]
    seeds = [record["mask"]["elastic"]["seed"] for row in records for record in row]
    assert len(set(seeds)) == 3 * N


@pytest.mark.parametrize("identity", [PEOPLE, None])
def test_donors_are_somebody_else(identity):
    person = np.arange(N) if identity is None else identity
    donors = set()
    for seed in range(20):
        swap = generator(techniques="identity_swap", random_state=seed)
        for row, record in enumerate(swap.generate(CROPS, identity).records):
            assert person[record["donor"]] != person[row]
            donors.add(record["donor"])
    assert len(donors) > N / 2


def test_donor_has_a_similar_pose():
    """Of eight that are drawn the one with the nearest landmarks is taken."""
    rng = np.random.default_rng(0)
    crops = np.repeat(CROPS[:1], 60, axis=0)
    points = np.repeat(fitted_shape(CROPS[0])[None], 60, axis=0)
    lean = rng.uniform(-10, 10, 60).astype(np.float32)
    points[:, 27:36, 0] += lean[:, None]
    records = generator(techniques="identity_blend").generate(crops, points=points).records
    distance = [abs(lean[row] - lean[record["donor"]]) for row, record in enumerate(records)]
    remaining = np.abs(lean[:, None] - lean)
    assert np.mean(distance) < 0.4 * remaining.mean()


@pytest.mark.parametrize(
    ("crops", "identity"), [(CROPS, ["ann"] * N), (CROPS[:1], None), (CROPS[:1], ["ann"])]
)
def test_one_identity_only(crops, identity):
    with pytest.warns(RuntimeWarning, match="two identities"):
        generated = generator().generate(crops, identity)
    assert all(record["donor"] is None for record in generated.records)
    with pytest.raises(ValueError, match="two identities"):
        generator(techniques=["identity_blend"]).generate(crops, identity)


def test_points_are_followed():
    points = np.repeat(fitted_shape(CROPS[0])[None], N, axis=0)
    low = generator(techniques="self_blend_mouth").generate(CROPS, points=points)
    high = generator(techniques="self_blend_mouth").generate(CROPS, points=points - [0, 25])
    height = [np.nonzero(m.masks.sum((0, 2)))[0].mean() for m in (low, high)]
    assert height[0] - height[1] == pytest.approx(25, abs=6)
    assert is_same(low, generator().replay(CROPS, low.records, points=points))


def test_five_points_place_the_mean_shape():
    five = np.float32(template(96, 0.25) + [3, -2])
    result = place_landmarks(CROPS, landmarks="mean-shape", margin=0.25, points=[five] * N)
    expected = [fitted_shape(crop, margin=0.25, points=five) for crop in CROPS]
    np.testing.assert_array_equal(result, expected)
    assert not np.array_equal(result, place_landmarks(CROPS, landmarks="mean-shape", margin=0.25))


def test_set_output_leaves_images_alone():
    model = generator().set_output(transform="pandas")
    assert isinstance(model, PseudoDeepfakeGenerator)
    assert isinstance(model.fit_transform(CROPS), np.ndarray)


def test_dlib_landmarks_are_used():
    pytest.importorskip("dlib", reason="needs the extra 'dlib'")
    exact = generator(techniques="difffake", landmarks="dlib").generate(CROPS[:3])
    points = np.stack([dlib_landmarks(crop) for crop in CROPS[:3]])
    assert is_same(exact, generator(techniques="difffake").generate(CROPS[:3], points=points))
    assert not is_same(exact, generator(techniques="difffake").generate(CROPS[:3]))


def test_lists_and_object_arrays_of_crops(generated):
    objects = np.empty(N, dtype=object)
    objects[:] = list(CROPS)
    for crops in (list(CROPS), objects):
        assert is_same(generated, generator(augment=True).generate(crops, PEOPLE))


def test_input_is_not_changed():
    crops = CROPS.copy()
    crops.setflags(write=False)
    generator(augment=True).generate(crops)
    assert (crops == CROPS).all()


def test_threads_of_opencv_are_restored():
    original = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        generator(n_jobs=2).transform(CROPS)
        assert cv2.getNumThreads() == 2
        outside = np.full((N, 68, 2), 1e4)
        with pytest.raises(ValueError, match="Row 0"):
            generator(techniques="difffake").generate(CROPS, points=outside)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(original)


# --- scikit-learn --------------------------------------------------------------------------------


def test_parameters_are_cloned():
    parameters = {
        "techniques": {"self_blend_eyes": 2.0},
        "landmarks": "dlib",
        "margin": 0.25,
        "augment": "video",
        "blending": "mixed",
        "match_sharpness": 0.5,
        "random_state": 3,
        "n_jobs": 2,
        "verbose": 1,
    }
    copied = clone(PseudoDeepfakeGenerator(**parameters))
    assert copied.get_params() == parameters
    assert copied.set_params(margin=0.1).margin == 0.1


def test_fit_learns_nothing_but_tells_the_weights():
    model = generator(techniques={"self_blend_eyes": 1, "poor_blend_seam": 3})
    assert model.fit(CROPS) is model
    assert model.technique_weights_ == {"self_blend_eyes": 0.25, "poor_blend_seam": 0.75}
    assert (model.transform(CROPS) == clone(model).fit_transform(CROPS)).all()
    try:
        check_is_fitted(clone(model))
    except NotFittedError:
        pytest.fail("a generator without state counts as fitted")


def test_in_a_pipeline():
    pipeline = make_pipeline(generator(), FunctionTransformer(lambda X: X.mean((1, 2))))
    assert pipeline.fit_transform(CROPS).shape == (N, 3)


@pytest.mark.parametrize(
    "parameters",
    [{"landmarks": "mtcnn"}, {"margin": -0.5}, {"augment": "yes"}, {"techniques": 3}],
)
def test_bad_parameters(parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        generator(**parameters).fit(CROPS)


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (CROPS[0], r"must be RGB crops \(n, S, S, 3\), got shape \(96, 96, 3\)"),
        (CROPS[..., 0], r"gray one is repeated"),
        (CROPS.astype(float) / 255, "must hold uint8 levels .* got float64"),
        (CROPS[:0], "at least one crop"),
        ([], "at least one crop"),
        (CROPS[:, :90], r"X\[0\] must be an RGB square .* got shape \(90, 96, 3\)"),
        (CROPS[:, :8, :8], r"X\[0\] must have at least 16 pixels a side, got 8"),
        ([CROPS[0], CROPS[1].astype(float)], r"X\[1\] must hold uint8 levels .* got float64"),
        ([CROPS[0], CROPS[1][:48, :48]], r"X\[1\] must have the shape .* got \(48, 48, 3\)"),
        ([CROPS[0], None], r"X\[1\] must hold uint8 levels .* got object"),
    ],
)
def test_bad_crops_are_named(X, message):
    for method in (generator().fit, generator().transform):
        with pytest.raises(ValueError, match=message):
            method(X)


def test_bad_points_and_identities_are_named():
    points = np.full((N, 5, 2), 40.0)
    points[6] = np.nan
    with pytest.raises(ValueError, match="must be finite, got NaN or infinity in row 6"):
        generator().generate(CROPS, points=points)
    with pytest.raises(ValueError, match=r"points must have shape \(10, 5, 2\)"):
        generator().generate(CROPS, points=points[:3])
    with pytest.raises(ValueError, match=r"identity must have shape \(10,\)"):
        generator().generate(CROPS, ["ann", "bob"])


def test_bad_records_are_named(generated):
    with pytest.raises(ValueError, match="each of 10 crops, got 9"):
        generator().replay(CROPS, generated.records[:-1])
    with pytest.raises(ValueError, match=r"records\[2\] must name a known technique"):
        generator().replay(
            CROPS, [*generated.records[:2], {"technique": "?"}, *generated.records[3:]]
        )
    broken = [{**record} for record in generated.records]
    del broken[4]["mask"]
    with pytest.raises(ValueError, match=r"Row 4: .*mask"):
        generator().replay(CROPS, broken)


def test_opencv_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    for call in (generator().fit, generator().transform):
        with pytest.raises(ImportError, match=r"pip install 'sklearn-diffake\[generation\]'"):
            call(CROPS)


def test_import_loads_nothing_heavy():
    code = (
        "import sys, sklearn_diffake.generation as g; g.PseudoDeepfakeGenerator();"
        "print(*{'cv2', 'torch', 'dlib', 'matplotlib'} & set(sys.modules))"
    )
    printed = forked_programs.run(code, cwd=ROOT, libraries=forked_programs.SCIKIT_LEARN)
    assert printed.strip() == ""
