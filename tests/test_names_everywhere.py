"""Every function that takes names of groups reads spellings, and types, in the same way."""

import inspect
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import sklearn_diffake
from sklearn_diffake.embedding.forgery._crops import genuine_crops
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.metrics import bootstrap_interval, video_level, worst_apcer
from sklearn_diffake.model_selection import IdentityGroupKFold, connected_groups
from sklearn_diffake.novelty import ConformalDetector, stack_references
from sklearn_diffake.pairs import make_reference_pairs, make_same_video_pairs

# of 24 rows; not in the order of the alphabet
NAMES = [
    name
    for name in ("J\u00fcrgen M", "Zo\u00eb", "ann", "\u00c5sa", "bo", "\u1ed9")
    for _ in "abcd"
]
LABELS = np.tile([1, -1], 12)
SCORES = np.random.default_rng(0).normal(size=24)
CROPS = np.random.default_rng(1).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)


def respelled(names):
    """Spell every name in four ways."""
    ways = [
        lambda name: unicodedata.normalize("NFD", name),
        lambda name: f" {name.replace(' ', '  ')}",
        lambda name: f"{name}\u00a0\u200b",
        str,
    ]
    return [ways[row % 4](name) for row, name in enumerate(names)]


def mixed(names):
    """Rename every other name to a number."""
    different = list(dict.fromkeys(names))
    number = {name: 90 - i if i % 2 else name for i, name in enumerate(different)}
    return [number[name] for name in names]


def objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def intervals(names):
    return bootstrap_interval(
        roc_auc_score, LABELS, SCORES, groups=objects(names), n_resamples=20, random_state=0
    )


def videos(names):
    pooled = video_level(SCORES, objects(names))
    return sorted(zip(pooled.first_row.tolist(), pooled.score.tolist(), strict=True))


def folds(names):
    cv = IdentityGroupKFold(3, shuffle=True, random_state=0)
    return [test.tolist() for _, test in cv.split(SCORES, LABELS, objects(names))]


def calibrated(names):
    detector = ConformalDetector(target_bpcer=0.4, random_state=0)
    X = np.random.default_rng(2).normal(size=(24, 2))
    return detector.fit(X, groups=objects(names)).p_values(X).tolist()


def stacked(names):
    vectors = np.ones((24, 2, 1))
    return stack_references(vectors, objects(names))[1].tolist()


def trained_on(names):
    crops = genuine_crops(CROPS, None, objects(names), 16, n_jobs=None, verbose=0)
    return crops.people.tolist(), crops.rows.tolist()


def donors(names):
    pytest.importorskip("cv2", reason="needs the extra 'generation'")
    generator = PseudoDeepfakeGenerator(random_state=0)
    return [record["donor"] for record in generator.generate(CROPS, objects(names)).records]


def references(names):
    table = {"path": [f"{row}.png" for row in range(24)], "identity": names}
    return make_reference_pairs(table, random_state=0).index.tolist()


def frames(names):
    table = {"path": [f"{row}.png" for row in range(24)], "video": names}
    return make_same_video_pairs(table, random_state=0).index.tolist()


READERS = {
    "connected_groups": lambda names: connected_groups(names).tolist(),
    "IdentityGroupKFold": folds,
    "bootstrap_interval": intervals,
    "video_level": videos,
    "worst_apcer": lambda names: worst_apcer(LABELS, SCORES, objects(names), threshold=0.0),
    "ConformalDetector": calibrated,
    "stack_references": stacked,
    "ForgeryEmbedder": trained_on,
    "PseudoDeepfakeGenerator": donors,
    "make_reference_pairs": references,
    "make_same_video_pairs": frames,
}


@pytest.mark.parametrize("reader", READERS)
def test_spellings_change_nothing_and_are_reported_once(reader):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = READERS[reader](NAMES)
    with pytest.warns(UserWarning, match="6 names are spelled in several ways") as caught:
        assert READERS[reader](respelled(NAMES)) == expected
    assert len(caught) == 1


@pytest.mark.parametrize("reader", READERS)
def test_numbers_and_text_may_be_mixed(reader):
    assert READERS[reader](mixed(NAMES)) == READERS[reader](NAMES)


def test_there_is_one_implementation():
    """Numbers for groups are made in one place, and so are sets of connected rows."""
    package = Path(inspect.getfile(sklearn_diffake)).parent
    users = [
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if "connected_components" in file.read_text(encoding="utf-8")
    ]
    assert users == [str(Path("utils", "_groups.py"))]
