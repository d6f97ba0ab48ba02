"""What CONTRIBUTING.md shows works: each listing is one file, and the public API takes it."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sklearn_diffake import persistence
from sklearn_diffake.base import any_labels
from sklearn_diffake.datasets import describe, make_face_pairs
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.generation import (
    TECHNIQUES,
    PseudoDeepfakeGenerator,
    apply,
    mean_shape,
    technique_weights,
)
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

PAGE = (Path(__file__).resolve().parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
LISTINGS = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Write a listing as the one file that it is, and import it."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write_and_import(name):
        (folder / f"{name}.py").write_text(LISTINGS[name], encoding="utf-8")
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        assert Path(module.__file__).parent == folder
        return module

    yield write_and_import
    for name in LISTINGS:
        sys.modules.pop(name, None)


@pytest.fixture
def stripes(load):
    """Add the technique of the page, and take it out again."""
    original = dict(TECHNIQUES)
    yield load("screen_stripes")
    TECHNIQUES.clear()
    TECHNIQUES.update(original)


@pytest.fixture(scope="module")
def faces():
    return make_face_pairs(60, n_identities=8, techniques=["swap", "splice"], random_state=0)


def test_the_page_has_one_listing_for_each_kind():
    assert list(LISTINGS) == [
        "coarse_colors",
        "robust_distance",
        "newsroom",
        "screen_stripes",
        "few_pairs",  # used in tests/benchmark/test_benchmark_new_protocol.py
    ]
    assert PAGE.count("```python") == len(LISTINGS)


def test_five_commands_come_first_and_exist():
    table = re.search(r"\|---\|---\|\n((?:\|.*\n)+)", PAGE).group(1)
    commands = re.findall(r"^\| `make (\w+)`", table, re.MULTILINE)
    assert len(commands) == 5
    makefile = (Path(__file__).resolve().parents[1] / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):.*## ", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", PAGE)) <= targets
    assert PAGE.index(table) < PAGE.index("\n## ")


def test_files_that_the_page_names_exist():
    roots = [Path(__file__).resolve().parents[1], Path(persistence.__file__).parents[1]]
    name_list = re.findall(
        r"`((?:sklearn_diffake|tests|docs|benchmarks|constraints)/[\w/]+\.\w+)`", PAGE
    )
    planned = {"sklearn_diffake/novelty/_robust_distance.py"}
    assert len(name_list) > 5
    missing = [name for name in name_list if not any((root / name).exists() for root in roots)]
    assert set(missing) <= planned


def test_a_backbone_is_one_file(load, faces):
    load("coarse_colors")
    pipe = make_pipeline(
        FaceEmbedder("coarse_colors:coarse_colors", device="cpu"),
        PairDifference("squared"),
        MahalanobisDetector(),
    ).fit(faces.data, faces.target)
    embedder = pipe[0]
    assert embedder.backbone_info_["input_size"] == [64, 64]
    assert embedder.backbone_info_["license"] == "BSD-3-Clause"
    gray = np.full((2, 80, 80, 3), 51, dtype=np.uint8)
    np.testing.assert_allclose(embedder.transform(gray), np.full((2, 48), -0.6), atol=1e-6)
    assert set(pipe.predict(faces.data)) <= {-1, 1}


def test_a_backbone_is_found_by_the_command_line(load, faces, tmp_path):
    from sklearn_diffake.cli import main

    load("coarse_colors")
    names = []
    for i, image in enumerate(
        faces.data[faces.target == 1][:12].reshape(24, *faces.data.shape[2:])
    ):
        names.append(f"{i}.png")
        Image.fromarray(image).save(tmp_path / names[-1])
    rows = [",".join(names[i : i + 2]) for i in range(0, 24, 2)]
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(["reference,probe", *rows]), encoding="utf-8")
    name = "coarse_colors:coarse_colors"
    options = ["--backbone", name, "--no-align", "--quiet"]
    model = tmp_path / "model.diffake"
    assert main(["fit", str(table), "-o", str(model), *options]) == 0
    with pytest.raises(ValueError, match=r"coarse_colors:coarse_colors.*not trusted"):
        persistence.load(model)
    assert persistence.load(model, trusted=[name])["embed"].backbone == name


def test_a_detector_is_one_file_and_passes_the_checks_of_scikit_learn(load):
    header = load("robust_distance").RobustDistanceDetector
    with any_labels():
        outcomes = check_estimator(header(), on_fail=None, on_skip=None)
    assert len(outcomes) > 40
    assert [outcome for outcome in outcomes if outcome["status"] == "failed"] == []


def test_a_head_is_searched_calibrated_and_saved(load, tmp_path):
    header = load("robust_distance").RobustDistanceDetector
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 2, 5))
    X[:120, 1] = X[:120, 0] + 0.3 * rng.normal(size=(120, 5))
    y = np.repeat([1, -1], [120, 40])
    order = rng.permutation(len(X))
    X, y = X[order], y[order]
    pipe = make_pipeline(PairDifference("absolute"), header())
    grid = {"robustdistancedetector__order": [1, 2, 4]}
    search = GridSearchCV(pipe, grid, scoring="roc_auc", cv=3).fit(X, y)
    assert search.best_score_ > 0.95
    fakes_learned = clone(pipe).fit(X, y)[-1].median_
    np.testing.assert_array_equal(fakes_learned, clone(pipe).fit(X[y == 1])[-1].median_)
    calibrated = ConformalDetector(pipe, target_bpcer=0.1, random_state=0).fit(X, y)
    assert (calibrated.predict(X[y == -1]) == -1).mean() > 0.8

    path = tmp_path / "model.diffake"
    persistence.save(search.best_estimator_, path)
    name = "robust_distance.RobustDistanceDetector"
    with pytest.raises(ValueError, match=name):
        persistence.load(path)
    loaded = persistence.load(path, trusted=[name])
    np.testing.assert_array_equal(loaded.score_samples(X), search.score_samples(X))


def test_a_head_bears_a_feature_that_never_changes(load):
    X = np.random.default_rng(0).normal(size=(30, 3)) * [1, 0, 1]
    detector = load("robust_distance").RobustDistanceDetector().fit(X)
    score = detector.score_samples(np.vstack([X, X[:1] + [0, 5, 0]]))
    assert np.isfinite(score).all()
    assert score[-1] < score[0]


@pytest.mark.parametrize("params", [{"order": 0.5}, {"contamination": 0.9}])
def test_a_head_checks_its_parameters(load, params):
    header = load("robust_distance").RobustDistanceDetector
    with pytest.raises(ValueError, match=next(iter(params))):
        header(**params).fit(np.eye(3))


def write_newsroom(root, faces):
    """Write references and probes as the pictures of a newsroom; return how many there are."""
    count = 0
    for pair, row in zip(faces.data, faces.frame.itertuples(), strict=True):
        for image, technique in zip(pair, ["genuine", row.technique], strict=True):
            folder = root / row.identity.replace(":", "-") / technique
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{count}.png")
            count += 1
    return count


def test_a_dataset_is_one_file(load, faces, tmp_path, capsys):
    root = tmp_path / "newsroom"
    count = write_newsroom(root, faces)
    load_newsroom = load("newsroom").load_newsroom
    dataset = load_newsroom(root, mode="reference", random_state=0)
    assert set(dataset.frame["technique"]) == {"genuine", "swap", "splice"}
    assert set(dataset.groups) == {f"newsroom:{folder.name}" for folder in root.iterdir()}

    counts = describe(dataset, as_dict=True)
    assert counts["dataset"] == "newsroom"
    assert counts["frames"] == count
    assert counts["deepfake videos"] == (faces.target == -1).sum()
    assert describe(dataset) is None
    assert "newsroom" in capsys.readouterr().out

    pipe = make_pipeline(
        FaceEmbedder("tiny_backbones:Colors", device="cpu"),
        PairDifference(),
        MahalanobisDetector(),
    ).fit(dataset.data, dataset.target)
    score = pipe.score_samples(dataset.data)
    assert 0 <= roc_auc_score(dataset.target, score) <= 1
    assert np.isfinite(score).all()


def test_a_dataset_that_is_not_there_says_so(load, tmp_path):
    with pytest.raises(FileNotFoundError, match="newsroom: no <person>"):
        load("newsroom").load_newsroom(tmp_path)


def test_a_technique_is_one_file(stripes):
    crops = np.full((6, 64, 64, 3), 120, dtype=np.uint8)
    generator = PseudoDeepfakeGenerator("screen_stripes", random_state=0).fit(crops)
    created = generator.generate(crops)
    assert {record["technique"] for record in created.records} == {"screen_stripes"}
    inside = created.masks > 0
    assert (created.images[~inside] == 120).all()
    assert (created.images[inside] != 120).any()
    first = created.images[0][created.masks[0].argmax() // 64].astype(int)
    assert first.min() < 120 < first.max()  # darker and brighter by turns
    np.testing.assert_array_equal(generator.replay(crops, created.records).images, created.images)
    mixed = PseudoDeepfakeGenerator({"screen_stripes": 1, "self_blend_eyes": 3}).fit(crops)
    assert mixed.technique_weights_ == {"self_blend_eyes": 0.75, "screen_stripes": 0.25}


def test_a_technique_is_never_drawn_unasked(load):
    crops = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
    original = PseudoDeepfakeGenerator(random_state=3).fit(crops).generate(crops)
    names = dict(TECHNIQUES)
    try:
        load("screen_stripes")
        assert "screen_stripes" in TECHNIQUES
        assert list(technique_weights()) == list(names)
        after = PseudoDeepfakeGenerator(random_state=3).fit(crops).generate(crops)
    finally:
        TECHNIQUES.pop("screen_stripes", None)
    assert after.records == original.records
    np.testing.assert_array_equal(after.images, original.images)


def test_a_record_of_a_technique_is_applied(stripes):
    crop = np.full((64, 64, 3), 120, dtype=np.uint8)
    created = PseudoDeepfakeGenerator("screen_stripes", random_state=1).fit(crop[None])
    record = created.generate(crop[None]).records[0]
    fake, mask = apply(record, crop, mean_shape(64))
    assert np.abs(fake.astype(int) - 120)[mask == 0].max() == 0
    assert fake[mask > 0].std() > 0
