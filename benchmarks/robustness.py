"""How the shipped networks bear bad pictures: the probe is degraded, the reference is not.

JPEG, blur, noise and reduced size, at five strengths each, on the half of the DFDC groups that
quality.py reports on; a share of the groups to save time.

    python benchmarks/robustness.py FACES DATA/dfdc_crops TEACHER.onnx -o results/robustness.json
"""

import argparse
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from quality import cosine, judge
from tqdm import tqdm
from training.distil_identity import centre, unit

from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.pairs import make_reference_pairs


def jpeg(image, quality):
    code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(code, cv2.IMREAD_UNCHANGED)


def blur(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def noise(image, sigma):
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    return np.clip(image + rng.normal(scale=sigma, size=image.shape), 0, 255).astype(np.uint8)


def resize(image, share):
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[:2], interpolation=cv2.INTER_LINEAR)


CONDITIONS = {
    "none": [(lambda image, _: image, 0)],
    "JPEG quality": [(jpeg, quality) for quality in (90, 75, 60, 45, 30)],
    "blur, sigma in pixels": [(blur, sigma) for sigma in (0.5, 1, 1.5, 2, 3)],
    "noise, sigma of 255": [(noise, sigma) for sigma in (2, 5, 10, 15, 25)],
    "size, share": [(resize, share) for share in (0.8, 0.6, 0.4, 0.3, 0.2)],
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
    kept = [
        zlib.crc32(str(group).encode()) % 2 == 1
        and zlib.crc32(f"share {group}".encode()) % 1000 < 1000 * options.share
        for group in manifest["group"]
    ]
    manifest = manifest[kept].reset_index(drop=True)
    rows = pd.Series(np.arange(len(table)), table["path"]).loc[manifest["path"]].to_numpy()
    crops = crops[rows]
    pairs = make_reference_pairs(manifest, exclude="original", random_state=0)
    groups = manifest["group"].to_numpy()[pairs.index[:, 1]]
    teacher, everyone = FaceEmbedder(options.teacher), np.ones(len(groups), bool)
    identity = FaceEmbedder("difffake-lite0-identity")
    forgery = ForgeryEmbedder("difffake-lite0", max_epochs=0).fit(crops[:1])
    embed = {
        "teacher": lambda X: unit(
            teacher.fit_transform(np.ascontiguousarray(centre(X))).astype(np.float64)
        ),
        "identity": lambda X: unit(identity.fit_transform(X).astype(np.float64)),
    }
    clean = {name: function(crops) for name, function in embed.items()}
    found = {"pairs": len(groups), "groups": len(set(groups)), "rows": []}
    for kind, strengths in CONDITIONS.items():
        for degrade, strength in tqdm(strengths, desc=kind):
            probes = np.stack([degrade(crop, strength) for crop in crops])
            scores = {
                f"cosine, {name}": cosine(
                    np.concatenate([clean[name], embed[name](probes)]),
                    pairs.index + [0, len(crops)],
                )
                for name in embed
            }
            scores["forgery head, probe alone"] = forgery.score_images(probes)[pairs.index[:, 1]]
            for system, score in scores.items():
                row = {"condition": kind, "strength": strength, "system": system}
                found["rows"].append(row | judge(score, pairs.target, groups, everyone))
    if options.output:
        options.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
