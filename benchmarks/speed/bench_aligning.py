"""Faces of whole photographs with two jobs; an upright face cut out against other libraries.

FaceAligner decodes photographs, detects their faces and cuts them, with two jobs against one, and
against two processes with one job each, which share nothing but the machine: they show what two
cores can give. The crops must be the same. The photographs are those of ``--data FOLDER`` (its
``lfw``), else re-takes of the demo's.

    python benchmarks/speed/bench_aligning.py [--data FOLDER] [--quick] [--save]

Then the cut alone: a photograph of 1920 x 1080 pixels, a crop of 160 that shows a fifth to a third
of its width. Ours turns the face upright and averages pixels first; torchvision and Pillow crop and
scale without a turn; OpenCV turns without averaging.
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import itertools
import sys
import tempfile
from pathlib import Path

import cv2
import joblib
import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resized_crop

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import option, run_alone, time_alternately, timed
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.faces._geometry import fit_similarity, template, warp
from sklearn_diffake.generation._portrait import Portrait, retake

SIZE = 160


def faces(n):
    """Return photographs of noise, the five points of the face in each, and its box."""
    rng, grain = np.random.default_rng(0), smooth_images(1, 1920)[0][:1080]
    outputs = []
    for _ in range(n):
        noise = rng.integers(0, 24, (1080, 1920, 3), dtype=np.uint8)
        side, angle = rng.uniform(400, 640), rng.uniform(-0.3, 0.3)
        left, top = rng.uniform(0, 1900 - side), rng.uniform(0, 1070 - side)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = (template(1, 0.2) - 0.5) @ turn * side + [left + side / 2, top + side / 2]
        box = [int(value) for value in (top, left, side, side)]
        outputs.append((grain // 2 + noise, points, box))
    return outputs


def align_ours(photo, points, box):
    return warp(photo, fit_similarity(points, template(SIZE, 0.2)), SIZE)


def with_torchvision(photo, points, box):
    tensor = torch.from_numpy(photo).permute(2, 0, 1)
    scaled = resized_crop(tensor, *box, [SIZE, SIZE], InterpolationMode.BICUBIC, antialias=True)
    return scaled.permute(1, 2, 0).numpy()


def with_pillow(photo, points, box):
    top, left, height, width = box
    image = Image.fromarray(photo).crop((left, top, left + width, top + height))
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def with_opencv(photo, points, box):
    matrix, _ = cv2.estimateAffinePartial2D(points, template(SIZE, 0.2))
    return cv2.warpAffine(photo, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC)


def photographs(n, folder):
    """Return paths of n photographs of faces, and what they are."""
    if data := option("--data"):
        paths = itertools.islice(sorted(Path(data, "lfw").rglob("*.jpg")), n)
        return [str(path) for path in paths], "photographs of LFW"
    from skimage.data import astronaut

    photo = astronaut()
    (points,) = FaceAligner().align([photo]).landmarks.astype(float)
    portrait, rng = Portrait(photo, points).cut(), np.random.default_rng(0)
    paths = [Path(folder, f"{i}.jpg") for i in range(n)]
    for path in paths:
        path.write_bytes(retake(portrait, rng))
    return list(map(str, paths)), "re-takes of the demo's photograph"


def jobs(n, repeats):
    """Return rows of two jobs against one, and against two processes, on whole photographs."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths, description = photographs(n, folder)
        measure = f"{description} aligned by FaceAligner(n_jobs=2)"
        single_job, two_jobs = (FaceAligner(SIZE, on_missing="crop", n_jobs=k) for k in (1, 2))
        halves, processes = (paths[::2], paths[1::2]), joblib.Parallel(n_jobs=2)

        def in_processes():
            tasks = (joblib.delayed(single_job.transform)(half) for half in halves)
            crops = np.empty((n, SIZE, SIZE, 3), np.uint8)
            crops[::2], crops[1::2] = processes(tasks)
            return crops

        for yardstick, align, goal in (
            ("n_jobs=1, the same crops", lambda: single_job.transform(paths), ">= 1.7"),
            ("two processes with n_jobs=1, the same crops", in_processes, None),
        ):
            if not np.array_equal(align(), two_jobs.transform(paths)):
                raise AssertionError(f"two jobs cut other crops than {yardstick}")
            times = time_alternately(
                lambda: two_jobs.transform(paths), align, repeats=repeats, work=(n, n)
            )
            rows.append(timed(measure, yardstick, times, goal=goal, unit="images/s"))
    return rows


def figures(quick=False):
    n, repeats = (20, 3) if quick else (60, 9)
    face_data, rows = faces(n), jobs(24 if quick else 200, 3 if quick else 5)
    for name, plain in (
        ("torchvision, crop and scale", with_torchvision),
        ("Pillow, crop and scale", with_pillow),
        ("OpenCV, warp without averaging", with_opencv),
    ):
        times = time_alternately(
            lambda: [align_ours(*face) for face in face_data],
            lambda: [plain(*face) for face in face_data],  # noqa: B023
            repeats=repeats,
            work=(n, n),
        )
        rows.append(timed(f"aligned crop of {SIZE} pixels", name, times, unit="images/s"))
    return rows


if __name__ == "__main__":
    run_alone(figures)
