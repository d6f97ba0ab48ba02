"""The main job on real photographs and real deepfakes, where they are at hand."""

import csv
import itertools
import json

import numpy as np
import pytest
from pyod.models.knn import KNN
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

from sklearn_diffake import cli, make_difffake_pipeline
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.metrics import equal_error_rate
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    PyODDetector,
)
from sklearn_diffake.pairs import PairDifference, make_reference_pairs

N_PEOPLE, N_IDENTITIES = 40, 12


@pytest.fixture(scope="module")
def backbone(shared_data):
    file = shared_data / "weights" / "mobilefacenet.onnx"
    if not file.exists():
        pytest.skip(f"{file.name} is not beside the real data")
    return str(file)


def write_pairs(file, data, target):
    rows = [(*pair, label) for pair, label in zip(data, target, strict=True)]
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("reference", "probe", "label"), *rows])
    return str(file)


@pytest.mark.realdata
@pytest.mark.timeout(600)
def test_fit_on_lfw_and_score_real_deepfakes(shared_data, backbone, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    people = sorted((shared_data / "data" / "lfw").iterdir())
    people = [p for p in people if len(list(p.iterdir())) > 1]
    table = [(str(file), p.name) for p in people[:N_PEOPLE] for file in sorted(p.iterdir())]
    paths, names = (list(column) for column in zip(*table, strict=True))
    genuine = make_reference_pairs({"path": paths, "identity": names}, random_state=0)
    with (shared_data / "data" / "dfdc_crops" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    remaining = sorted({row["identity"] for row in rows})[:N_IDENTITIES]
    rows = [row for row in rows if row["identity"] in remaining]
    probes = {key: [row[key] for row in rows] for key in ("identity", "original")}
    probes["path"] = [str(shared_data / "data" / "dfdc_crops" / row["path"]) for row in rows]
    probes["label"] = [int(row["label"]) for row in rows]
    evaluated = make_reference_pairs(probes, exclude="original", random_state=0)

    pairs = write_pairs(tmp_path / "lfw.csv", genuine.data, genuine.target)
    model = str(tmp_path / "model.diffake")
    options = ["--backbone", backbone, "--seed", "0", "--on-missing", "crop", "--quiet"]
    assert cli.main(["fit", pairs, "-o", model, *options]) == 0
    capsys.readouterr()
    csv_file = write_pairs(tmp_path / "dfdc.csv", evaluated.data, evaluated.target)
    code = cli.main(["score", model, "--csv", csv_file, "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["label"] for line in lines] == evaluated.target.tolist()
    usable = [line for line in lines if line["outcome"] != "error"]
    assert code == (1 if len(usable) == len(lines) else 2)
    assert len(usable) > 0.98 * len(lines)  # some crops show no face
    label, score = ([line[key] for line in usable] for key in ("label", "score"))
    assert roc_auc_score(label, score) > 0.75
    assert equal_error_rate(label, score) < 0.35


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "size", "margin", "minimum"),
    [("mobilefacenet.onnx", 112, 0.0, 0.99), ("difffake-lite0-identity", 160, 0.2, 0.95)],
)
def test_identity_embedding_tells_people_apart(shared_data, backbone, name, size, margin, minimum):
    pytest.importorskip("onnxruntime")
    faces = sorted((shared_data / "data" / "london").iterdir())[:24]
    identical = [(f"{p}/neutral.jpg", f"{p}/smiling.jpg") for p in faces]
    rest_of_them = itertools.pairwise(faces)
    pairs = identical + [(f"{p}/neutral.jpg", f"{q}/smiling.jpg") for p, q in rest_of_them]
    crops = FaceAligner(size, margin=margin, batch_size=8).fit_transform(pairs)
    embedder = FaceEmbedder(backbone if name.endswith(".onnx") else name)
    distance = PairDifference("cosine").fit_transform(embedder.fit_transform(crops))
    y = np.r_[np.ones(len(identical)), -np.ones(len(pairs) - len(identical))]
    assert roc_auc_score(y, -distance[:, 0]) > minimum


@pytest.mark.realdata
@pytest.mark.timeout(600)
def test_a_search_swaps_heads_inside_one_pipeline(shared_data, backbone, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = shared_data / "data" / "dfdc_crops"
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    remaining = sorted({row["identity"] for row in rows})[:10]
    rows = [row for row in rows if row["identity"] in remaining]
    table = {key: [row[key] for row in rows] for key in ("identity", "original", "group")}
    table["path"] = [str(folder / row["path"]) for row in rows]
    table["label"] = [int(row["label"]) for row in rows]
    pairs = make_reference_pairs(table, exclude="original", random_state=0)
    groups = np.array(table["group"])[pairs.index[:, 1]]
    detectors = [
        DeepSVDD(max_epochs=5, device="cpu", random_state=0),
        PyODDetector(KNN()),
        GenuineOnly(IsolationForest(random_state=0)),
        MahalanobisDetector(),
        ConformalDetector(GaussianMixtureDetector(1, random_state=0), target_bpcer=0.1),
    ]
    pipeline = make_difffake_pipeline(
        backbone, operator="squared", on_missing="crop", cache=tmp_path
    )
    search = GridSearchCV(
        pipeline,
        {"diff__operator": ["squared", "absolute"], "detect": detectors},
        cv=StratifiedGroupKFold(3),
        scoring="roc_auc",
        error_score="raise",
    ).fit(pairs.data, pairs.target, groups=groups)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 10
    assert (scores > 0.7).all()
    assert len(np.unique(scores)) > 5  # the heads were really swapped
    assert search.predict(pairs.data).shape == pairs.target.shape
