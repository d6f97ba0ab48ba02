"""Artifacts of forgeries: one function draws the parameters of each, another applies it.

Every ``draw_*`` takes a generator and returns a dict of plain numbers; every function that applies
one takes ``(cv2, patch, parameters, mask)``: the source under the mask, (H, W, 3)
uint8 RGB, and the mask there, (H, W) uint8; and returns the changed patch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Record = dict[str, Any]
Patch = NDArray[np.uint8]


def draw_detail(rng: np.random.Generator) -> Record:
    """Draw a change of detail: down-scaling by 2 or 4, or sharpening with alpha .2 to .5."""
    if rng.random() < 0.5:
        return {"kind": "downscale", "factor": 2 if rng.random() < 0.5 else 4}
    return {"kind": "sharpen", "alpha": float(rng.uniform(0.2, 0.5))}


def change_detail(cv2: Any, image: Patch, detail: Record) -> Patch:
    """Lose detail by scaling down and up, or exaggerate it by sharpening."""
    if detail["kind"] == "downscale":
        return _downscale(cv2, image, detail["factor"], cv2.INTER_LINEAR)
    alpha = detail["alpha"]
    kernel = np.full((3, 3), -alpha, np.float32)
    kernel[1, 1] = 1 + 8 * alpha
    return cv2.filter2D(image, -1, kernel)


def _downscale(cv2: Any, image: Patch, factor: int, interpolation: int) -> Patch:
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    low = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(low, (width, height), interpolation=interpolation)


def draw_upsampling_grid(rng: np.random.Generator) -> Record:
    """Draw the traces of a decoder: lost detail and a faint periodic grid."""
    period = int(rng.choice([2, 4, 8]))
    return {
        "kernel": str(rng.choice(["nearest", "linear", "cubic"])),
        "keep": float(rng.uniform(0.2, 0.7)),
        "period": period,
        "pattern": rng.uniform(-1, 1, period * period).tolist(),
        "amplitude": float(rng.uniform(0.015, 0.06)),
    }


def upsampling_grid(cv2: Any, patch: Patch, grid: Record, mask: Patch) -> Patch:
    """Rebuild the patch from half its resolution under a periodic gain."""
    methods = {
        "nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC
    }  # fmt: skip
    rebuilt = _downscale(cv2, patch, 2, methods[grid["kernel"]])
    mixed = cv2.addWeighted(patch, grid["keep"], rebuilt, 1 - grid["keep"], 0)
    return _multiply(cv2, mixed, decoder_gain(grid, patch.shape))


def decoder_gain(
    grid: Record, shape: tuple[int, ...], strength: float = 1.0
) -> NDArray[np.float32]:
    """Return the periodic gain (H, W) that a decoder leaves, its amplitude times `strength`."""
    period, (height, width) = grid["period"], shape[:2]
    tile = np.array(grid["pattern"], np.float32).reshape(period, period)
    tile = (tile - tile.mean()) / max(float(tile.std()), 1e-3)
    tile = 1 + np.float32(strength * grid["amplitude"]) * tile
    return np.tile(tile, (-(-height // period), -(-width // period)))[:height, :width]


def draw_spectral_notch(rng: np.random.Generator) -> Record:
    """Draw a band of spatial frequencies that is weakened, or one frequency that is added."""
    angle = float(rng.uniform(0, np.pi))
    if rng.random() < 0.5:
        frequency, amplitude = float(rng.uniform(0.1, 0.45)), float(rng.uniform(3, 8))
        return {"kind": "peak", "frequency": frequency, "angle": angle, "amplitude": amplitude}
    frequency, octaves = float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.6, 1.2))
    gain = float(rng.uniform(0, 0.3))
    return {"kind": "notch", "frequency": frequency, "octaves": octaves, "gain": gain}


def spectral_notch(cv2: Any, patch: Patch, notch: Record, mask: Patch) -> Patch:
    """Weaken a ring of the luma's spectrum, or add a wave; frequencies in cycles per pixel."""
    height, width = patch.shape[:2]
    if notch["kind"] == "peak":
        x, y = np.arange(width), np.arange(height)[:, None]
        along = np.cos(notch["angle"]) * x + np.sin(notch["angle"]) * y
        change = notch["amplitude"] * np.cos(2 * np.pi * notch["frequency"] * along)
    else:
        luma = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
        change = _ring(cv2, luma, notch["frequency"], notch["octaves"]) * (notch["gain"] - 1)
    return cv2.add(patch, cv2.merge([change.astype(np.float32)] * 3), dtype=cv2.CV_8U)


