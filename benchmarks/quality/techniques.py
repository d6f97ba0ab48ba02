"""How well pseudo-deepfakes of unseen people are detected, technique by technique.

The network that ships is judged on people who were held out of its training. Beside it stand
small networks that are all trained alike, one on every technique and one without each: what the
latter make of the technique that they never saw is the price of its being unknown.

    python benchmarks/quality/techniques.py FACES/lfw TRAINING/forgery.json OUTPUT \\
        -o techniques.json

Trainings in OUTPUT that are finished are not repeated.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training.train_forgery import TECHNIQUES
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.backbones._packaged import CROP
from sklearn_diffake.generation import PseudoDeepfakeDataset
from sklearn_diffake.metrics import confidence_interval

JUDGED_ON = 400  # faces


def judge(embedder, crops, people, technique):
    """Return the image AUC on fakes by one technique, with its interval over people."""
    fake_dataset = PseudoDeepfakeDataset(
        crops, techniques=[technique], identity=people, margin=CROP.margin, augment=True, seed=1
    )
    pairs = np.stack([fake_dataset[row] for row in range(len(fake_dataset))])  # (n, 2, S, S, 3)
    scores = embedder.score_images(np.concatenate([pairs[:, 0], pairs[:, 1]]))
    y = np.repeat([1, -1], len(crops))
    interval = confidence_interval(roc_auc_score, y, scores, groups=np.tile(people, 2))
    return [round(float(value), 4) for value in interval]


def small_network(crops, people, excluded, folder):
    """Train briefly on a part of the people, all techniques but one."""
    embedder = ForgeryEmbedder(
        techniques={name: 1 for name in TECHNIQUES if name != excluded},
        margin=CROP.margin,
        input_size=96,
        max_epochs=3,
        lr=0.02,
        rho=0.0,
        weight_decay=1e-4,
        validation_fraction=0,
        checkpoint_dir=folder,
        random_state=0,
        verbose=1,
    )
    return embedder.fit(crops, groups=people)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("training", type=Path, help="forgery.json of train_forgery.py")
    parser.add_argument("output", type=Path)
    parser.add_argument("--people", type=int, default=2000, help="to train small networks on")
    parser.add_argument("--shipped-only", action="store_true")
    parser.add_argument("-o", "--result", type=Path)
    options = parser.parse_args()
    crops = np.load(options.faces / "faces.npy", mmap_mode="r")
    people = pd.read_csv(options.faces / "faces.csv")["identity"].to_numpy()
    held_out = json.loads(options.training.read_text())["rows held out"]
    unseen = np.isin(np.arange(len(people)), held_out)
    judged_rows = np.random.default_rng(0).permutation(np.flatnonzero(unseen))[:JUDGED_ON]
    judged_rows.sort()
    judged_crops, judged_people = crops[judged_rows], people[judged_rows]
    first = np.flatnonzero(~unseen)[np.unique(people[~unseen], return_index=True)[1]]
    training = np.sort(np.random.default_rng(1).permutation(first)[: options.people])
    shipped = ForgeryEmbedder("difffake-lite0", max_epochs=0).fit(crops[:1])
    result = {
        "faces judged": len(judged_rows),
        "people judged": len(set(judged_people)),
        "rows": [],
    }
    result["rows"] = [
        {"technique": name, "shipped": judge(shipped, judged_crops, judged_people, name)}
        for name in tqdm(TECHNIQUES, desc="shipped")
    ]
    if not options.shipped_only:
        result["people trained on"] = len(training)
        args = (crops[training], people[training])
        trained_on_all = small_network(*args, None, options.output / "all")
        for row in result["rows"]:
            name = row["technique"]
            row["seen"] = judge(trained_on_all, judged_crops, judged_people, name)
            reduced_network = small_network(*args, name, options.output / name)
            row["left out"] = judge(reduced_network, judged_crops, judged_people, name)
            print(row, flush=True)
    print(json.dumps(result, indent=1))
    if options.result:
        options.result.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
