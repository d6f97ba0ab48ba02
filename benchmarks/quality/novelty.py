"""Compare all one-class detectors and their peers on fifteen one-class tasks.

Each task has genuine rows and anomalies. Half of the genuine rows, drawn for each of five
seeds, is fitted (standardized on itself); the other half and the anomalies are scored. Peers are
the raw detectors of PyOD. Writes JSON, from which the
documentation makes its table.

    python benchmarks/quality/novelty.py -o benchmarks/results/novelty.json
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits

from sklearn_diffake.novelty import (
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    PyODDetector,
)

SEEDS = 5
EPOCHS, WIDTH = 50, (64, 32)
PYOD = {
    "ECOD": ("ecod", {}),
    "COPOD": ("copod", {}),
    "IForest": ("iforest", {}),
    "KNN": ("knn", {}),
    "LOF": ("lof", {}),
    "OCSVM": ("ocsvm", {}),
    "PCA": ("pca", {}),
    "MCD": ("mcd", {}),
    "GMM": ("gmm", {"n_components": 3}),
    "HBOS": ("hbos", {}),
    "INNE": ("inne", {}),
    "LUNAR": ("lunar", {"n_epochs": EPOCHS}),
    "AutoEncoder": ("auto_encoder", {"epoch_num": EPOCHS, "verbose": 0}),
    "VAE": ("vae", {"epoch_num": EPOCHS, "verbose": 0}),
}


def pyod(name, **parameters):
    """Import a PyOD detector by the name of its class."""
    module, fixed = {**PYOD, "DeepSVDD": ("deep_svdd", {})}[name]
    return getattr(__import__(f"pyod.models.{module}", fromlist=[name]), name)(
        **{**fixed, **parameters}
    )


def pyod_deep_svdd(n_features, seed):
    """PyOD's DeepSVDD as wide as ours, for as many epochs."""
    return pyod(
        "DeepSVDD",
        n_features=n_features,
        hidden_neurons=list(WIDTH),
        epochs=EPOCHS,
        batch_size=32,
        random_state=seed,
        verbose=0,
    )


def make_detectors(n_features, seed):
    """Return every detector of the package, by name."""
    deep = {
        "hidden_layer_sizes": WIDTH[:-1],
        "representation_size": WIDTH[-1],
        "max_epochs": EPOCHS,
        "batch_size": 32,
        "device": "cpu",
        "random_state": seed,
    }
    result = {
        "DeepSVDD, one-class": DeepSVDD(**deep),
        "DeepSVDD, soft-boundary": DeepSVDD("soft-boundary", **deep),
        "DeepSVDD, pretrained": DeepSVDD(pretrain_epochs=EPOCHS, **deep),
        "GaussianMixtureDetector": GaussianMixtureDetector(random_state=seed),
        "MahalanobisDetector": MahalanobisDetector(),
        "GenuineOnly(OneClassSVM)": GenuineOnly(OneClassSVM(nu=0.1)),
        "GenuineOnly(IsolationForest)": GenuineOnly(IsolationForest(random_state=seed)),
        "GenuineOnly(LocalOutlierFactor)": GenuineOnly(LocalOutlierFactor(novelty=True)),
        "GenuineOnly(EllipticEnvelope)": GenuineOnly(EllipticEnvelope(random_state=seed)),
    }
    for name in PYOD:
        result[f"PyODDetector({name})"] = PyODDetector(pyod(name), random_state=seed)
    result["PyODDetector(DeepSVDD)"] = PyODDetector(
        pyod_deep_svdd(n_features, seed), random_state=seed
    )
    return result


def peers(n_features, seed):
    """Return what others offer, as it is."""
    return {
        "peer: pyod DeepSVDD": pyod_deep_svdd(n_features, seed),
        "peer: pyod GMM": pyod("GMM", random_state=seed),
    }


def tasks():
    """Yield the name, the genuine rows and the anomalies of each task."""
    X, y = load_digits(return_X_y=True)
    for digit in range(10):
        yield f"digits, {digit} genuine", X[y == digit], X[y != digit]
    X, y = load_breast_cancer(return_X_y=True)
    yield "breast cancer, benign genuine", X[y == 1], X[y == 0]
    X, y = load_wine(return_X_y=True)
    yield "wine, second kind genuine", X[y == 1], X[y != 1]
    X, y = make_classification(
        1500, 54, n_informative=10, n_classes=3, n_clusters_per_class=2, random_state=0
    )
    yield "cover types (synthetic)", X[y == 0], X[y != 0]
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(scale=0.08, size=(600, 2))
    yield "planted ring", ring, rng.normal(scale=0.3, size=(300, 2))
    plane = rng.normal(size=(600, 5)) @ rng.normal(size=(5, 40))
    plane += rng.normal(scale=0.3, size=plane.shape)
    mixed = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 40))
    yield "shifted subspace", plane, mixed + rng.normal(scale=0.3, size=mixed.shape)


