"""Do the maps of explain_pair find what was manipulated? Measured where that is known.

Probes are pseudo-deepfakes with a known mask, made from faces of people whom no shipped network has
seen, one pair a person; each of three techniques has a third of them. Identity is compared with
another photograph of the person, the forgery network judges beside the same photograph taken again
(moved a little, other light, recompressed), as two frames of one video are.

A map is right as far as its positive mass lies inside the mask, and as its peak does (the pointing
game). Chance is the share of the crop that the mask takes up: what a map without sense would get.
As faces are aligned and masks are near their middle, two harder controls are given: the same map
against the masks of all other pairs, and the map of the same pair before it was manipulated against
the mask. Intervals are 95 % bootstrap intervals over people.

    python benchmarks/explanations.py FACES/lfw -o results/explanations.json

FACES/lfw is what training/prepare_faces.py wrote.
"""

import argparse
import io
import json
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm
from training.distil_identity import held_out

import sklearn_diffake
from sklearn_diffake import load_default, make_difffake_pipeline
from sklearn_diffake.base import BaseDetector
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.generation import PseudoDeepfakeGenerator
from sklearn_diffake.inspection import explain_pair
from sklearn_diffake.novelty import NearestReferenceDetector

TECHNIQUES = ("identity_swap", "self_blend_eyes", "self_blend_mouth")
MARGIN = 0.2  # of the crops
RESAMPLES = 2000


class Verdict(BaseDetector):
    """What the classifier of a `ForgeryEmbedder` thinks of the probe, given both embeddings."""

    contamination = 0.05
    _parameter_constraints = {}

    def __init__(self, embedder=None):
        self.embedder = embedder

    def _fit(self, X, **per_row):
        self.coef_ = self.embedder.coef_.astype(np.float64)

    def _score(self, X):
        return X[:, len(self.coef_) :] @ self.coef_ + self.embedder.intercept_


def identity_network(crops):
    return make_difffake_pipeline(
        "difffake-lite0-identity",
        aligner=False,
        operator="cosine",
        detector=NearestReferenceDetector(),
    ).fit(crops)


def forgery_network(crops):
    embedder = ForgeryEmbedder("difffake-lite0", max_epochs=0)
    pipeline = make_difffake_pipeline(
        embedder, aligner=False, operator="concat", normalize=None, detector=Verdict(embedder)
    )
    return pipeline.fit(crops)


def shipped_default(crops):
    return load_default().set_params(align="passthrough")


#: What explains, and whether the reference is another photograph or another frame.
SYSTEMS = {
    "identity network": (identity_network, "photograph"),
    "forgery network": (forgery_network, "frame"),
    "shipped default": (shipped_default, "photograph"),
}


def choose(table, n, rng):
    """Return rows of reference and probe, one pair of each of n people."""
    table = table[held_out(table["identity"])]
    people = [rows.index.to_numpy() for _, rows in table.groupby("identity") if len(rows) > 1]
    order = rng.permutation(len(people))[:n]
    return np.array([rng.choice(people[i], 2, replace=False) for i in order])


