"""How well forgery networks do, each training beside the network that ships, failures too.

Every network is judged alike, single images only:

- on pseudo-deepfakes of people whom none of them has seen, as photographs and as video;
- on crops of real deepfakes of the DFDC: suspect labels are left out, groups of people are split
  into a validation part, on which a network is chosen, and a test part, which is reported;
- on ten clips of one person (Celeb-DF v2): mean verdict of 12 frames;
- on pictures by a diffusion model that keep a person's identity: frames of videos and photographs
  of the person against them. One person, as in the clips: no figure from it generalizes.

    python benchmarks/quality/forgery_experiments.py FACES DATA \\
        -o benchmarks/results/forgery_experiments.json \\
        --network "NAME=TRAINING/forgery.safetensors" --about "NAME=what was tried"

FACES holds the folders lfw, dfdc_crops and identity_kept that training/prepare_faces.py wrote (for
lfw with its settings); faces of the clips are added there. Networks that the output holds already
are not judged again; the shipped one comes first.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality._clip_faces import clip_faces
from benchmarks.quality.real_pairs import in_validation_part, read_manifest
from benchmarks.training.train_forgery import TECHNIQUES, held_out_rows
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.backbones._packaged import CROP
from sklearn_diffake.generation import PseudoDeepfakeDataset
from sklearn_diffake.metrics import bootstrap_interval, equal_error_rate

SHIPPED = "shipped"
N_PSEUDO = 300  # faces of unseen people, each with a fake
DEGRADED = {
    "photographs": {"augment": True},
    "video": {"augment": "video", "blending": "yuv420", "match_sharpness": 1.0},
}


class Faces:
    """What networks are judged on, read once.

    Parameters
    ----------
    faces, data : Path
        See the module.
    """

    def __init__(self, faces, data):
        people = pd.read_csv(faces / "lfw" / "faces.csv")["identity"].to_numpy()
        rows = np.sort(np.random.default_rng(0).permutation(held_out_rows(people))[:N_PSEUDO])
        crops = np.load(faces / "lfw" / "faces.npy", mmap_mode="r")[rows]
        self.people = people[rows]
        self.pseudo = {
            name: _pseudo_deepfakes(crops, self.people, options)
            for name, options in DEGRADED.items()
        }
        manifest = read_manifest(data / "dfdc_crops", cleaned=True)
        table = pd.read_csv(faces / "dfdc_crops" / "faces.csv")
        self.stills = table.reset_index(names="row").merge(manifest, on="path")
        self.still_crops = np.load(faces / "dfdc_crops" / "faces.npy", mmap_mode="r")
        self.clips = clip_faces(data, faces / "clips")
        self.kept_paths = pd.read_csv(faces / "identity_kept" / "faces.csv")["path"]
        self.kept_crops = np.load(faces / "identity_kept" / "faces.npy")


def _pseudo_deepfakes(crops, people, options):
    fake_dataset = PseudoDeepfakeDataset(
        crops, techniques=TECHNIQUES, identity=people, margin=CROP.margin, seed=1, **options
    )
    pairs = [fake_dataset[row] for row in range(len(fake_dataset))]
    return np.stack([real for real, _ in pairs] + [fake for _, fake in pairs])


def auc(genuine, scores, groups=None):
    """Return an AUC, with the ends of a 95 % bootstrap interval over groups if these are given."""
    if groups is None:
        return round(float(roc_auc_score(genuine, scores)), 4)
    y = np.where(genuine, 1, -1)
    interval = bootstrap_interval(roc_auc_score, y, scores, groups=groups, random_state=0)
    return [round(float(value), 4) for value in interval]


def judge(embedder, faces):
    """Return all figures of one network.

    Parameters
    ----------
    embedder : ForgeryEmbedder
        Fitted.
    faces : Faces

    Returns
    -------
    dict
    """
    figures = {}
    y = np.repeat([True, False], len(faces.people))
    for name, crops in faces.pseudo.items():
        scores = embedder.score_images(crops)
        figures[f"pseudo-deepfakes, {name}"] = auc(y, scores, np.tile(faces.people, 2))
    figures |= _of_stills(embedder, faces) | _of_clips(embedder, faces)
    scores = embedder.score_images(faces.kept_crops)
    fake = faces.kept_paths.str.startswith("fake").to_numpy()
    frame = faces.kept_paths.str.startswith("real/video").to_numpy()
    figures["identity_kept"] = auc(~fake, scores)
    figures["identity_kept, frames of videos"] = auc(frame[fake | frame], scores[fake | frame])
    return figures


def _of_stills(embedder, faces):
    table = faces.stills
    scores = embedder.score_images(faces.still_crops[table["row"].to_numpy()])
    genuine, groups = (table["label"] == 1).to_numpy(), table["group"].to_numpy()
    validation = in_validation_part(groups)
    return {
        f"stills, {name}": auc(genuine[in_part], scores[in_part], groups[in_part])
        for name, in_part in (("validation", validation), ("test", ~validation))
    }


def _of_clips(embedder, faces):
    genuine = np.array([clip.genuine for clip in faces.clips])
    scores = np.stack([embedder.score_images(clip.judged) for clip in faces.clips])
    means = scores.mean(axis=1)
    y = np.where(genuine, 1, -1)
    return {
        "clips": auc(genuine, means),
        "clips, EER": round(float(equal_error_rate(y, means)), 4),
        "clips, single frames": auc(np.repeat(genuine, scores.shape[1]), scores.ravel()),
        "clips, mean verdicts": {
            f"{'real' if clip.genuine else 'fake'}/{clip.name}": round(float(mean), 3)
            for clip, mean in zip(faces.clips, means, strict=True)
        },
    }


def load_network(weights):
    """Return a fitted embedder of the shipped network (None) or of a file of weights."""
    name = "difffake-lite0" if weights is None else "efficientnet-lite0"
    embedder = ForgeryEmbedder(name, weights=weights, max_epochs=0, n_jobs=1)
    return embedder.fit(np.zeros((1, CROP.size, CROP.size, 3), np.uint8))


def training_of(weights):
    """Return what train_forgery.py wrote beside the weights, without the rows of each epoch."""
    file = None if weights is None else Path(weights).with_name("forgery.json")
    if file is None or not file.exists():
        return None
    training = json.loads(file.read_text())
    training.pop("rows held out", None)
    history = training.pop("history")
    training["validation AUC by epoch"] = [round(row["valid_auc"], 4) for row in history]
    return training


split_at_equals = partial(str.split, sep="=", maxsplit=1)


def make_parser(description):
    """Return a parser of what all scripts on forgery networks take."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--network", action="append", default=[], type=split_at_equals, metavar="NAME=FILE"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


def networks_to_judge(options):
    """Return names and weights of networks: the shipped one (None), then those that are given."""
    return [(SHIPPED, None), *options.network]


def read_result(file):
    """Return what an earlier run wrote, so that it goes on from there."""
    return json.loads(file.read_text()) if file.exists() else {"networks": []}


def main():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--about", action="append", default=[], type=split_at_equals, metavar="NAME=TEXT"
    )
    options = parser.parse_args()
    result = read_result(options.output)
    judged_names = {row["name"] for row in result["networks"]}
    descriptions = {SHIPPED: "the network of release 0.1", **dict(options.about)}
    waiting = [network for network in networks_to_judge(options) if network[0] not in judged_names]
    faces = Faces(options.faces, options.data) if waiting else None
    for name, weights in waiting:
        embedder = load_network(weights)
        row = {
            "name": name,
            "about": descriptions.get(name, ""),
            "input size": embedder.backbone_info_["input_size"][0],
            "training": training_of(weights),
            **judge(embedder, faces),
        }
        result["networks"].append(row)
        options.output.write_text(json.dumps(result, indent=1) + "\n")
        print(json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
