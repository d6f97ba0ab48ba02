"""What the demo shows: rates of each kind of probe, and the pictures of the landing page.

    python benchmarks/quality/demo_portrait.py [--pictures docs/_static/portrait]

The model is the recommended recipe, fitted on genuine re-takes of one photograph; no deepfake of
another person is in it, so that the rates say nothing about other people. The result goes to
benchmarks/results/demo_portrait.json. With --pictures, the face in the reference, the first probe
of each kind, and the first manipulated probe that is accepted, in place of the first of its kind,
are written there as well.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks._results import RESULTS, machine, versions
from sklearn_diffake.demo import run_demo

FACE = (0.2, 0.2, 0.8, 0.8)  # where re-takes show the face, in fractions of their size
SIDE = 220  # of a picture that is written, in pixels


def kinds_of(result):
    """Return the rates of each kind of probe."""
    rows = []
    for kind in dict.fromkeys(result.groups.tolist()):
        decision = result.decision[result.groups == kind]
        rows.append({"kind": kind, "n": len(decision), "accepted": int((decision >= 0).sum())})
    return rows


def shown_probes(result):
    """Return the index of each probe that the landing page shows."""
    missed = np.flatnonzero((result.labels == -1) & (result.decision >= 0))[:1].tolist()
    missed_kinds = set(result.groups[missed].tolist())
    kinds = [row["kind"] for row in kinds_of(result) if row["kind"] not in missed_kinds]
    return [int(np.argmax(result.groups == kind)) for kind in kinds] + missed


def cut(path, box):
    """Return a region of a picture, given in fractions of its size."""
    with Image.open(path) as picture:
        corners = np.rint(np.multiply(box, picture.size * 2)).astype(int).tolist()
        face = picture.convert("RGB").crop(corners)
    return face.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def write_pictures(folder, result):
    """Write the reference and the probes of the landing page."""
    folder.mkdir(parents=True, exist_ok=True)
    reference = cut(result.folder / "reference.png", result.reference_box)
    reference.save(folder / "reference.jpg", quality=85)
    for index in shown_probes(result):
        cut(result.probes[index], FACE).save(folder / result.probes[index].name, quality=85)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run_demo(folder)
        if options.pictures:
            write_pictures(options.pictures, result)
        shown = [
            {"file": result.probes[i].name, "decision": round(float(result.decision[i]), 4)}
            for i in shown_probes(result)
        ]
    figures = {
        "machine": machine(),
        "versions": versions(),
        "n_train": result.n_train,
        "auc": [round(float(value), 4) for value in (result.auc, *result.auc_interval)],
        "kinds": kinds_of(result),
        "shown": shown,
    }
    (RESULTS / "demo_portrait.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