def retake(face, rng):
    """Take a photograph again: moved, turned, brighter or darker, compressed."""
    side = len(face)
    matrix = cv2.getRotationMatrix2D(
        (side / 2, side / 2), rng.uniform(-2, 2), rng.uniform(0.98, 1.02)
    )
    matrix[:, 2] += rng.uniform(-2, 2, 2)
    moved = cv2.warpAffine(
        face, matrix, (side, side), borderMode=cv2.BORDER_REFLECT, flags=cv2.INTER_CUBIC
    )
    lit = np.clip(moved * rng.uniform(0.95, 1.05) + rng.uniform(-5, 5), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(lit).save(file, "JPEG", quality=int(rng.integers(80, 96)))
    return np.asarray(Image.open(file))


def manipulate(faces, people):
    """Return fakes, masks and the technique of each."""
    fakes, masks = np.empty_like(faces), np.empty(faces.shape[:3], bool)
    turn = np.arange(len(faces)) % len(TECHNIQUES)
    for number, technique in enumerate(TECHNIQUES):
        generator = PseudoDeepfakeGenerator(technique, margin=MARGIN, random_state=0)
        made = generator.fit(faces).generate(faces, people)
        rows = turn == number
        fakes[rows] = made.images[rows]
        weights = made.masks[rows]
        masks[rows] = weights >= weights.max(axis=(1, 2), keepdims=True) / 2
    return fakes, masks, np.array(TECHNIQUES)[turn]


def judge(values, masks):
    """Return the share of a map's positive mass, and of its peak, inside each of n masks."""
    positive = np.maximum(values, 0)
    area = masks.mean(axis=(1, 2))
    mass = np.einsum("yx,nyx->n", positive, masks) / positive.sum() if positive.any() else area
    peak = masks[:, values == values.max()].mean(axis=1)
    return mass, peak


def interval(values, rng):
    """Return mean and bootstrap interval of one value per person."""
    values = np.asarray(values)
    drawn = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [round(float(v), 4) for v in (values.mean(), low, high)]


def summarise(rows, rng):
    """Turn one dict of figures per person into means with intervals."""
    table = pd.DataFrame(rows)
    table["mass over chance"] = table["mass"] / table["chance"]
    for measure in ("mass", "peak"):
        for control in ("chance", f"{measure}, other masks", f"{measure}, genuine probe"):
            table[f"{measure} less {control}"] = table[measure] - table[control]
    return {name: interval(column, rng) for name, column in table.items()}


def measure(pipeline, references, faces, fakes, masks, settings, desc):
    """Explain every pair before and after manipulation; return figures by map."""
    found, scores = {}, []
    for row in tqdm(range(len(faces)), desc=desc):
        made, genuine = (
            explain_pair(pipeline, references[row], probe[row], **settings)
            for probe in (fakes, faces)
        )
        scores.append([genuine.score, made.score])
        for method, values in made.probe.maps.items():
            mass, peak = judge(values, masks)
            genuine_mass, genuine_peak = judge(genuine.probe.maps[method], masks[row][None])
            others = np.arange(len(masks)) != row
            found.setdefault(method, []).append(
                {
                    "chance": masks[row].mean(),
                    "mass": mass[row],
                    "mass, other masks": mass[others].mean(),
                    "mass, genuine probe": genuine_mass[0],
                    "peak": peak[row],
                    "peak, other masks": peak[others].mean(),
                    "peak, genuine probe": genuine_peak[0],
                }
            )
    return found, np.array(scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="default: all")
    parser.add_argument("--patch", type=float, action="append", help="default: as explain_pair")
    parser.add_argument("--stride", type=float, default=0.5)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    crops = np.load(options.faces / "faces.npy", mmap_mode="r")
    table = pd.read_csv(options.faces / "faces.csv")
    index = choose(table, options.pairs, rng)
    faces = crops[index[:, 1]]
    fakes, masks, techniques = manipulate(faces, table["identity"].to_numpy()[index[:, 1]])
    references = {"photograph": crops[index[:, 0]]}
    references["frame"] = np.stack([retake(face, rng) for face in faces])
    settings = {"random_state": 0, "stride": options.stride}
    if options.patch:
        settings["patch"] = options.patch
    result = {"pairs": len(faces), "settings": settings, "systems": {}}
    result["version"] = sklearn_diffake.__version__
    for name in options.system or SYSTEMS:
        build, kind = SYSTEMS[name]
        start = time.perf_counter()
        pipeline = build(np.stack([references[kind], faces], axis=1))
        found, scores = measure(pipeline, references[kind], faces, fakes, masks, settings, name)
        result["systems"][name] = {
            "reference": kind,
            "genuine probes scored above their fakes": float((scores[:, 0] > scores[:, 1]).mean()),
            "seconds per explanation": round((time.perf_counter() - start) / 2 / len(faces), 2),
            "maps": {
                method: {"all": summarise(rows, rng)}
                | {
                    technique: summarise(
                        [rows[i] for i in np.flatnonzero(techniques == technique)], rng
                    )
                    for technique in TECHNIQUES
                }
                for method, rows in found.items()
            },
        }
        if options.output:
            options.output.write_text(json.dumps(result, indent=1) + "\n")
    for name, system in result["systems"].items():
        for method, groups in system["maps"].items():
            figures = groups["all"]
            print(
                f"{name}, {method}: mass {figures['mass']} (chance {figures['chance'][0]}, other "
                f"masks {figures['mass, other masks'][0]}), peak {figures['peak']} (other masks "
                f"{figures['peak, other masks'][0]})"
            )


if __name__ == "__main__":
    main()
