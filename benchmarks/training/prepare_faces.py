"""Align the photographs that the shipped networks are trained and measured on.

Writes ``faces.npy``, uint8 crops of shape (n, 160, 160, 3) with a margin around the ArcFace crop,
and ``faces.csv`` (path, identity), for one data set:

    python benchmarks/training/prepare_faces.py DATA/lfw "*/*.jpg" OUTPUT \\
        --select central --min-face-size 0.2

The settings are those for LFW, whose people are in the middle, and large.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from sklearn_diffake.embedding.backbones._packaged import CROP
from sklearn_diffake.faces import FaceAligner


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pattern")
    parser.add_argument("output", type=Path)
    parser.add_argument("--select", default="largest", help="which face, as FaceAligner takes it")
    parser.add_argument("--min-face-size", type=float, default=0.08, help="likewise")
    options = parser.parse_args()
    files = sorted(options.folder.glob(options.pattern))
    aligner = FaceAligner(
        **CROP._asdict(),
        select=options.select,
        min_face_size=options.min_face_size,
        on_missing="crop",
        n_jobs=2,
        verbose=1,
    )
    faces = aligner.fit_transform([str(file) for file in files])
    options.output.mkdir(parents=True, exist_ok=True)
    np.save(options.output / "faces.npy", faces)
    with (options.output / "faces.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "identity"])
        for path in files:
            relative = path.relative_to(options.folder)
            rows.writerow([str(relative), relative.parts[0]])
    print(aligner.counts_)


if __name__ == "__main__":
    main()
