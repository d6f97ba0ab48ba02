"""Why do differences between frames of one clip tell little about forgery?

Squared differences of the forgery network's features between two frames of a clip are given to a
one-class detector that was fitted on genuine clips; the score of a clip is the mean over its pairs.
What is tried, each as a row: frames at short lags, pairs of like pose, no L2 normalization,
features before pooling, principal components of many stand-in pairs, fits on stand-in clips of many
people (photographs that are moved and coded as video), and distances without any fit. Beside them
stands the mean verdict of the same frames.

Real clips: five genuine ones and five face swaps of one person (Celeb-DF v2). A clip is judged by a
detector that has not seen its scene. With five against five an AUC moves in steps of 0.04, and one
person generalizes to nobody; so stand-in clips of other people are judged as well.

    python benchmarks/clip_differences.py FACES DATA -o benchmarks/results/clip_differences.json \\
        --network "NAME=TRAINING/forgery.safetensors"

FACES and DATA as for `forgery_experiments.py`. What the output holds is not run again.
"""

import argparse
import itertools
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _clip_faces import LAGS, clip_faces
from _stand_in_clips import N_FRAMES, stand_in_clips
from forgery_experiments import SHIPPED, auc, held_out_rows, load_network
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from sklearn_diffake.embedding._pictures import resize
from sklearn_diffake.embedding.backbones._difffake import CROP
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector

N_PEOPLE = 240  # of the stand-in clips; the first half is fitted on, the other judged
N_COMPONENTS = 24
CURVE = (5, 10, 20, 40, 80, 120)
FORMS = ("pooled, L2", "pooled", "before pooling, L2", "before pooling")


class Features:
    """Features of images in three forms.

    Parameters
    ----------
    embedder : ForgeryEmbedder
        Fitted.
    crops : ndarray of shape (..., S, S, 3), uint8

    Attributes
    ----------
    maps : ndarray of shape (..., d, places), float16
        Before pooling.
    pooled : ndarray of shape (..., d), float32
    verdicts : ndarray of shape (...,), float64
        Logits of being genuine.
    """

    def __init__(self, embedder, crops):
        shape = crops.shape[:-3]
        flat = crops.reshape(-1, *crops.shape[-3:])
        kept = []
        backbone = embedder.find_backbone()
        hook = backbone.module.bn2.register_forward_hook(  # the layer before pooling
            lambda module, given, maps: kept.append(maps.flatten(2).half())
        )
        try:
            pooled = self._run(backbone, flat)
        finally:
            hook.remove()
        maps = torch.cat(kept).numpy()
        self.maps = maps.reshape(*shape, *maps.shape[1:])
        self.pooled = pooled.reshape(*shape, -1)
        verdicts = pooled.astype(float) @ embedder.coef_ + embedder.intercept_
        self.verdicts = verdicts.reshape(shape)

    @staticmethod
    def _run(backbone, crops):
        size = tuple(backbone.input_size)
        mean, std = (torch.tensor(v).view(3, 1, 1) * 255 for v in (backbone.mean, backbone.std))
        parts = []
        with torch.inference_mode():
            for start in range(0, len(crops), 32):
                batch = np.stack([resize(crop, size) for crop in crops[start : start + 32]])
                images = torch.from_numpy(batch).permute(0, 3, 1, 2).float()
                parts.append(backbone.module((images - mean) / std).numpy())
        return np.concatenate(parts)


def difference(features, first, second, form):
    """Return squared differences between images of one clip.

    Parameters
    ----------
    features : Features
    first, second : tuple of ndarray of int
        Indices of the images of each pair.
    form : str
        "pooled" or "before pooling" (the mean over places of the squared differences there); with
        ", L2" each image's features are divided by their norm.

    Returns
    -------
    ndarray of shape (pairs, d)
    """
    pooled = form.startswith("pooled")
    images = [
        features.pooled[index] if pooled else features.maps[index].astype(np.float32)
        for index in (first, second)
    ]
    if form.endswith("L2"):
        axes = -1 if pooled else (-2, -1)
        images = [image / np.linalg.norm(image, axis=axes, keepdims=True) for image in images]
    change = (images[0] - images[1]) ** 2
    return change if pooled else change.mean(axis=-1)


