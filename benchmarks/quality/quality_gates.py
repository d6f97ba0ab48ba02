"""Error rates against the quality of the probe: the reason for the limits of `Gates`.

Crops of the DFDC are judged against one genuine reference of their claimed identity, at a fixed
threshold, after the aligned crop of the probe was degraded: reduced to a smaller face and enlarged
again, blurred, or darkened. Detection and landmarks are those of the picture as it is, so what is
measured is the network's loss alone. Then the probes as they are, by the yaw of the face.
The threshold is the shipped one; of the second network (--network) that which rejects 5 % of the
genuine pairs as they are. Intervals are 95 % intervals over groups of identities.

    python benchmarks/quality/quality_gates.py DATA/dfdc_crops [--network FILE.onnx] -o FIGURES.json

DATA/dfdc_crops holds manifest.csv, as real_pairs.py says; files that suspect_labels.txt lists are
left out.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training.distil_identity import center
from sklearn_diffake import load_default
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.metrics import apcer, bpcer, confidence_interval, equal_error_rate
from sklearn_diffake.pairs import PairDifference, make_reference_pairs
from sklearn_diffake.verdict._gates import estimate_yaw, measure_crop

FACE_SIZES = (15, 20, 30, 40, 60, 80)  # pixels
BLURS = (1.0, 2.0, 3.0, 4.0)  # standard deviation, pixels of a face of 112
LIGHTS = (0.25, 0.1)  # factor of all gray levels
YAWS = (0, 15, 30, 45, 90)  # degrees
LEVEL = 0.05


def chosen_pairs(folder, n_groups):
    """Pair genuine and fake crops of some groups with one reference each, without wrong labels."""
    table = pd.read_csv(folder / "manifest.csv")
    suspect = set((folder / "suspect_labels.txt").read_text().split())
    table = table[~table["path"].isin(suspect)]
    groups = np.random.default_rng(0).permutation(np.unique(table["group"]))[:n_groups]
    table = table[table["group"].isin(groups)].reset_index(drop=True)
    pairs = make_reference_pairs(table, k=1, exclude="original", random_state=0)
    files = [str(folder / path) for path in table["path"]]
    return files, pairs.index, pairs.target, table["group"].to_numpy()[pairs.index[:, 1]]


def reduced(crop, scale):
    """Reduce a crop, averaging pixels, and enlarge it again."""
    if scale >= 1:
        return crop
    image, side = Image.fromarray(crop), len(crop)
    small = image.resize((max(4, round(side * scale)),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))


def blurred(crop, sigma):
    return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma)))


def darkened(crop, factor):
    return np.round(crop * factor).astype(np.uint8)


def default_margin(crops, references, index, cache):
    """Score pairs by the packaged model, relative to its threshold."""
    model, embedded = load_default(), []
    for _, branch in model["features"].transformer_list:
        embedder = branch["embed"].set_params(cache=cache)
        sides = [embedder.transform(side) for side in (references, crops)]
        pairs = np.stack([sides[0][index[:, 0]], sides[1][index[:, 1]]], axis=1)
        embedded.append(branch[1:].transform(pairs))
    weights = model["features"].transformer_weights.values()
    rows = np.hstack([w * vectors for w, vectors in zip(weights, embedded, strict=True)])
    return model["detect"].decision_function(rows)


class Cosine:
    """Cosine similarity of a network's embeddings, relative to a threshold set once."""

    def __init__(self, network):
        self.embedder = FaceEmbedder(network)
        self.threshold = None

    def __call__(self, crops, references, index, cache):
        self.embedder.set_params(cache=cache)
        center_crops = [np.ascontiguousarray(center(side)) for side in (references, crops)]
        sides = [self.embedder.fit(center_crops[0][:1]).transform(side) for side in center_crops]
        pairs = np.stack([sides[0][index[:, 0]], sides[1][index[:, 1]]], axis=1)
        return -PairDifference("cosine").fit_transform(pairs)[:, 0]


RATES = {"BPCER": bpcer, "APCER": apcer, "EER": equal_error_rate}


def judge(margin, y, groups):
    row = {"pairs": len(y), "groups": len(np.unique(groups))}
    for name, metric in RATES.items():
        result = confidence_interval(metric, y, margin, groups=groups, random_state=0)
        row[name] = [round(float(value), 4) for value in result]
    return row


def spread(values):
    """Return the 5 % quantile, the median and the 95 % quantile."""
    return np.quantile(values, [0.05, 0.5, 0.95]).round(4).tolist()


def versions_of(crops, face_size):
    """Yield kind, value and degraded crops."""
    yield "none", None, crops
    for size in FACE_SIZES:
        scales = size / face_size
        yield "face size", size, np.stack([reduced(*p) for p in zip(crops, scales, strict=True)])
    for kind, values, change in (("blur", BLURS, blurred), ("light", LIGHTS, darkened)):
        for value in values:
            yield kind, value, np.stack([change(crop, value) for crop in crops])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dfdc", type=Path)
    parser.add_argument("--network", help="identity network in ONNX, to be measured as well")
    parser.add_argument("--groups", type=int, default=60)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    files, index, y, groups = chosen_pairs(options.dfdc, options.groups)
    aligner = FaceAligner(160, margin=0.2, on_missing="crop", cache=options.cache)
    faces = aligner.align(files)
    has_face = faces.face >= 0
    is_usable = has_face[index].all(axis=1)
    index, y, groups = index[is_usable], y[is_usable], groups[is_usable]
    crops = faces.crops
    zoom = np.sqrt(np.abs(np.linalg.det(faces.matrix[:, :, :2])))
    in_crop = np.nan_to_num(faces.face_size * zoom, nan=100.0)  # of the face, pixels of the crop
    systems = {"default": default_margin}
    if options.network:
        systems[Path(options.network).stem] = Cosine(options.network)
    rows = []
    result = {
        "pairs": len(y),
        "groups": len(np.unique(groups)),
        "median face size": round(float(np.nanmedian(faces.face_size)), 1),
        "face size over eye distance": round(
            float(np.nanmedian(faces.face_size / faces.eye_distance)), 3
        ),
        "rows": rows,
    }
    lines = {}
    for kind, value, changed_crops in versions_of(crops, in_crop):
        quality = [measure_crop(crop, 0.2) for crop in changed_crops[has_face]]
        environment = {
            "kind": kind,
            "value": value,
            "sharpness": spread([q.sharpness for q in quality]),
            "brightness": spread([q.brightness for q in quality]),
        }
        environment = {
            k: v.round(4).tolist() if isinstance(v, np.ndarray) else v
            for k, v in environment.items()
        }
        for name, score in systems.items():
            margin = score(changed_crops, crops, index, options.cache)
            if name != "default":
                margin = margin - lines.setdefault(name, np.quantile(margin[y == 1], LEVEL))
            rows.append({"system": name, **environment, **judge(margin, y, groups)})
            print(rows[-1], flush=True)
            if kind == "none":
                yaw = np.array([abs(estimate_yaw(p)) for p in faces.landmarks[index[:, 1]]])
                for low, high in itertools.pairwise(YAWS):
                    in_range = (low <= yaw) & (yaw < high)
                    if len(np.unique(y[in_range])) == 2 and len(np.unique(groups[in_range])) > 4:
                        row = judge(margin[in_range], y[in_range], groups[in_range])
                        rows.append({"system": name, "kind": "yaw", "value": [low, high], **row})
                        print(rows[-1], flush=True)
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
