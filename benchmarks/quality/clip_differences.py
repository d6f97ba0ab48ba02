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

    python benchmarks/quality/clip_differences.py FACES DATA \\
        -o benchmarks/results/clip_differences.json --network "NAME=TRAINING/forgery.safetensors"

FACES and DATA as for `forgery_experiments.py`. What the output holds is not run again.
"""

import itertools
import json
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality._clip_faces import LAGS, clip_faces
from benchmarks.quality._clip_features import (
    FORMS,
    PAPER,
    Features,
    difference,
    pose_distance,
    real_pairs,
    stand_in_pairs,
)
from benchmarks.quality._stand_in_clips import stand_in_clips
from benchmarks.quality.forgery_experiments import (
    auc,
    held_out_rows,
    load_network,
    make_parser,
    networks_to_judge,
    read_result,
)
from sklearn_diffake.embedding.backbones._packaged import CROP
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector

N_PEOPLE = 240  # of the stand-in clips; the first half is fitted on, the other judged
N_COMPONENTS = 24
CURVE = (5, 10, 20, 40, 80, 120)


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
        one_of_each = unseen[np.unique(people[unseen], return_index=True)[1]]
        rows = np.sort(np.random.default_rng(0).permutation(one_of_each)[:N_PEOPLE])
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
        other_frames = [
            c
            for c, s, genuine in zip(changes, scenes, data.genuine, strict=True)
            if genuine and s != scene
        ]
        scores.append(fit(other_frames)(change))
    means = np.array([score.mean() for score in scores])
    labels = np.repeat(data.genuine, [len(score) for score in scores])
    return {
        "clips": auc(data.genuine, means),
        "pairs": auc(labels, np.concatenate(scores)),
        "pairs of a clip": len(changes[0]),
    }


def fitted_on_others(kind, n_clips=None):
    """Fit on the first `n_clips` of the other genuine clips."""

    def fit(other_frames):
        fit_indices = np.concatenate(other_frames[:n_clips])
        return detector(kind, len(fit_indices)).fit(fit_indices).score_samples

    return fit


def distance_alone(other_clips):
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


class Trial(NamedTuple):
    """One row of the table.

    Attributes
    ----------
    pairs : str
        See `real_pairs`; "-" for no pairs of real clips.
    features : str
        See `difference`, or "verdict".
    fitted : {"clips", "stand-ins", "-"}
        What the detector learns from.
    by : str
        The detector, or the score that needs none.
    """

    pairs: str
    features: str
    fitted: str
    by: str


PROJECTED = "Mahalanobis in components of stand-ins"
TRIALS = (
    *(Trial("moments", form, "clips", "mixture") for form in (PAPER, FORMS[0])),
    *(Trial("moments", form, "clips", "Mahalanobis") for form in (PAPER, *FORMS)),
    *(Trial(f"lag {lag}", "pooled, L2", "clips", "Mahalanobis") for lag in LAGS[1:]),
    Trial("like pose", "pooled, L2", "clips", "Mahalanobis"),
    Trial("lag 1", "before pooling", "clips", "Mahalanobis"),
    Trial("like pose", "before pooling", "clips", "Mahalanobis"),
    *(
        Trial(choice, form, "-", "distance")
        for choice, form in itertools.product(("moments", "lag 1", "like pose"), FORMS)
    ),
    *(
        Trial("moments", form, "stand-ins", kind)
        for form, kind in itertools.product((PAPER, *FORMS), ("mixture", "Mahalanobis"))
    ),
    *(Trial("moments", form, "clips", PROJECTED) for form in FORMS),
    Trial("-", "verdict", "-", "mean verdict"),
    Trial("-", "verdict", "-", "spread of the verdict"),
)


def run(trial, data):
    """Return the row of one trial.

    Parameters
    ----------
    trial : Trial
    data : Data
        With the features of a network.

    Returns
    -------
    dict
        The trial and its figures: AUC of real clips (`clips`), of their pairs, and of stand-ins.
    """
    row = dict(zip(("pairs of", "features", "fitted on", "by"), trial, strict=True))
    if trial.features == "verdict":
        return row | _of_verdicts(trial, data)
    if trial.by == PROJECTED:
        return row | judge_real(data, trial.pairs, trial.features, _projected(trial, data))
    if trial.fitted == "clips":
        return row | judge_real(data, trial.pairs, trial.features, fitted_on_others(trial.by))
    if trial.by == "distance" and trial.pairs != "moments":
        return row | judge_real(data, trial.pairs, trial.features, distance_alone)
    changes = stand_in_changes(data, trial.features)
    score = distance_alone(None)
    if trial.fitted == "stand-ins":
        known_rows = np.concatenate(changes["genuine"][: N_PEOPLE // 2])
        score = detector(trial.by, len(known_rows)).fit(known_rows).score_samples
    figures = judge_real(data, trial.pairs, trial.features, lambda others: score)
    return {**row, **figures, "stand-ins": judge_stand_ins(changes, score)}


def _projected(trial, data):
    """Fit on the other genuine clips within the principal components of stand-in pairs."""
    genuine = stand_in_changes(data, trial.features)["genuine"]
    pca = PCA(N_COMPONENTS, random_state=0).fit(np.concatenate(genuine[: N_PEOPLE // 2]))

    def fit(others):
        inside = MahalanobisDetector().fit(pca.transform(np.concatenate(others)))
        return lambda change: inside.score_samples(pca.transform(change))

    return fit


def _of_verdicts(trial, data):
    """Return figures of the mean verdict, or of its spread over the frames."""
    reduce = np.mean if trial.by == "mean verdict" else lambda verdicts: -np.std(verdicts)
    unseen = slice(N_PEOPLE // 2, None)
    kinds = [data.photos[name].verdicts[unseen] for name in ("genuine", "fake")]
    n = len(kinds[0])
    photos = np.array([reduce(verdicts) for kind in kinds for verdicts in kind])
    return {
        "clips": auc(data.genuine, np.array([reduce(f.verdicts[:, 0]) for f in data.real])),
        "stand-ins": auc(np.repeat([True, False], n), photos, np.tile(np.arange(n), 2)),
    }


def complete(rows, data):
    """Return rows with those of the trials that are missing; the order is that of the trials."""
    known_rows = {tuple(list(row.values())[:4]): row for row in rows}
    return [known_rows.get(tuple(trial)) or run(trial, data) for trial in TRIALS]


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
            judge_real(data, "moments", form, partial(_fit_chosen, chosen=clip_indices))["clips"]
            for clip_indices in itertools.combinations(range(4), n)
        ]
        real.append(
            {"clips": n, "AUC": round(float(np.mean(values)), 4), "of": [min(values), max(values)]}
        )
    changes = stand_in_changes(data, form)
    photos = []
    for n in CURVE:
        known_changes = np.concatenate(changes["genuine"][:n])
        fitted = detector("Mahalanobis", len(known_changes)).fit(known_changes)
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
    return _both_classes(means[data.genuine], means[~data.genuine])


def _both_classes(genuine, fake):
    return {"genuine": float(f"{genuine.mean():.3g}"), "fake": float(f"{fake.mean():.3g}")}


def composition(data):
    """Say what differences within clips consist of."""
    norms = [np.linalg.norm(features.pooled, axis=-1).mean() for features in data.real]
    photos = [np.linalg.norm(data.photos[name].pooled, axis=-1) for name in ("genuine", "fake")]
    result = {
        "pose explains": round(pose_explains(data), 3),
        "norm of features, real clips": _both_classes(
            np.array(norms)[data.genuine], np.array(norms)[~data.genuine]
        ),
        "norm of features, stand-ins": _both_classes(*photos),
    }
    for form in ("pooled, L2", "pooled"):
        for choice in (*(f"lag {lag}" for lag in LAGS[1:]), "moments"):
            result[f"size, {form}, {choice}"] = sizes(data, choice, form)
    return result


def main():
    options = make_parser(__doc__).parse_args()
    result = read_result(options.output)
    networks = {network["name"]: network for network in result["networks"]}
    data = None
    for name, weights in networks_to_judge(options):
        network = networks.setdefault(name, {"name": name})
        missing = [section for section in SECTIONS if section not in network]
        if not missing and len(network["rows"]) == len(TRIALS):
            continue
        data = data or Data(options.faces, options.data)
        data.embed(load_network(weights))
        network["rows"] = complete(network.get("rows", ()), data)
        for section in missing:
            network[section] = SECTIONS[section](data)
        print(json.dumps(network, indent=1), flush=True)
        result["networks"] = list(networks.values())
        options.output.write_text(json.dumps(result, indent=1) + "\n")


SECTIONS = {"learning curve": learning_curves, "composition": composition}


if __name__ == "__main__":
    main()
