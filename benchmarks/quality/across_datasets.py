"""GridSearchCV across data sets: operators x detectors, chosen where they were not fitted.

Three data sets, one left out in turn by LeaveOneDatasetOut: genuine pairs of Labeled Faces in the
Wild against pseudo-deepfakes of them that swap the inner face; crops of the Deepfake Detection
Challenge; rendered faces of make_face_pairs. Detectors are fitted on genuine pairs of two of them
and judged by ROC-AUC on the third. The embedder keeps every image in a store, and is counted.

    python benchmarks/quality/across_datasets.py FACES DATA/dfdc_crops \\
        -o benchmarks/results/across_datasets.json

FACES holds the folders lfw and dfdc_crops that training/prepare_faces.py wrote.
"""

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pyod.models.copod import COPOD
from pyod.models.knn import KNN
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training.distil_identity import held_out
from sklearn_diffake.datasets import make_face_pairs
from sklearn_diffake.embedding import EmbeddingStore, FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.model_selection import LeaveOneDatasetOut
from sklearn_diffake.novelty import (
    DeepSVDD,
    GaussianMixtureDetector,
    MahalanobisDetector,
    PyODDetector,
)
from sklearn_diffake.pairs import PairDifference, make_reference_pairs

PAIRS = 400  # of each data set
OPERATORS = ["squared", "absolute", "subtract"]
DETECTORS = [
    GaussianMixtureDetector(random_state=0, shrinkage="auto"),
    MahalanobisDetector(),
    DeepSVDD(max_epochs=5, device="cpu", random_state=0),
    PyODDetector(KNN()),
    PyODDetector(COPOD()),
]


def lfw(folder):
    """Genuine pairs of people whom no shipped network has seen; half the probes are swapped."""
    crops, table = np.load(folder / "faces.npy", mmap_mode="r"), pd.read_csv(folder / "faces.csv")
    is_held_out = held_out(table["identity"])
    crops, table = crops[is_held_out], table[is_held_out].reset_index(drop=True)
    table = table[table["identity"].duplicated(keep=False)].reset_index(names="row")
    pairs = make_reference_pairs(table, random_state=0)
    index = table["row"].to_numpy()[pairs.index][:PAIRS]
    X = crops[index]
    people = table.set_index("row")["identity"][index[:, 1]].to_numpy()
    y = np.where(np.arange(len(X)) % 2, -1, 1)
    generator = PseudoDeepfakeGenerator(["identity_swap"], margin=0.2, random_state=0)
    X[y == -1, 1] = generator.fit_transform(X[y == -1, 1])
    return X, y, people


def dfdc(folder, data):
    """Genuine and fake probes, each with a genuine reference of the claimed identity."""
    crops = np.load(folder / "faces.npy", mmap_mode="r")
    rows = pd.Series(np.arange(len(crops)), pd.read_csv(folder / "faces.csv")["path"])
    manifest = pd.read_csv(data / "manifest.csv")
    pairs = make_reference_pairs(manifest, exclude="original", random_state=0)
    row_sample = np.sort(np.random.default_rng(0).permutation(len(pairs.index))[:PAIRS])
    index = pairs.index[row_sample]
    groups = manifest["group"].to_numpy()[index[:, 1]].astype(str)
    return crops[rows.loc[manifest["path"]].to_numpy()[index]], pairs.target[row_sample], groups


def rendered():
    rendered_pairs = make_face_pairs(PAIRS, random_state=0)
    crops = FaceAligner(160, margin=0.2, on_missing="crop", verbose=1).fit_transform(
        rendered_pairs.data
    )
    return crops, rendered_pairs.target, rendered_pairs.frame["identity"].to_numpy().astype(str)


def name_of(detector):
    return type(getattr(detector, "detector", detector)).__name__


def summarize(search, names, seconds):
    """Return one row for each candidate: its AUC on each data set that was left out."""
    table = pd.DataFrame(search.cv_results_)
    rows = []
    for _, row in table.sort_values("rank_test_score").iterrows():
        aucs = [round(float(row[f"split{i}_test_score"]), 4) for i in range(len(names))]
        rows.append(
            {"operator": row["param_diff__operator"], "head": name_of(row["param_detect"])}
            | dict(zip(names, aucs, strict=True))
            | {"mean": round(float(row["mean_test_score"]), 4)}
        )
    return {"seconds": round(seconds, 1), "rows": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("dfdc", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    by_dataset = {
        "DFDC": dfdc(options.faces / "dfdc_crops", options.dfdc),
        "LFW": lfw(options.faces / "lfw"),
        "rendered": rendered(),
    }
    X, y, people = (np.concatenate([entry[i] for entry in by_dataset.values()]) for i in range(3))
    dataset = np.repeat(list(by_dataset), [len(entry[1]) for entry in by_dataset.values()])
    distinct = len({image.tobytes() for pair in X for image in pair})
    result = {
        "pairs": len(X),
        "fakes": int((y == -1).sum()),
        "distinct images": distinct,
        "people": len(set(zip(dataset, people, strict=True))),
    }
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        store = EmbeddingStore(folder)
        pipeline = Pipeline(
            [
                ("embed", FaceEmbedder("difffake-lite0-identity", cache=store)),
                ("diff", PairDifference()),
                ("detect", DETECTORS[0]),
            ]
        )
        grid = {"diff__operator": OPERATORS, "detect": DETECTORS}
        settings = {"cv": LeaveOneDatasetOut(), "scoring": "roc_auc", "error_score": "raise"}
        for name, search in (
            ("grid", GridSearchCV(pipeline, grid, **settings)),
            ("halving", HalvingGridSearchCV(pipeline, grid, random_state=0, **settings)),
        ):
            n_writes_before, start = store.info()["writes"], time.perf_counter()
            search.fit(X, y, groups=dataset)
            seconds = time.perf_counter() - start
            result[name] = {"images embedded": store.info()["writes"] - n_writes_before}
            if name == "grid":
                names = [str(name) for name in np.unique(dataset)]
                result[name] |= summarize(search, names, seconds)
            else:
                result[name] |= {
                    "seconds": round(seconds, 1),
                    "best operator": search.best_params_["diff__operator"],
                    "best head": name_of(search.best_params_["detect"]),
                    "AUC": round(float(search.best_score_), 4),
                    "rounds": int(search.n_iterations_),
                }
            print(result[name], flush=True)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
