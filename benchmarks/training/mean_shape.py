"""Measure the mean shape of aligned faces and its regression, and how well they agree with dlib.

Takes a folder with one subfolder of photos a person, such as Labeled Faces in the Wild. One photo
of every chosen person is aligned, dlib finds its 68 landmarks; every ninth person serves to
compare, all others to measure. The agreement is the IoU of the convex hulls of the 68 points, for
the whole hull and for the part of it in a crop without margin. With --save the numbers are written
into the package.

    python benchmarks/training/mean_shape.py FOLDER [--people 2900] [--cache FOLDER] [--save]
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

import sklearn_diffake.generation as generation
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.generation._landmarks import (
    _crop_transform,
    _model,
    dlib_landmarks,
    fitted_shape,
    mean_shape,
    regression_input,
)

SIZE, MARGIN = 224, 0.25  # pixels, room around the ArcFace crop
PENALTY, RANK = 0.1, 16  # of the ridge regression: per face and feature; directions of movement
FILE = Path(generation.__file__).with_name("mean_shape.npz")
BATCH = 100


def photos(folder, n):
    """First photo of each of the first n people."""
    people = sorted(p for p in Path(folder).iterdir() if p.is_dir())[:n]
    return np.array([str(min(p.glob("*.jpg"))) for p in people], dtype=object)


def look(folder, people, cache):
    """Return crops, the aligner's five points and dlib's 68, in pixels; every batch is let go."""
    aligner = FaceAligner(SIZE, margin=MARGIN, on_missing="crop", cache=cache, device="cpu")
    paths = photos(folder, people)
    for start in range(0, len(paths), BATCH):
        faces = aligner.align(paths[start : start + BATCH])
        for crop, five in zip(faces.crops, faces.crop_landmarks, strict=True):
            if np.isfinite(five).all():
                yield crop, five, dlib_landmarks(crop, margin=MARGIN)


def unplace(points, frame):
    """From pixels to shares of the ArcFace crop."""
    return (points - frame[:, 2]) @ np.linalg.inv(frame[:, :2]).T


def regress(faces, with_points, mean):
    """Ridge regression of reduced rank from what `fitted_shape` looks at to the movement."""
    features, moves = [], []
    for crop, five, truth in faces:
        points = five if with_points else None
        input_image, frame = regression_input(crop, margin=MARGIN, points=points)
        features.append(input_image)
        moves.append((unplace(truth, frame) - mean).ravel())
    usual = np.mean(features, axis=0)
    inputs, moves = np.array(features) - usual, np.array(moves)
    gram = inputs.T @ inputs + PENALTY * len(inputs) * np.eye(len(usual))
    weights = np.linalg.solve(gram, inputs.T @ moves)
    directions = np.linalg.svd(inputs @ weights, full_matrices=False)[2][:RANK]
    return {"usual": usual, "in": weights @ directions.T, "out": directions}


def measure(faces):
    """Mean shape, and the regressions from pixels alone and from pixels and five points."""
    frame = _crop_transform(SIZE, MARGIN)
    mean = np.mean([unplace(truth, frame) for _, _, truth in faces], axis=0)
    numbers = {"mean": mean}
    for name in ("pixels", "points"):
        for part_name, values in regress(faces, name == "points", mean).items():
            numbers[f"{name}_{part_name}"] = values
    return {name: values.astype(np.float32) for name, values in numbers.items()}


def hull(points, margin):
    """Fill the convex hull of points in shares; clipped to the crop of that margin."""
    canvas = np.zeros((400, 400), np.uint8)
    corners = (np.asarray(points, np.float32) + margin) / (1 + 2 * margin) * 400
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.rint(corners).astype(np.int32)), 1)
    return canvas.astype(bool)


def agreement(shapes, truths, margin):
    """IoU of hulls: median, tenth percentile, fraction of bad ones."""
    hulls = [(hull(a, margin), hull(b, margin)) for a, b in zip(shapes, truths, strict=True)]
    ious = np.array([(a & b).sum() / (a | b).sum() for a, b in hulls])
    return {
        "median": round(float(np.median(ious)), 4),
        "p10": round(float(np.quantile(ious, 0.1)), 4),
        "share_below_0.8": round(float(np.mean(ious < 0.8)), 4),
    }


def compare(faces):
    """IoU with dlib's hull: of the mean shape, fitted to the pixels, and to the five points too."""
    frame = _crop_transform(SIZE, MARGIN)
    shapes = {
        "mean": [mean_shape(SIZE, margin=MARGIN)] * len(faces),
        "default": [fitted_shape(crop, margin=MARGIN) for crop, _, _ in faces],
        "default, five points known": [fitted_shape(crop, points=p) for crop, p, _ in faces],
    }
    truths = [unplace(truth, frame) for _, _, truth in faces]
    return {
        name: {
            region: agreement([unplace(s, frame) for s in shape], truths, margin)
            for region, margin in (("whole hull", 0.5), ("within a crop without margin", 0.0))
        }
        for name, shape in shapes.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--people", type=int, default=2900)
    parser.add_argument("--cache", default=None)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    measured, compared = [], []
    for number, face in enumerate(look(args.folder, args.people, args.cache)):
        (measured if number % 9 else compared).append(face)
    numbers = measure(measured)
    if args.save:
        np.savez_compressed(FILE, **{n: v.astype(np.float16) for n, v in numbers.items()})
    else:
        _model.cache_clear()
        generation._landmarks._model = lambda: numbers
    figures = {"measured_on": len(measured), "compared_on": len(compared)}
    print(json.dumps({**figures, **compare(compared)}, indent=1))


if __name__ == "__main__":
    main()
