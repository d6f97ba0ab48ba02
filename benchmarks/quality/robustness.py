"""How the shipped networks bear bad pictures: the probe is degraded, the reference is not.

JPEG, blur, noise and reduced size, at five strengths each, on the half of the DFDC groups that
single_images.py reports on; a fraction of the groups to save time.

    python benchmarks/quality/robustness.py FACES DATA/dfdc_crops TEACHER.onnx \\
        -o benchmarks/results/robustness.json
"""

import argparse
import json
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality.real_pairs import in_validation_part
from benchmarks.quality.single_images import judge
from benchmarks.training.distil_identity import center, unit
from sklearn_diffake import load_default
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.pairs import make_reference_pairs


def jpeg(image, quality):
    code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(code, cv2.IMREAD_UNCHANGED)


def blur(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def noise(image, sigma):
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return np.clip(image + rng.normal(scale=sigma, size=image.shape), 0, 255).astype(np.uint8)


def resize(image, factor):
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[:2], interpolation=cv2.INTER_LINEAR)


CONDITIONS = {
    "none": [(lambda image, _: image, 0)],
    "JPEG quality": [(jpeg, quality) for quality in (90, 75, 60, 45, 30)],
    "blur, sigma in pixels": [(blur, sigma) for sigma in (0.5, 1, 1.5, 2, 3)],
    "noise, sigma of 255": [(noise, sigma) for sigma in (2, 5, 10, 15, 25)],
    "size, share": [(resize, scale) for scale in (0.8, 0.6, 0.4, 0.3, 0.2)],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("dfdc", type=Path)
    parser.add_argument("teacher")
    parser.add_argument("--share", type=float, default=0.5, help="of the groups")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    crops = np.load(options.faces / "dfdc_crops" / "faces.npy", mmap_mode="r")
    table = pd.read_csv(options.faces / "dfdc_crops" / "faces.csv")
    manifest = pd.read_csv(options.dfdc / "manifest.csv")
    in_share = [
        zlib.crc32(f"share {group}".encode()) % 1000 < 1000 * options.share
        for group in manifest["group"]
    ]
    in_test = ~in_validation_part(manifest["group"]) & in_share
    manifest = manifest[in_test].reset_index(drop=True)
    rows = pd.Series(np.arange(len(table)), table["path"]).loc[manifest["path"]].to_numpy()
    crops = crops[rows]
    pairs = make_reference_pairs(manifest, exclude="original", random_state=0)
    groups = manifest["group"].to_numpy()[pairs.index[:, 1]]
    everyone = np.ones(len(groups), bool)
    teacher = FaceEmbedder(options.teacher).fit(center(crops[:1]))
    features = load_default()["features"]
    identity, verdict = (branch for _, branch in features.transformer_list)
    weight = features.transformer_weights["difffake_lite0_verdict"]
    networks = {
        "teacher": lambda X: unit(teacher.transform(np.ascontiguousarray(center(X)))),
        "identity": identity["embed"].transform,
        "verdict": verdict["embed"].transform,
    }

    def of_pairs(vectors):
        return {name: vectors[name][pairs.index + [0, len(crops)]] for name in vectors}

    clean = {name: network(crops) for name, network in networks.items()}
    result = {"pairs": len(groups), "groups": len(set(groups)), "rows": []}
    for kind, strengths in CONDITIONS.items():
        for degrade, strength in tqdm(strengths, desc=kind):
            probes = np.stack([degrade(crop, strength) for crop in crops])
            degraded = of_pairs(
                {n: np.concatenate([clean[n], networks[n](probes)]) for n in networks}
            )
            distances = identity[1:].transform(degraded["identity"])[:, 0]
            fake = verdict[1:].transform(degraded["verdict"])[:, 0]
            scores = {
                "cosine of the teacher": np.einsum("nd,nd->n", *degraded["teacher"].swapaxes(0, 1)),
                "cosine of the identity head": -distances,
                "forgery head, probe alone": -fake,
                "the shipped composition": -(distances + weight * fake),
            }
            for system, score in scores.items():
                row = {"condition": kind, "strength": strength, "system": system}
                result["rows"].append(row | judge(score, pairs.target, groups, everyone))
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
