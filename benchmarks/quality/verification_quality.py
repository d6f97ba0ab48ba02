"""How well verification works on real deepfakes: the default and what may stand in its place.

Each identity embedding gets the same recipe: aligned faces, cosine distance of pooled templates,
thresholds for every number of references and probe images from genuine LFW people (BPCER 5 %).
Crops of the Deepfake Detection Challenge are then judged, in two parts by whole groups of
identities: the validation part, on which choices were made, and the test part. Nothing is fitted
on either, and no threshold set. Labels of `suspect_labels.txt` are left out; the same figures with
them stand beside.

    python benchmarks/quality/verification_quality.py DATA CACHE --onnx mobilefacenet.onnx \\
        -o benchmarks/results/verification_quality.json

DATA holds the folders lfw, dfdc_crops and identity_kept. Faces and embeddings are kept in CACHE.
"""

import argparse
import functools
import io
import json
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality.real_pairs import METRICS, in_validation_part, lfw_pairs, read_manifest
from benchmarks.training.distil_identity import held_out, unit
from sklearn_diffake import load_default, make_difffake_pipeline, recalibrate
from sklearn_diffake.metrics import apcer, bpcer, confidence_interval
from sklearn_diffake.novelty import ConformalDetector, SumRuleDetector

TARGET_BPCER = 0.05
N_REFERENCES, N_PROBES = (1, 2, 3, 5, 8), (1, 2, 4)
FACE_SIZES, BLURS, JPEGS = (20, 30, 40, 60, 80), (1.0, 2.0, 4.0), (60, 30, 15)
FACE_IN_CROP = 150  # side of the face box in a crop of the DFDC, in pixels: its median


def unfitted(backbone, cache, **parameters):
    """Return the recipe of the default with another embedding."""
    return make_difffake_pipeline(
        backbone,
        detector=ConformalDetector(
            SumRuleDetector(), target_bpcer=TARGET_BPCER, calibration_size=0.95, random_state=0
        ),
        select="central",
        on_missing="skip",
        cache=cache,
        n_jobs=2,
        verbose=1,
        **parameters,
    )


def calibrated(backbone, pairs, cache, *, unseen_only=False):
    """Fit and calibrate the recipe on genuine pairs of LFW."""
    keep = held_out(pairs.groups) if unseen_only else np.ones(len(pairs.groups), bool)
    data, people = pairs.data[keep], pairs.groups[keep]
    pipeline = unfitted(backbone, cache).fit(data, detect__groups=people)
    return recalibrate(
        pipeline, data, people, interchangeable=True, target_bpcer=TARGET_BPCER, verbose=1
    )


class Crops:
    """Crops of the DFDC, and which of them are references and probes."""

    def __init__(self, folder, *, cleaned):
        self.table = read_manifest(folder, cleaned=cleaned)
        self.paths = [str(folder / path) for path in self.table["path"]]
        self.is_test = ~in_validation_part(self.table["group"])

    def pairs(self, k, m, seed=0):
        """Form a pair of templates for each probe: m probes of one identity and label.

        A reference is genuine, of the claimed identity, no probe of the pair, and neither the
        original of one nor made from the same one.
        """
        rng = np.random.default_rng([seed, k, m])
        references, probes = [], []
        for _, rows in self.table.groupby("identity"):
            genuine = rows.index[rows["label"] == 1].to_numpy()
            origin = self.table["original"].fillna(self.table["path"])
            for row in rows.index:
                alike = rows.index[(rows["label"] == rows.loc[row, "label"])].to_numpy()
                other_rows = alike[alike != row]
                if len(other_rows) < m - 1:
                    continue
                in_part = np.r_[row, rng.choice(other_rows, m - 1, replace=False)].astype(int)
                free = genuine[~np.isin(origin[genuine], origin[in_part])]
                free = free[~np.isin(free, in_part)]
                if len(free) < k:
                    continue
                references.append(rng.choice(free, k, replace=False))
                probes.append(in_part)
        return np.array(references), np.array(probes)