def _ring(cv2: Any, luma: NDArray[np.float32], frequency: float, octaves: float) -> NDArray:
    """Filter an image to the frequencies of a ring with soft edges."""
    size = [cv2.getOptimalDFTSize(side + 16) for side in luma.shape]
    bottom, right = size[0] - luma.shape[0], size[1] - luma.shape[1]
    padded = cv2.copyMakeBorder(luma, 0, bottom, 0, right, cv2.BORDER_REFLECT)
    rows, columns = (np.fft.fftfreq(side).astype(np.float32) for side in size)
    radius = np.hypot(rows[:, None], columns)
    radius[0, 0] = 1e-6  # the mean level belongs to no ring
    ring = np.exp(-2 * (np.log2(radius / np.float32(frequency)) / np.float32(octaves)) ** 2)
    spectrum = cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT) * ring[..., None]
    filtered = cv2.dft(spectrum, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
    return filtered[: luma.shape[0], : luma.shape[1]]


def draw_texture_mismatch(rng: np.random.Generator) -> Record:
    """Draw a mismatch of texture: softer, blurred by motion, noisier, or compressed again."""
    kind = str(rng.choice(["soften", "motion", "noise", "recompress"]))
    if kind == "soften":
        return {"kind": kind, "sigma": float(rng.uniform(0.7, 1.8))}
    if kind == "motion":
        length, angle = int(rng.choice([3, 5, 7, 9])), float(rng.uniform(0, np.pi))
        return {"kind": kind, "length": length, "angle": angle}
    if kind == "noise":
        level, grain = float(rng.uniform(3, 10)), float(rng.uniform(0, 1))
        return {"kind": kind, "level": level, "grain": grain, "seed": int(rng.integers(2**32))}
    return {"kind": kind, "quality": int(rng.integers(15, 55))}


def texture_mismatch(cv2: Any, patch: Patch, texture: Record, mask: Patch) -> Patch:
    """Give the patch another texture than its surroundings."""
    kind = texture["kind"]
    if kind == "soften":
        return cv2.GaussianBlur(patch, (0, 0), texture["sigma"])
    if kind == "motion":
        return cv2.filter2D(patch, -1, _streak(cv2, texture["length"], texture["angle"]))
    if kind == "recompress":
        return jpeg(cv2, patch, texture["quality"])
    rng = np.random.default_rng(texture["seed"])
    noise = rng.standard_normal(patch.shape[:2], dtype=np.float32)
    if texture["grain"] > 0.3:
        noise = cv2.GaussianBlur(noise, (0, 0), texture["grain"])
        noise /= max(float(noise.std()), 1e-3)
    return cv2.add(patch, cv2.merge([noise * texture["level"]] * 3), dtype=cv2.CV_8U)


def _streak(cv2: Any, length: int, angle: float) -> NDArray[np.float32]:
    along = np.linspace(-0.5, 0.5, 4 * length) * (length - 1)
    kernel = np.zeros((length, length), np.float32)
    center = (length - 1) / 2
    rows = np.rint(center + along * np.sin(angle)).astype(int)
    columns = np.rint(center + along * np.cos(angle)).astype(int)
    np.add.at(kernel, (rows, columns), 1)
    return kernel / kernel.sum()


def draw_lighting_mismatch(rng: np.random.Generator) -> Record:
    """Draw a light from another side: direction, strength and warmth."""
    return {
        "angle": float(rng.uniform(0, 2 * np.pi)),
        "amplitude": float(rng.uniform(0.12, 0.4)),
        "warmth": float(rng.uniform(-0.06, 0.06)),
    }


def lighting_mismatch(cv2: Any, patch: Patch, light: Record, mask: Patch) -> Patch:
    """Shade the patch from one side to the other."""
    return cv2.multiply(patch, light_gain(light, patch.shape), dtype=cv2.CV_8U)


def light_gain(light: Record, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the gain (H, W, 3) of a light that comes from one side."""
    height, width = shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    slope = np.tanh(1.5 * (np.cos(light["angle"]) * x + np.sin(light["angle"]) * y))
    gain = 1 + light["amplitude"] * slope
    warmth = np.array([1 + light["warmth"], 1, 1 - light["warmth"]], np.float32)
    return (gain[..., None] * warmth).astype(np.float32)


def draw_halo(rng: np.random.Generator) -> Record:
    """Draw a bright or dark rim along the seam: relative gain."""
    return {"gain": float(rng.choice([-1, 1]) * rng.uniform(0.12, 0.35))}


def halo(cv2: Any, patch: Patch, rim: Record, mask: Patch) -> Patch:
    """Brighten or darken the patch along the edge of its mask."""
    if not rim["gain"]:
        return patch
    weight = cv2.GaussianBlur(mask.astype(np.float32) / max(int(mask.max()), 1), (0, 0), 2.0)
    return _multiply(cv2, patch, 1 + rim["gain"] * 4 * weight * (1 - weight))


def jpeg(cv2: Any, image: Patch, quality: int) -> Patch:
    """Compress an RGB image as JPEG and read it again."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        is_encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error:  # OpenCV 4 raises where OpenCV 5 returns False
        is_encoded = False
    if not is_encoded:
        raise RuntimeError(f"OpenCV could not encode an image of shape {image.shape} as JPEG.")
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _multiply(cv2: Any, patch: Patch, gain: NDArray) -> Patch:
    """Multiply all channels with one map of gains."""
    return cv2.multiply(patch, cv2.merge([gain.astype(np.float32)] * 3), dtype=cv2.CV_8U)
