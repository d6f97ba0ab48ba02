"""Detection quality on real photographs: fitted on LFW, scored on crops of the DFDC.

Genuine pairs of people in Labeled Faces in the Wild fit the pipeline; every genuine and fake image
of the DFDC crops is then scored against one genuine reference of its claimed identity. Nothing is
tuned on the latter. Intervals are 95 % intervals over groups of identities.

    python benchmarks/quality/real_pairs.py DATA --backbone mobilefacenet.onnx \\
        --backbone efficientnet-lite0

DATA holds ``lfw/<person>/*.jpg`` and ``dfdc_crops/manifest.csv`` (columns identity, group, path,
label, original).
"""

import argparse
import functools
import json
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_diffake import load_default, make_difffake_pipeline
from sklearn_diffake.metrics import bpcer_at_apcer, confidence_interval, equal_error_rate
from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference, make_reference_pairs

APCER = 0.05


METRICS = {
    "AUC": roc_auc_score,
    "EER": equal_error_rate,
    "BPCER@APCER5": functools.partial(bpcer_at_apcer, apcer=APCER),
}


def lfw_pairs(folder):
    """Pair every image of the people with two or more images with another one of theirs."""
    files = sorted(folder.glob("*/*.jpg"))
    people = pd.Series([file.parent.name for file in files])
    table = pd.DataFrame({"path": [str(file) for file in files], "identity": people})
    return make_reference_pairs(table[people.duplicated(keep=False)], random_state=0)


def read_manifest(folder, *, cleaned):
    """Return the table of the DFDC crops; cleaned: without the labels of `suspect_labels.txt`."""
    table = pd.read_csv(folder / "manifest.csv")
    if cleaned:
        suspects = (folder / "suspect_labels.txt").read_text().split()
        table = table[~table["path"].isin(suspects)].reset_index(drop=True)
    return table


def in_validation_part(groups):
    """Mark the groups of identities on which choices are made; the others are the test part."""
    return np.array([zlib.crc32(str(group).encode()) % 2 == 0 for group in groups])


def dfdc_pairs(folder, k=1):
    """Pair every crop with `k` genuine references of its identity; groups: those to split by."""
    table = pd.read_csv(folder / "manifest.csv")
    table["path"] = [str(folder / path) for path in table["path"]]
    pairs = make_reference_pairs(table, k=k, exclude="original", random_state=0)
    pairs.groups = table["group"].to_numpy()[pairs.index[:, 1]]
    return pairs


class Cosine:
    """The yardstick: cosine similarity of the two embeddings, nothing learned."""

    def fit(self, X):
        return self

    def score_samples(self, X):
        return -PairDifference("cosine").fit_transform(X)[:, 0]


def gaussian_mixture(operator="squared", **parameters):
    detector = GaussianMixtureDetector(random_state=0, **parameters)
    return make_pipeline(PairDifference(operator), detector)


DETECTORS = {
    "cosine": Cosine(),
    "squared + GMM (DiffFake)": gaussian_mixture(),
    "absolute + GMM": gaussian_mixture("absolute"),
    "subtract + GMM": gaussian_mixture("subtract"),
}


def evaluate(backbone, fit_on, score_on, *, align_probes, cache):
    """Return one row of figures for every detector on one backbone."""
    start = time.perf_counter()
    pipeline = make_difffake_pipeline(backbone, on_missing="crop", cache=cache, n_jobs=2, verbose=1)
    embed = pipeline[:2]
    genuine = embed.fit_transform(fit_on.data)
    missing = {"LFW": embed["align"].counts_}
    if align_probes:
        faces = embed["align"].align(score_on.data)
        probes = embed["embed"].transform(faces.crops)
        missing["DFDC"] = faces.counts
    else:
        probes = embed["embed"].transform(score_on.data)
    rows = []
    for name, detector in DETECTORS.items():
        detector = (
            detector.fit(genuine) if isinstance(detector, Cosine) else clone(detector).fit(genuine)
        )
        row = {"backbone": Path(backbone).name, "aligned": align_probes, "head": name}
        rows.append(row | judge(detector, probes, score_on))
        print(rows[-1], flush=True)
    print(missing, f"{time.perf_counter() - start:.0f} s", flush=True)
    return rows


def shipped(score_on, cache):
    """Return the row of the pipeline that comes with the package."""
    pipeline = load_default().set_params(
        align__cache=cache, embed__cache=cache, align__on_missing="crop"
    )
    row = {"backbone": pipeline["embed"].backbone, "aligned": True, "head": "shipped default"}
    row |= judge(pipeline[2:], pipeline[:2].transform(score_on.data), score_on)
    print(row, flush=True)
    return row


def judge(detector, probes, score_on):
    """Return the figures of a fitted head: metrics with intervals, rates at its own threshold."""
    score, row = detector.score_samples(probes), {}
    for metric, function in METRICS.items():
        estimate, low, high = confidence_interval(
            function, score_on.target, score, groups=score_on.groups
        )
        row[metric] = [round(float(value), 4) for value in (estimate, low, high)]
    if hasattr(detector, "predict"):
        rejected = detector.predict(probes) == -1
        row["BPCER at the fitted threshold"] = float(rejected[score_on.target == 1].mean())
        row["APCER at the fitted threshold"] = float((~rejected)[score_on.target == -1].mean())
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", action="append")
    parser.add_argument("--unaligned", action="store_true", help="also take probes as they are")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    fit_on, score_on = lfw_pairs(options.data / "lfw"), dfdc_pairs(options.data / "dfdc_crops")
    result = {
        "fitted on": f"{len(fit_on.target)} genuine LFW pairs of {len(set(fit_on.groups))} people",
        "scored on": f"{(score_on.target == 1).sum()} genuine and {(score_on.target == -1).sum()} "
        f"fake DFDC pairs in {len(set(score_on.groups))} groups",
        "rows": [],
    }
    run = functools.partial(evaluate, fit_on=fit_on, score_on=score_on, cache=options.cache)
    for backbone in options.backbone or ["efficientnet-lite0"]:
        for align_probes in (True, False) if options.unaligned else (True,):
            result["rows"] += run(backbone, align_probes=align_probes)
    result["rows"].append(shipped(score_on, options.cache))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
