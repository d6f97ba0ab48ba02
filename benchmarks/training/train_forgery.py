"""Train a forgery network of the package: EfficientNet-Lite0 on pseudo-deepfakes of real faces.

Input is what prepare_faces.py wrote. People are held out: nobody of them is trained or validated
on, so that `benchmarks/quality/forgery_experiments.py` can judge on
them. Training resumes from its last finished epoch when the script is started again with the same
output folder and settings.

    python benchmarks/training/train_forgery.py FACES/lfw OUTPUT
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.training.distil_identity import held_out
from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.backbones._packaged import CROP
from sklearn_diffake.embedding.forgery._crops import GenuineCrops, hold_out

TECHNIQUES = {
    "self_blend_global": 3,
    "self_blend_eyes": 1,
    "self_blend_mouth": 1,
    "self_blend_lower_head": 1,
    "upsampling_grid": 0.5,
    "spectral_notch": 0.5,
    "texture_mismatch": 0.5,
    "lighting_mismatch": 0.5,
    "poor_blend_seam": 0.5,
    "identity_blend": 2.5,
    "identity_swap": 2.5,
}
SHARE_HELD_OUT = 0.1


def held_out_rows(people):
    """Return the rows of the people whom `ForgeryEmbedder(random_state=0)` holds out of all.

    They are those whom the network of release 0.1 was not trained on either.

    Parameters
    ----------
    people : array-like of shape (n,)
        Who is seen in each row.

    Returns
    -------
    ndarray of int
    """
    codes = pd.factorize(np.asarray(people))[0]
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    faces = GenuineCrops(images=codes, people=codes, rows=codes)
    return hold_out(faces, SHARE_HELD_OUT, np.random.default_rng(seed))[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--images-per-epoch", type=int, help="default: all")
    parser.add_argument("--batch", type=int, default=32, help="real faces in a step")
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--rho", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--augment", choices=["video", "photo"], default="video")
    parser.add_argument("--blending", default="mixed")
    parser.add_argument("--match-sharpness", type=float, default=0.5)
    parser.add_argument("--validation", type=float, default=0.04, help="fraction of the others")
    parser.add_argument("--leave-out", help="a technique that is not trained on")
    parser.add_argument("--weights", type=Path, help="a forgery.safetensors to go on from")
    options = parser.parse_args()
    techniques = {k: w for k, w in TECHNIQUES.items() if k != options.leave_out}
    people = pd.read_csv(options.faces / "faces.csv")["identity"]
    unseen = held_out(people)  # nor by the identity networks
    unseen[held_out_rows(people)] = True
    trained_on = np.flatnonzero(~unseen)
    embedder = ForgeryEmbedder(
        weights=options.weights,
        techniques=techniques,
        margin=CROP.margin,
        input_size=options.size,
        augment="video" if options.augment == "video" else True,
        blending=options.blending,
        match_sharpness=options.match_sharpness,
        max_epochs=options.epochs,
        images_per_epoch=options.images_per_epoch,
        validation_fraction=options.validation,
        batch_size=options.batch,
        lr=options.lr,
        rho=options.rho,
        weight_decay=1e-4,
        checkpoint_dir=options.output / "checkpoints",
        random_state=options.seed,
        verbose=2,
    )
    crops = np.load(options.faces / "faces.npy", mmap_mode="r")[trained_on]
    embedder.fit(crops, groups=people.iloc[trained_on])
    embedder.save_weights(options.output / "forgery.safetensors", dtype="float16")
    result = {
        "settings": {k: str(v) for k, v in vars(options).items() if k not in ("faces", "output")},
        "validation AUC": embedder.validation_auc_,
        "best epochs": embedder.best_epochs_,
        "history": embedder.history_,
        "rows held out": np.flatnonzero(unseen).tolist(),
    }
    (options.output / "forgery.json").write_text(json.dumps(result) + "\n")
    print(result["validation AUC"], result["best epochs"])


if __name__ == "__main__":
    main()