def run(task, genuine, anomalies, seed):
    """Fit and score everything once; return rows of results."""
    warnings.simplefilter("ignore")
    fit_on, held_out = train_test_split(genuine, test_size=0.5, random_state=seed)
    scaler = StandardScaler().fit(fit_on)
    rng = np.random.default_rng(seed)
    anomalies = anomalies[rng.permutation(len(anomalies))[:500]]
    X = scaler.transform(np.concatenate([held_out, anomalies]))
    y = np.repeat([1, -1], [len(held_out), len(anomalies)])
    rows = []
    fit_on = scaler.transform(fit_on)
    all_detectors = {**make_detectors(X.shape[1], seed), **peers(X.shape[1], seed)}
    for name, detector_name in all_detectors.items():
        with threadpool_limits(limits=1):
            start = time.perf_counter()
            detector_name.fit(fit_on)
            fitted = time.perf_counter()
            score = (
                -detector_name.decision_function(X)
                if "peer" in name
                else detector_name.score_samples(X)
            )
            scored = time.perf_counter()
        row = {"task": task, "seed": seed, "head": name, "auc": roc_auc_score(y, score)}
        row["fit_s"], row["score_s"] = fitted - start, scored - fitted
        if hasattr(detector_name, "history_"):
            losses = [epoch["train_loss"] for epoch in detector_name.history_]
            row["first_loss"], row["last_loss"] = losses[0], losses[-1]
        rows.append(row)
    return rows


def summary(rows):
    """Average over seeds, then over tasks: one row for each detector, the best first."""
    table = []
    for detector_name in dict.fromkeys(row["head"] for row in rows):
        rows_of_detector = [row for row in rows if row["head"] == detector_name]
        digits = [row["auc"] for row in rows_of_detector if row["task"].startswith("digits")]
        by_task = [
            [row["auc"] for row in rows_of_detector if row["task"] == task]
            for task in dict.fromkeys(row["task"] for row in rows_of_detector)
        ]
        entry = {"head": detector_name, "auc": np.mean(by_task), "digits_auc": np.mean(digits)}
        entry["spread"] = np.mean(np.std(by_task, axis=1))
        entry["worst_task"] = np.min(np.mean(by_task, axis=1))
        entry["fit_s"] = np.mean([row["fit_s"] for row in rows_of_detector])
        entry["score_s"] = np.mean([row["score_s"] for row in rows_of_detector])
        if "first_loss" in rows_of_detector[0]:
            entry["first_loss"] = np.mean([row["first_loss"] for row in rows_of_detector])
            entry["last_loss"] = np.mean([row["last_loss"] for row in rows_of_detector])
        table.append({k: v if k == "head" else round(float(v), 4) for k, v in entry.items()})
    return sorted(table, key=lambda entry: -entry["auc"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    jobs = [(*task, seed) for task in tasks() for seed in range(options.seeds)]
    results = Parallel(n_jobs=2, verbose=5)(delayed(run)(*job) for job in jobs)
    rows = [row for result in results for row in result]
    table = summary(rows)
    for entry in table:
        print(
            f"{entry['head']:34} AUC {entry['auc']:.3f} +- {entry['spread']:.3f}"
            f"  digits {entry['digits_auc']:.3f}  fit {entry['fit_s']:.2f} s"
        )
    if options.output:
        summary_result = {"seeds": options.seeds, "epochs": EPOCHS, "summary": table}
        by_task = {}
        for row in rows:
            by_task.setdefault(row["task"], {}).setdefault(row["head"], []).append(row["auc"])
        summary_result["mean auc by task"] = {
            task: {
                detector_name: round(float(np.mean(auc)), 4)
                for detector_name, auc in by_head.items()
            }
            for task, by_head in by_task.items()
        }
        options.output.write_text(json.dumps(summary_result, indent=1) + "\n")


if __name__ == "__main__":
    main()
