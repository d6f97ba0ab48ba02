"""Fit the pipeline that comes with the package: identity by dlib's network, genuine LFW people.

The threshold of each number of references and probe images is set on nine in ten of the people in
Labeled Faces in the Wild with two or more photographs; the face in the center is taken, as the data
set was made. The others are the check: how many of their genuine pairs are rejected. Writes
``sklearn_diffake/data/default.diffake`` and ``results/default_calibration.json``.

    python benchmarks/training/fit_default.py DATA --cache CACHE

DATA holds ``lfw/<person>/*.jpg``.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
import sklearn_diffake
from benchmarks._results import RESULTS
from benchmarks.quality.real_pairs import lfw_pairs
from benchmarks.quality.verdict_calibration import evidence_of
from benchmarks.training.distil_identity import held_out
from sklearn_diffake import make_difffake_pipeline, persistence, recalibrate
from sklearn_diffake.inspection._split_pipeline import split_pipeline
from sklearn_diffake.metrics import bpcer, confidence_interval

FILE = Path(sklearn_diffake.__file__).parent / "data" / "default.diffake"


def build(cache):
    """Return the recipe, unfitted, as it reads the photographs of LFW."""
    return make_difffake_pipeline(
        mode="reference", select="central", on_missing="skip", cache=cache, n_jobs=2,
        random_state=0, verbose=1,
    )  # fmt: skip


def photos_of(folder, *, unseen):
    """Return the photographs of people with two or more: those of the check, or all others."""
    people = {person.name: sorted(map(str, person.glob("*.jpg"))) for person in folder.iterdir()}
    names = sorted(name for name, paths in people.items() if len(paths) > 1)
    in_part = held_out(names) == unseen
    return {name: people[name] for name, keep in zip(names, in_part, strict=True) if keep}


def check(model, people):
    """Return the BPCER in each category of people who were not calibrated on, with intervals."""
    evidence = evidence_of(split_pipeline(model, stores=True), people, np.random.RandomState(0))
    p = model[-1].p_of_scores(evidence.scores, evidence.n_images)
    for k, m in np.unique(evidence.n_images, axis=0).tolist():
        rows = (evidence.n_images == (k, m)).all(axis=1)
        rejected = p[rows] <= model[-1].level_of(k, m)
        codes = evidence.codes[rows]
        interval = confidence_interval(
            bpcer, np.ones(len(codes), int), np.where(rejected, -1.0, 1.0), groups=codes
        )
        yield {
            "references": k,
            "probes": m,
            "calibrated as": [int(n) for n in model[-1].category_of(k, m)],
            "people": len(np.unique(codes)),
            "pairs of templates": len(codes),
            "BPCER": [round(float(value), 4) for value in interval],
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    pairs = lfw_pairs(options.data / "lfw")
    in_training = ~held_out(pairs.groups)
    data, people = pairs.data[in_training], pairs.groups[in_training]
    pipeline = build(options.cache).fit(data, detect__groups=people)
    model, report = recalibrate(
        pipeline, data, people, interchangeable=True, return_report=True, verbose=1
    )
    print(report)
    unseen = photos_of(options.data / "lfw", unseen=True)
    figures = {
        "target BPCER": model[-1].target_bpcer,
        "people": report.n,
        "pairs": report.n_pairs,
        "photographs": report.n_pictures,
        "rows without a usable face, left out": len(report.left_out_rows),
        "categories": [vars(category) for category in report.categories],
        "check": list(check(model, unseen)),
    }
    model.set_params(
        align__verbose=0, align__on_missing="raise", align__cache=None, align__n_jobs=None,
        align__select="largest", embed__verbose=0, embed__cache=None, embed__n_jobs=None,
    )  # fmt: skip
    persistence.save(model, FILE, public=True)
    figures["file_kB"] = FILE.stat().st_size // 1024
    print(json.dumps(figures, indent=1))
    (RESULTS / "default_calibration.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
