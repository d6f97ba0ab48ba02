"""Train the forgery network that ships: EfficientNet-Lite0 on pseudo-deepfakes of real faces.

Input is what prepare_faces.py wrote. Training goes on from its last finished epoch when the script
is started again with the same output folder and settings.

    python benchmarks/training/train_forgery.py FACES/lfw OUTPUT
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_diffake.embedding import ForgeryEmbedder
from sklearn_diffake.embedding.backbones._difffake import CROP

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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--rho", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leave-out", help="a technique that is not trained on")
    parser.add_argument("--weights", type=Path, help="a forgery.safetensors to go on from")
    options = parser.parse_args()
    techniques = {k: w for k, w in TECHNIQUES.items() if k != options.leave_out}
    people = pd.read_csv(options.faces / "faces.csv")["identity"]
    embedder = ForgeryEmbedder(
        weights=options.weights,
        techniques=techniques,
        margin=CROP.margin,
        input_size=options.size,
        max_epochs=options.epochs,
        lr=options.lr,
        rho=options.rho,
        weight_decay=1e-4,
        checkpoint_dir=options.output / "checkpoints",
        random_state=options.seed,
        verbose=1,
    )
    embedder.fit(np.load(options.faces / "faces.npy"), groups=people)
    embedder.save_weights(options.output / "forgery.safetensors", dtype="float16")
    found = {
        "validation AUC": embedder.validation_auc_,
        "people held out": int(people.iloc[embedder.validation_rows_].nunique()),
        "history": embedder.history_,
        "rows held out": embedder.validation_rows_.tolist(),
    }
    (options.output / "forgery.json").write_text(json.dumps(found) + "\n")
    print(found["validation AUC"], found["history"])


if __name__ == "__main__":
    main()
