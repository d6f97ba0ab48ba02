"""Every one-class detector on real photographs, and a search over detectors in one pipeline.

Detectors are fitted on squared differences of genuine LFW pairs and score crops of the DFDC against
one genuine reference (NearestReferenceDetector also against three). Nothing is tuned on the latter;
intervals are 95 % intervals over groups of identities. The search then runs over operators and
detectors on the DFDC pairs of some groups, to show what a GridSearchCV with real pairs costs.

    python benchmarks/quality/real_detectors.py DATA --backbone mobilefacenet.onnx \\
        -o benchmarks/results/real_detectors.json
"""

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pyod.models.knn import KNN
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality.novelty import make_detectors
from benchmarks.quality.real_pairs import Cosine, dfdc_pairs, judge, lfw_pairs
from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    MahalanobisDetector,
    NearestReferenceDetector,
    PyODDetector,
    stack_references,
)
from sklearn_diffake.pairs import PairDifference

SEARCHED_GROUPS = 40


def on_differences(n_features):
    """Return every detector that takes differences, behind the operator."""
    result = {
        name: make_pipeline(PairDifference(), detector)
        for name, detector in make_detectors(n_features, 0).items()
    }
    few = DeepSVDD(max_epochs=5, device="cpu", random_state=0)
    result["DeepSVDD, one-class, 5 epochs"] = make_pipeline(PairDifference(), few)
    calibrated = ConformalDetector(
        GaussianMixtureDetector(random_state=0), target_bpcer=0.05, random_state=0
    )
    result["ConformalDetector(GaussianMixtureDetector)"] = make_pipeline(
        PairDifference(), calibrated
    )
    return result


def timed_row(name, detector, genuine, probes, score_on):
    """Fit, score and judge one head."""
    start = time.perf_counter()
    detector.fit(genuine)
    fitted = time.perf_counter()
    row = {"head": name, **judge(detector, probes, score_on), "fit_s": round(fitted - start, 2)}
    print(row, flush=True)
    return row


def compare(genuine, probes, score_on, candidates, several_on):
    """Return the rows of all detectors, the best first."""
    rows = [
        timed_row(name, head, genuine, probes, score_on)
        for name, head in {"plain cosine": Cosine(), **on_differences(genuine.shape[2])}.items()
    ]
    nearest = NearestReferenceDetector()
    rows.append(
        timed_row("NearestReferenceDetector, one reference", nearest, genuine, probes, score_on)
    )
    X, first = stack_references(candidates, several_on.index[:, 1])
    several_on.target, several_on.groups = several_on.target[first], several_on.groups[first]
    rows.append(
        timed_row("NearestReferenceDetector, three references", nearest, genuine, X, several_on)
    )
    return sorted(rows, key=lambda row: -row["AUC"][0])


def search(backbone, score_on, cache):
    """Search operators and detectors in one pipeline, from paths to verdicts."""
    in_search = np.isin(score_on.groups, np.unique(score_on.groups)[:SEARCHED_GROUPS])
    pairs, y, groups = (
        score_on.data[in_search],
        score_on.target[in_search],
        score_on.groups[in_search],
    )
    grid = {
        "diff__operator": ["squared", "absolute", "subtract"],
        "detect": [
            DeepSVDD(device="cpu", random_state=0),
            PyODDetector(KNN()),
            GaussianMixtureDetector(random_state=0),
            MahalanobisDetector(),
        ],
    }
    pipeline = make_difffake_pipeline(backbone, operator="squared", on_missing="crop", cache=cache)
    start = time.perf_counter()
    fitted_search = GridSearchCV(
        pipeline, grid, cv=StratifiedGroupKFold(3), scoring="roc_auc", error_score="raise"
    ).fit(pairs, y, groups=groups)
    table = pd.DataFrame(fitted_search.cv_results_)
    scores = {
        f"{row.param_diff__operator}, {type(row.param_detect).__name__}": round(
            row.mean_test_score, 4
        )
        for row in table.itertuples()
    }
    figures = {"pairs": len(pairs), "groups": len(set(groups)), "folds": 3, "mean AUC": scores}
    return {**figures, "seconds": round(time.perf_counter() - start, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="efficientnet-lite0")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    dfdc = options.data / "dfdc_crops"
    fit_on, score_on, several_on = (
        lfw_pairs(options.data / "lfw"),
        dfdc_pairs(dfdc),
        dfdc_pairs(dfdc, 3),
    )
    embed = make_difffake_pipeline(
        options.backbone, on_missing="crop", cache=options.cache, n_jobs=2, verbose=1
    )[:2].fit(fit_on.data)
    genuine, probes, reference_templates = (
        embed.transform(pairs.data) for pairs in (fit_on, score_on, several_on)
    )
    found = {
        "backbone": Path(options.backbone).name,
        "fitted on": f"{len(genuine)} genuine LFW pairs of {len(set(fit_on.groups))} people",
        "scored on": f"{len(probes)} DFDC pairs in {len(set(score_on.groups))} groups",
        "rows": compare(genuine, probes, score_on, reference_templates, several_on),
        "search": search(options.backbone, score_on, options.cache),
    }
    print(found["search"])
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