def real_pairs(clip, choice, rng):
    """Return indices (moment, lag) of both images of the pairs of one real clip.

    Parameters
    ----------
    clip : ClipFaces
    choice : str
        "moments" (any two), "lag N" or "like pose" (the tenth of all moments' pairs whose
        landmarks are nearest).
    rng : numpy.random.Generator

    Returns
    -------
    first, second : tuple of two ndarray of int
    """
    n = len(clip.crops)
    if choice.startswith("lag"):
        place = LAGS.index(int(choice.split()[1]))
        moments = np.arange(n)
        return (moments, np.zeros(n, int)), (moments, np.full(n, place))
    couples = np.array(list(itertools.combinations(range(n), 2)))
    if choice == "like pose":
        order = np.argsort(pose_distance(clip, couples))[: len(couples) // 10]
    else:
        order = rng.permutation(len(couples))[: 4 * n]
    none = np.zeros(len(order), int)
    return (couples[order, 0], none), (couples[order, 1], none)


def pose_distance(clip, couples):
    """Return the root mean square distance of the landmarks of two moments, in pixels."""
    points = clip.landmarks[:, 0]
    change = points[couples[:, 0]] - points[couples[:, 1]]
    return np.sqrt((change**2).sum(axis=-1).mean(axis=-1))


def stand_in_pairs(n):
    """Return indices of all pairs of frames of n stand-in clips, clip by clip."""
    couples = np.array(list(itertools.combinations(range(N_FRAMES), 2)))
    clips = np.repeat(np.arange(n), len(couples))
    first, second = np.tile(couples.T, n)
    return (clips, first), (clips, second)


def detector(kind, n):
    """Return an unfitted detector that n pairs can support."""
    n_components = min(N_COMPONENTS, n // 4)
    if kind == "mixture":
        return GaussianMixtureDetector(3, n_pca=min(n_components, n // 12), random_state=0)
    return make_pipeline(PCA(n_components, random_state=0), MahalanobisDetector())


class Data:
    """Clips and stand-in clips, and what one network makes of them."""

    def __init__(self, faces, data):
        self.clips = clip_faces(data, faces / "clips")
        self.genuine = np.array([clip.genuine for clip in self.clips])
        people = pd.read_csv(faces / "lfw" / "faces.csv")["identity"].to_numpy()
        unseen = held_out_rows(people)
        each = unseen[np.unique(people[unseen], return_index=True)[1]]
        rows = np.sort(np.random.default_rng(0).permutation(each)[:N_PEOPLE])
        crops = np.load(faces / "lfw" / "faces.npy", mmap_mode="r")[rows]
        self.stand_ins = stand_in_clips(crops, CROP.margin)

    def embed(self, embedder):
        """Compute the features that the rows are made of."""
        self.real = [Features(embedder, clip.crops) for clip in self.clips]
        self.photos = {
            name: Features(embedder, crops) for name, crops in self.stand_ins._asdict().items()
        }


def judge_real(data, choice, form, fit):
    """Score every real clip by a detector that has not seen its scene.

    Parameters
    ----------
    data : Data
    choice, form : str
        See `real_pairs` and `difference`.
    fit : callable
        From the differences of the other genuine clips, a list of arrays, to a function that
        scores differences.

    Returns
    -------
    dict
        AUC of clips and of pairs.
    """
    rng = np.random.default_rng(0)
    changes = [
        difference(features, *real_pairs(clip, choice, rng), form)
        for clip, features in zip(data.clips, data.real, strict=True)
    ]
    scenes = [clip.name[-4:] for clip in data.clips]
    scores = []
    for scene, change in zip(scenes, changes, strict=True):
        others = [
            c
            for c, s, genuine in zip(changes, scenes, data.genuine, strict=True)
            if genuine and s != scene
        ]
        scores.append(fit(others)(change))
    means = np.array([score.mean() for score in scores])
    labels = np.repeat(data.genuine, [len(score) for score in scores])
    return {
        "clips": auc(data.genuine, means),
        "pairs": auc(labels, np.concatenate(scores)),
        "pairs of a clip": len(changes[0]),
    }


def fitted_on_others(kind, n_clips=None):
    """Fit on the first `n_clips` of the other genuine clips."""

    def fit(others):
        chosen = np.concatenate(others[:n_clips])
        return detector(kind, len(chosen)).fit(chosen).score_samples

    return fit


def distance_alone(others):
    """Score by the size of the difference: nothing is fitted."""
    return lambda change: -change.sum(axis=-1)


def stand_in_changes(data, form):
    """Return differences of the genuine and of the fake stand-in clips, (clips, pairs, d)."""
    pairs = stand_in_pairs(N_PEOPLE)
    return {
        name: difference(features, *pairs, form).reshape(N_PEOPLE, -1, features.pooled.shape[-1])
        for name, features in data.photos.items()
    }


def judge_stand_ins(changes, score):
    """Return the AUC of clips of the people of the second half, with its interval."""
    unseen = slice(N_PEOPLE // 2, None)
    means = [_means(score, changes[name][unseen]) for name in ("genuine", "fake")]
    n = len(means[0])
    return auc(np.repeat([True, False], n), np.concatenate(means), np.tile(np.arange(n), 2))


def _means(score, changes):
    flat = changes.reshape(-1, changes.shape[-1])
    return score(flat).reshape(changes.shape[:2]).mean(axis=1)


def rows_of(data):
    """Yield a row for everything that is tried with one network."""
    for choice, form, kind in (
        ("moments", "pooled, L2", "mixture"),
        ("moments", "pooled, L2", "Mahalanobis"),
        *((f"lag {lag}", "pooled, L2", "Mahalanobis") for lag in LAGS[1:]),
        ("like pose", "pooled, L2", "Mahalanobis"),
        ("moments", "pooled", "Mahalanobis"),
        ("moments", "before pooling", "Mahalanobis"),
        ("moments", "before pooling, L2", "Mahalanobis"),
        ("lag 1", "before pooling", "Mahalanobis"),
        ("like pose", "before pooling", "Mahalanobis"),
    ):
        figures = judge_real(data, choice, form, fitted_on_others(kind))
        yield {"pairs of": choice, "features": form, "fitted on": "clips", "by": kind, **figures}
    for choice, form in itertools.product(("moments", "lag 1", "like pose"), FORMS):
        figures = judge_real(data, choice, form, distance_alone)
        yield {"pairs of": choice, "features": form, "fitted on": "-", "by": "distance", **figures}
    for form in FORMS:
        yield from _fitted_on_stand_ins(data, form)
    yield from _without_differences(data)


def _fitted_on_stand_ins(data, form):
    changes = stand_in_changes(data, form)
    known = np.concatenate(changes["genuine"][: N_PEOPLE // 2])
    for kind in ("mixture", "Mahalanobis"):
        fitted = detector(kind, len(known)).fit(known)
        figures = judge_real(data, "moments", form, lambda others, f=fitted: f.score_samples)
        row = {"pairs of": "moments", "features": form, "fitted on": "stand-ins", "by": kind}
        yield {**row, **figures, "stand-ins": judge_stand_ins(changes, fitted.score_samples)}
    pca = PCA(N_COMPONENTS, random_state=0).fit(known)

    def fit(others):
        inside = MahalanobisDetector().fit(pca.transform(np.concatenate(others)))
        return lambda change: inside.score_samples(pca.transform(change))

    row = {"pairs of": "moments", "features": form, "fitted on": "clips"}
    row["by"] = "Mahalanobis in components of stand-ins"
    yield {**row, **judge_real(data, "moments", form, fit)}
    distance = distance_alone(None)
    row = {"pairs of": "-", "features": form, "fitted on": "-", "by": "distance"}
    yield {**row, "stand-ins": judge_stand_ins(changes, distance)}


def _without_differences(data):
    """Yield the mean verdict, and how much the verdict changes, of the frames of every clip."""
    unseen = slice(N_PEOPLE // 2, None)
    kinds = [data.photos[name].verdicts[unseen] for name in ("genuine", "fake")]
    n = len(kinds[0])
    y, people = np.repeat([True, False], n), np.tile(np.arange(n), 2)
    for by, reduce in (
        ("mean verdict", lambda v: v.mean()),
        ("spread of the verdict", lambda v: -v.std()),
    ):
        means = np.array([reduce(features.verdicts[:, 0]) for features in data.real])
        photos = np.array([reduce(v) for kind in kinds for v in kind])
        yield {
            "pairs of": "-",
            "features": "verdict",
            "fitted on": "-",
            "by": by,
            "clips": auc(data.genuine, means),
            "stand-ins": auc(y, photos, people),
        }


def learning_curves(data):
    """Return the AUC by the number of genuine clips that were fitted on.

    Returns
    -------
    dict
        `real`: every choice of one to four of the other genuine clips, its mean and its range;
        `stand-ins`: people of the first half, judged on the second.
    """
    form = "pooled, L2"
    real = []
    for n in range(1, 5):
        values = [
            judge_real(data, "moments", form, partial(_fit_chosen, chosen=chosen))["clips"]
            for chosen in itertools.combinations(range(4), n)
        ]
        real.append(
            {"clips": n, "AUC": round(float(np.mean(values)), 4), "of": [min(values), max(values)]}
        )
    changes = stand_in_changes(data, form)
    photos = []
    for n in CURVE:
        known = np.concatenate(changes["genuine"][:n])
        fitted = detector("Mahalanobis", len(known)).fit(known)
        on_real = judge_real(data, "moments", form, lambda others, f=fitted: f.score_samples)
        figures = judge_stand_ins(changes, fitted.score_samples)
        photos.append({"clips": n, "stand-ins": figures, "real clips": on_real["clips"]})
    return {"real": real, "stand-ins": photos}


def _fit_chosen(others, chosen):
    known = np.concatenate([others[i] for i in chosen if i < len(others)] or others)
    return detector("Mahalanobis", len(known)).fit(known).score_samples


def pose_explains(data):
    """Return how much of the size of a difference the distance of landmarks explains.

    Returns
    -------
    float
        Fraction of the variance over pairs of moments of one genuine clip that a straight line
        explains; mean over the clips.
    """
    explained = []
    for clip, features in zip(data.clips, data.real, strict=True):
        if not clip.genuine:
            continue
        couples = np.array(list(itertools.combinations(range(len(clip.crops)), 2)))
        none = np.zeros(len(couples), int)
        pairs = (couples[:, 0], none), (couples[:, 1], none)
        size = difference(features, *pairs, FORMS[0]).sum(axis=-1)
        pose = pose_distance(clip, couples)[:, None]
        explained.append(LinearRegression().fit(pose, size).score(pose, size))
    return float(np.mean(explained))


def sizes(data, choice, form):
    """Return the mean size of differences within genuine clips and within fakes."""
    rng = np.random.default_rng(0)
    means = np.array(
        [
            difference(features, *real_pairs(clip, choice, rng), form).sum(axis=-1).mean()
            for clip, features in zip(data.clips, data.real, strict=True)
        ]
    )
    return _both(means[data.genuine], means[~data.genuine])


def _both(genuine, fake):
    return {"genuine": float(f"{genuine.mean():.3g}"), "fake": float(f"{fake.mean():.3g}")}


def composition(data):
    """Say what differences within clips consist of."""
    norms = [np.linalg.norm(features.pooled, axis=-1).mean() for features in data.real]
    photos = [np.linalg.norm(data.photos[name].pooled, axis=-1) for name in ("genuine", "fake")]
    result = {
        "pose explains": round(pose_explains(data), 3),
        "norm of features, real clips": _both(
            np.array(norms)[data.genuine], np.array(norms)[~data.genuine]
        ),
        "norm of features, stand-ins": _both(*photos),
    }
    for form in ("pooled, L2", "pooled"):
        for choice in (*(f"lag {lag}" for lag in LAGS[1:]), "moments"):
            result[f"size, {form}, {choice}"] = sizes(data, choice, form)
    return result


def main():
    split = partial(str.split, sep="=", maxsplit=1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", action="append", default=[], type=split, metavar="NAME=FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    result = {"networks": []}
    if options.output.exists():
        result = json.loads(options.output.read_text())
    networks = {network["name"]: network for network in result["networks"]}
    data = None
    for name, weights in [(SHIPPED, None), *options.network]:
        network = networks.setdefault(name, {"name": name})
        missing = [part for part in PARTS if part not in network]
        if not missing:
            continue
        data = data or Data(options.faces, options.data)
        data.embed(load_network(weights))
        for part in missing:
            network[part] = PARTS[part](data)
            print(name, part, json.dumps(network[part], indent=1), flush=True)
            result["networks"] = list(networks.values())
            options.output.write_text(json.dumps(result, indent=1) + "\n")


PARTS = {
    "rows": lambda data: list(rows_of(data)),
    "learning curve": learning_curves,
    "composition": composition,
}

if __name__ == "__main__":
    main()
