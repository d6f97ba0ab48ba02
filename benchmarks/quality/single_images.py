"""How well the shipped networks tell real deepfakes, beside what anyone could use instead.

Crops of the DFDC are judged against genuine references of their claimed identity, by groups of
identities in two halves: what there is to choose is chosen on the first, the second is for the
report. Detectors are fitted on genuine LFW pairs of people whom no shipped network has seen. The
hard quarter are the fakes that keep the identity best, by the cosine of the teacher.

    python benchmarks/quality/single_images.py FACES DATA/dfdc_crops TEACHER.onnx \\
        -o benchmarks/results/quality.json

FACES holds the folders lfw and dfdc_crops that training/prepare_faces.py wrote.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality.real_pairs import METRICS, in_validation_part
from benchmarks.training.distil_identity import center, held_out, unit
from sklearn_diffake import load_default
from sklearn_diffake.embedding import FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.metrics import confidence_interval
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference, make_reference_pairs

WEIGHTS = (0.1, 0.2, 0.3, 0.5)


class Faces:
    """Aligned faces of one data set, and what networks make of them."""

    def __init__(self, folder, teacher, cache, *, of_held_out=False):
        self.crops = np.load(folder / "faces.npy", mmap_mode="r")
        self.table = pd.read_csv(folder / "faces.csv")
        if of_held_out:
            mask = held_out(self.table["identity"])
            self.crops, self.table = self.crops[mask], self.table[mask].reset_index(drop=True)
        center_crops = np.ascontiguousarray(center(self.crops))
        settings = {"cache": cache, "verbose": 1}
        self.vectors = {
            "teacher": unit(FaceEmbedder(teacher, **settings).fit_transform(center_crops)),
            "ImageNet": unit(
                FaceEmbedder("efficientnet-lite0", **settings).fit_transform(center_crops)
            ),
        }
        identity = FaceEmbedder("difffake-lite0-identity", **settings).fit(self.crops[:1])
        mirrored = np.ascontiguousarray(self.crops[:, :, ::-1])
        self.vectors["identity"] = unit(
            unit(identity.transform(self.crops)) + unit(identity.transform(mirrored))
        )
        forgery = ForgeryEmbedder("difffake-lite0", max_epochs=0, **settings).fit(self.crops[:1])
        self.vectors["forgery"] = unit(forgery.transform(self.crops))
        self.logits = (forgery.score_images(self.crops) + forgery.score_images(mirrored)) / 2


def cosine(vectors, index):
    return (vectors[index[:, 0]] * vectors[index[:, 1]]).sum(axis=1)


def template(vectors, n_images):
    """Return the cosine of each probe with the mean of its references: `several` is (n, k, 2)."""
    mean = unit(vectors[n_images[:, :, 0]].mean(axis=1))
    return (mean * vectors[n_images[:, 0, 1]]).sum(axis=1)


def on_differences(detector, fit_vectors, fit_index, vectors, index):
    """Fit a detector on squared differences of genuine pairs; score others."""
    detector = make_pipeline(PairDifference(), clone(detector)).fit(fit_vectors[fit_index])
    return detector.score_samples(vectors[index])


def standard(score, reference_scores):
    return (score - reference_scores.mean()) / reference_scores.std()


def scores_of(fit, fit_index, faces, index, templates):
    """Return the scores of all systems, higher for more genuine, for every probe."""
    scores = {"cosine of the teacher": cosine(faces.vectors["teacher"], index)}
    template_index = templates.reshape(len(index), -1, 2)
    for name in ("teacher", "identity"):
        nearest = cosine(faces.vectors[name], templates).reshape(len(index), -1).max(axis=1)
        scores[f"nearest of three references, {name}"] = nearest
        scores[f"mean of three references, {name}"] = template(faces.vectors[name], template_index)
    mixture = GaussianMixtureDetector(random_state=0, shrinkage="auto")
    for name in ("ImageNet", "forgery", "identity"):
        scores[f"{name}, squared + GMM"] = on_differences(
            mixture, fit.vectors[name], fit_index, faces.vectors[name], index
        )
    scores["identity, squared + Mahalanobis"] = on_differences(
        MahalanobisDetector(), fit.vectors["identity"], fit_index, faces.vectors["identity"], index
    )
    scores["cosine of the identity head"] = cosine(faces.vectors["identity"], index)
    scores["forgery head, probe alone"] = faces.logits[index[:, 1]]
    scores["forgery head, probe less reference"] = (
        faces.logits[index[:, 1]] - faces.logits[index[:, 0]]
    )
    second = standard(scores["forgery head, probe alone"], fit.logits[fit_index[:, 1]])
    for name, single_scores in (
        ("identity", "cosine of the identity head"),
        ("identity", "mean of three references, identity"),
        ("teacher", "cosine of the teacher"),
        ("teacher", "mean of three references, teacher"),
    ):
        genuine = cosine(fit.vectors[name], fit_index)
        for weight in WEIGHTS:
            scores[f"{single_scores} + {weight} x forgery head, probe alone"] = (
                standard(scores[single_scores], genuine) + weight * second
            )
    return scores


def judge(score, y, groups, mask):
    row = {}
    for metric, function in METRICS.items():
        values = confidence_interval(function, y[mask], score[mask], groups=groups[mask])
        row[metric] = [round(float(value), 4) for value in values]
    return row


def at_threshold(faces, index, y, groups):
    """Judge the pipeline that comes with the package, its threshold included."""
    pipeline = load_default()
    margin = pipeline[1:].decision_function(faces.crops[index])
    accepted = margin >= 0
    return {
        **judge(margin, y, groups, np.ones(len(y), bool)),
        "BPCER": round(float((~accepted)[y == 1].mean()), 4),
        "APCER": round(float(accepted[y == -1].mean()), 4),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("dfdc", type=Path)
    parser.add_argument("teacher")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--distillation", type=Path, help="figures of distil_identity --measure")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    result = {"rows": []}
    if options.distillation:
        result["distillation"] = json.loads(options.distillation.read_text())
    fit = Faces(options.faces / "lfw", options.teacher, options.cache, of_held_out=True)
    faces = Faces(options.faces / "dfdc_crops", options.teacher, options.cache)
    table = fit.table.reset_index(names="row")
    several_each = table[table["identity"].duplicated(keep=False)].reset_index(drop=True)
    fit_pairs = make_reference_pairs(several_each, random_state=0)
    fit_index = several_each["row"].to_numpy()[fit_pairs.index]
    result["heads fitted on"] = len(fit_index)
    manifest = pd.read_csv(options.dfdc / "manifest.csv")
    rows = pd.Series(np.arange(len(faces.table)), faces.table["path"])
    rows = rows.loc[manifest["path"]].to_numpy()
    three = make_reference_pairs(manifest, k=3, exclude="original", random_state=0)
    template_rows, pairs = rows[three.index], three.index[::3]
    index, y = rows[pairs], three.target[::3]
    groups = manifest["group"].to_numpy()[pairs[:, 1]]
    chosen_on = in_validation_part(groups)
    result["default"] = at_threshold(faces, index, y, groups)
    print(result["default"], flush=True)
    keeps = cosine(faces.vectors["teacher"], index)
    scores = scores_of(fit, fit_index, faces, index, template_rows)
    for part_name, half in (("choose", chosen_on), ("report", ~chosen_on)):
        fakes = np.flatnonzero(half & (y == -1))
        hard = half & (y == 1)
        hard[fakes[np.argsort(-keeps[fakes])[: len(fakes) // 4]]] = True
        result[part_name] = {"pairs": int(half.sum()), "groups": len(set(groups[half]))}
        for name, score in scores.items():
            row = {"part": part_name, "system": name, **judge(score, y, groups, half)}
            row["AUC, hard quarter"] = judge(score, y, groups, hard)["AUC"]
            result["rows"].append(row)
            print(
                part_name.ljust(7), name.ljust(55), row["AUC"], row["EER"], row["AUC, hard quarter"]
            )
    if options.output:
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
