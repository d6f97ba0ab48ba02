"""Fit the pipeline that ships in the package: genuine pairs of Labeled Faces in the Wild.

Only people whom the identity network has never seen set the threshold. Writes
``sklearn_diffake/data/default.diffake`` and prints the figures of its model card.

    python benchmarks/fit_default.py DATA

DATA holds ``lfw/<person>/*.jpg``.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from real_pairs import lfw_pairs
from training.distil_identity import held_out

import sklearn_diffake
from sklearn_diffake import make_difffake_pipeline, persistence
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector

TARGET_BPCER = 0.05
FORGERY_WEIGHT = 0.2  # chosen on one half of the groups of another data set, see quality.py
FILE = Path(sklearn_diffake.__file__).parent / "data" / "default.diffake"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    pairs = lfw_pairs(options.data / "lfw")
    unseen = held_out(pairs.groups)
    data, people = pairs.data[unseen], pairs.groups[unseen]
    detector = ConformalDetector(
        SumRuleDetector(),  # it learns nothing: nearly all rows can calibrate it
        target_bpcer=TARGET_BPCER,
        calibration_size=0.95,
        random_state=0,
    )
    pipeline = make_difffake_pipeline(
        ["difffake-lite0-identity", "difffake-lite0-verdict"],
        operator=["cosine", "probe"],
        weights=[1.0, FORGERY_WEIGHT],
        detector=detector,
        on_missing="crop",
        cache=options.cache,
        n_jobs=2,
        verbose=1,
    )
    pipeline.fit(data, detect__groups=people)
    rejected = float((pipeline.predict(data) == -1).mean())
    pipeline.set_params(align__verbose=0, align__on_missing="raise")
    for _, branch in pipeline["features"].transformer_list:
        branch.set_params(embed__verbose=0, embed__cache=None)
    FILE.parent.mkdir(exist_ok=True)
    persistence.save(pipeline, FILE)
    figures = {
        "pairs": len(data),
        "people": len(np.unique(people)),
        "rejected of these": round(rejected, 4),
        "threshold": round(float(pipeline["detect"].offset_), 4),
        "file_kB": FILE.stat().st_size // 1024,
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
