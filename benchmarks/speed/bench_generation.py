"""Pseudo-deepfakes per second on one core, against the published procedure written plainly.

The yardstick is the procedure of Self-Blended Images and DiffFake as their papers describe it, one
image at a time, every step at full resolution with the obvious calls of OpenCV and numpy. Both get
the same crops and landmarks and draw from the same distributions: the four techniques of the paper,
nothing after blending. Goal: at least 4 times the images a second.

    python benchmarks/speed/bench_generation.py [--photos FOLDER] [--save]
"""

from sklearn_diffake.utils._torchvision import import_torchvision  # isort: skip

import_torchvision()
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import option, run_alone, time_alternately, timed
from sklearn_diffake.generation import PseudoDeepfakeDataset, mean_shape
from sklearn_diffake.generation._masks import outlines

SIZE = 234


def shift_color(image, rng):
    """RGB, then hue, saturation and value, then brightness and contrast."""
    if rng.random() < 0.3:
        shifted = image.astype(np.int16) + rng.integers(-20, 21, 3)
        image = np.clip(shifted, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        h, s, v = rng.uniform(-0.3, 0.3, 3)
        hue = ((hue.astype(np.float32) + h * 90 / np.pi) % 180).astype(np.uint8)
        saturation = np.clip(saturation.astype(np.float32) * (1 + s), 0, 255).astype(np.uint8)
        value = np.clip(value.astype(np.float32) * (1 + v), 0, 255).astype(np.uint8)
        image = cv2.cvtColor(cv2.merge([hue, saturation, value]), cv2.COLOR_HSV2RGB)
    brightness, contrast = rng.uniform(-0.1, 0.1, 2)
    shifted = image.astype(np.float32) * (1 + contrast) + 255 * brightness
    return np.clip(shifted, 0, 255).astype(np.uint8)


def change_detail(image, rng):
    """Down-scale by 2 or 4, or sharpen."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        factor = int(rng.choice([2, 4]))
        low = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
        return cv2.resize(low, (width, height), interpolation=cv2.INTER_LINEAR)
    alpha = rng.uniform(0.2, 0.5)
    kernel = np.full((3, 3), -alpha, np.float32)
    kernel[1, 1] = 1 + 8 * alpha
    return cv2.filter2D(image, -1, kernel)


def draw_family(rng):
    """Half of the draws global in four families, a sixth each for eyes, mouth and lower head."""
    if rng.random() < 0.5:
        return str(rng.choice(["hull", "extended_brow", "parts", "components"]))
    return str(rng.choice(["eyes", "mouth", "lower_head"]))


def deform(mask, rng):
    """Elastic deformation, alpha 50, sigma 7."""
    height, width = mask.shape
    noise = 2 * rng.random((2, height, width), dtype=np.float32) - 1
    dx, dy = (50 * cv2.GaussianBlur(direction, (0, 0), 7) for direction in noise)
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(mask, x + dx, y + dy, cv2.INTER_LINEAR)


def plain(crop, landmarks, rng):
    """One self-blended image, step by step."""
    height, width = crop.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for piece in outlines(draw_family(rng), landmarks):
        cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(piece).astype(np.int32)), 1.0)
    source, target = crop.copy(), crop.copy()
    if rng.random() < 0.5:
        source = change_detail(shift_color(source, rng), rng)
    else:
        target = change_detail(shift_color(target, rng), rng)
    scale = rng.uniform(0.95, 1 / 0.95)
    dx, dy = rng.uniform(-0.03, 0.03) * width, rng.uniform(-0.015, 0.015) * height
    matrix = np.array(
        [[scale, 0, (1 - scale) * width / 2 + dx], [0, scale, (1 - scale) * height / 2 + dy]]
    )
    source = cv2.warpAffine(source, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(mask, matrix, (width, height))
    mask = deform(mask, rng)
    first, second = (int(k) for k in rng.choice(np.arange(5, 26, 2), 2))
    mask = cv2.GaussianBlur(mask, (first, first), 0)
    mask = (mask > 0.98).astype(np.float32)
    mask = cv2.GaussianBlur(mask, (second, second), 0)
    mask = mask * rng.choice([0.25, 0.5, 0.75, 1, 1, 1])
    mask = mask[..., None]
    blended = mask * source.astype(np.float32) + (1 - mask) * target.astype(np.float32)
    return np.clip(blended, 0, 255).astype(np.uint8)


def read_crops(folder, n):
    """Central squares of the first photos of a folder, at the size of the benchmark."""
    crops = []
    for path in sorted(Path(folder).rglob("*.jpg"))[:n]:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        side = min(image.shape[:2])
        top, left_edge = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        crops.append(
            cv2.resize(image[top : top + side, left_edge : left_edge + side], (SIZE, SIZE))
        )
    return np.stack(crops)


def figures(quick=False):
    n, repeats = (32, 3) if quick else (128, 9)
    folder = option("--photos")
    crops = read_crops(folder, n) if folder else smooth_images(n, 240)[:, :SIZE, :SIZE].copy()
    cv2.setNumThreads(1)
    landmarks = mean_shape(SIZE)
    rng = np.random.default_rng(0)
    rows = []
    for measure, techniques, goal in (
        ("the four techniques of the paper", "difffake", ">= 4"),
        ("all techniques of this package", None, None),
    ):
        dataset = PseudoDeepfakeDataset(crops, techniques=techniques)
        times = time_alternately(
            lambda: [dataset[i] for i in range(n)],  # noqa: B023
            lambda: [plain(crop, landmarks, rng) for crop in crops],
            repeats=repeats,
            work=(n, n),
        )
        measure = f"pseudo-deepfakes of {SIZE} pixels, {measure}"
        plainly = "the published procedure, plain OpenCV"
        rows.append(timed(measure, plainly, times, goal=goal, unit="images/s"))
    return rows


if __name__ == "__main__":
    run_alone(figures)