def embeddings_of(model, paths):
    """Return the embedding of each picture, NaN without a face."""
    crops = model["align"].align(paths, errors="return").crops
    return np.asarray(model["embed"].transform(crops), dtype=np.float64)


def template_scores(model, vectors, references, probes):
    """Score pairs of templates by the steps after the embedder."""
    pooled = [unit(vectors[index]).mean(axis=1) for index in (references, probes)]
    scores = model[2:].score_samples(np.stack(pooled, axis=1).astype(np.float32))
    return np.asarray(scores)


def judge(y, scores, groups, threshold):
    """Return all metrics, each with its 95 % interval over groups."""
    metrics = {
        **METRICS,
        "APCER": functools.partial(apcer, threshold=threshold),
        "BPCER": functools.partial(bpcer, threshold=threshold),
    }
    return {
        name: [round(float(v), 4) for v in confidence_interval(metric, y, scores, groups=groups)]
        for name, metric in metrics.items()
    }


def threshold_of(model, k, m):
    """Return the threshold for so many images, and the category that it was calibrated in."""
    detector = model[-1]
    return float(detector.threshold_of(k, m)), [int(n) for n in detector.category_of(k, m)]


def rows_of(models, vectors, crops, hard_of):
    """Judge all systems on the validation part and on the test part."""
    y_of, group_of = crops.table["label"].to_numpy(), crops.table["group"].to_numpy()
    for k in N_REFERENCES:
        for m in N_PROBES:
            references, probes = crops.pairs(k, m)
            y, groups, test = (x[probes[:, 0]] for x in (y_of, group_of, crops.is_test))
            teacher = unit(vectors[hard_of])
            likeness = (unit(teacher[references].mean(1)) * unit(teacher[probes].mean(1))).sum(1)
            for name, model in models.items():
                if name not in ("default", hard_of) and (k, m) not in ((1, 1), (3, 1)):
                    continue
                scores = template_scores(model, vectors[name], references, probes)
                usable = np.isfinite(scores) & np.isfinite(likeness)
                threshold, category = threshold_of(model, k, m)
                for part_name, probe_rows in (("validation", ~test), ("test", test)):
                    rows = usable & probe_rows
                    fakes = likeness[rows & (y == -1)]
                    hard = rows & ((y == 1) | (likeness >= np.quantile(fakes, 0.75)))
                    auc = confidence_interval(
                        METRICS["AUC"], y[hard], scores[hard], groups=groups[hard]
                    )
                    yield {
                        "system": name,
                        "part": part_name,
                        "references": k,
                        "probes": m,
                        "genuine": int((y[rows] == 1).sum()),
                        "fakes": int((y[rows] == -1).sum()),
                        "groups": len(set(groups[rows])),
                        "threshold": round(threshold, 4),
                        "category": category,
                        **judge(y[rows], scores[rows], groups[rows], threshold),
                        "AUC, hard quarter": [round(float(v), 4) for v in auc],
                    }


def kept_rows(models, vectors_of, folder, cache):
    """Judge frames and fakes of one person that keep the identity, against photos of hers."""
    files = sorted(folder.glob("*/*.jpg"))
    is_photo = np.array([f.parent.name == "real" and f.name.startswith("photo") for f in files])
    y = np.array([1 if f.parent.name == "real" else -1 for f in files])
    photos, probes = np.flatnonzero(is_photo), np.flatnonzero(~is_photo)
    rng = np.random.default_rng(0)
    for name, model in models.items():
        vectors = vectors_of(model, [str(file) for file in files])
        for k in (1, 3):
            references = np.stack([rng.choice(photos, k, replace=False) for _ in probes])
            scores = template_scores(model, vectors, references, probes[:, None])
            usable = np.isfinite(scores)
            threshold, _ = threshold_of(model, k, 1)
            labels = y[probes][usable]
            figures = {
                metric: round(float(function(labels, scores[usable])), 4)
                for metric, function in {
                    **METRICS,
                    "APCER": functools.partial(apcer, threshold=threshold),
                    "BPCER": functools.partial(bpcer, threshold=threshold),
                }.items()
            }
            yield {"system": name, "references": k, "pairs": int(usable.sum()), **figures}


def degraded(image, kind, strength):
    """Make a picture of a face small, blurred or compressed, at the size that it had."""
    if kind == "face size":
        side = max(8, round(image.width * strength / FACE_IN_CROP))
        return image.resize((side, side), Image.Resampling.LANCZOS).resize(
            image.size, Image.Resampling.BICUBIC
        )
    if kind == "blur":
        return image.filter(ImageFilter.GaussianBlur(strength))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=strength)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def condition_rows(model, vectors, crops, n_probes):
    """Judge degraded probes of the test part at the thresholds of the default."""
    y_of, group_of = crops.table["label"].to_numpy(), crops.table["group"].to_numpy()
    conditions = [("none", 0)]
    for kind, strengths in (("face size", FACE_SIZES), ("blur", BLURS), ("JPEG", JPEGS)):
        conditions += [(kind, strength) for strength in strengths]
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(crops.is_test))[:n_probes]
    for kind, strength in conditions:
        images = [Image.open(crops.paths[i]).convert("RGB") for i in chosen]
        if kind != "none":
            images = [degraded(image, kind, strength) for image in images]
        own_embeddings = embeddings_of(model, [np.asarray(image) for image in images])
        all_vectors = np.concatenate([vectors, own_embeddings])
        position = dict(zip(chosen.tolist(), range(len(vectors), len(all_vectors)), strict=True))
        for k in (1, 3):
            references, probes = crops.pairs(k, 1)
            rows = np.flatnonzero(np.isin(probes[:, 0], chosen))
            index = np.array([[position[i]] for i in probes[rows, 0].tolist()])
            scores = template_scores(model, all_vectors, references[rows], index)
            usable = np.isfinite(scores)
            probe_rows = probes[rows, 0][usable]
            threshold, _ = threshold_of(model, k, 1)
            yield {
                "condition": kind,
                "strength": strength,
                "references": k,
                "probes": len(rows),
                "probes without a face": int((~usable).sum()),
                **judge(y_of[probe_rows], scores[usable], group_of[probe_rows], threshold),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--onnx", required=True, help="an identity network of the ArcFace kind")
    parser.add_argument("--degraded", type=int, default=300, help="probes of each condition")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    cache = str(options.cache)
    pairs = lfw_pairs(options.data / "lfw")
    default = load_default().set_params(align__cache=cache, embed__cache=cache)
    models = {
        "default": default,
        "small network": calibrated("difffake-lite0-identity", pairs, cache, unseen_only=True),
        "ArcFace ONNX": calibrated(options.onnx, pairs, cache),
        "ImageNet": calibrated("efficientnet-lite0", pairs, cache),
    }
    for model in models.values():
        model.set_params(align__select="largest", align__on_missing="skip", align__n_jobs=2)
    facts = {"rows": []}
    for cleaned in (True, False):
        crops = Crops(options.data / "dfdc_crops", cleaned=cleaned)
        vectors = {name: embeddings_of(model, crops.paths) for name, model in models.items()}
        for row in rows_of(models, vectors, crops, "ArcFace ONNX"):
            facts["rows"].append({"labels": "cleaned" if cleaned else "all", **row})
            print(json.dumps(facts["rows"][-1]), flush=True)
        if cleaned:
            facts["conditions"] = list(
                condition_rows(default, vectors["default"], crops, options.degraded)
            )
    facts["identity_kept"] = list(
        kept_rows(models, embeddings_of, options.data / "identity_kept", cache)
    )
    facts["seconds"] = round(time.perf_counter() - start)
    print(json.dumps(facts["identity_kept"] + facts["conditions"], indent=1))
    if options.output:
        options.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
