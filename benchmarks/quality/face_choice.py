"""Whose face is taken from photographs with several faces, and what that costs a threshold.

Photographs of LFW show the named person in the middle, others beside. For each way of choosing,
the cosine of the chosen face to the faces of the person's other photographs (central ones, by
MobileFaceNet) says whether it is another person's; then thresholds of a conformal Mahalanobis
detector are fitted on pairs whose faces were chosen so.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

CHOICES = ("largest", "central", "match")
ANOTHER = 0.2  # a lower mean cosine to the person's other photographs is another person's


def photos_of_people(folder, n_photos):
    """Return photographs of people with three or more, at most ten each, as (person, path)."""
    people = {
        person.name: sorted(map(str, person.glob("*.jpg")))[:10]
        for person in sorted(folder.iterdir())
    }
    photos = [(name, path) for name, paths in people.items() if len(paths) >= 3 for path in paths]
    return photos[:n_photos]


def neighbor_pairs(photos):
    """Pair each photograph, as probe, with the person's next one as reference."""
    pairs = []
    for _, group in itertools.groupby(photos, key=lambda photo: photo[0]):
        paths = [path for _, path in group]
        if len(paths) > 1:
            pairs += list(zip(paths[1:] + paths[:1], paths, strict=True))
    return pairs


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def embed(embedder, crops):
    return embedder.fit(crops[0]).transform(crops)


def wrong_faces(probes, central, people):
    """Return for each probe the mean cosine to the central faces of the person's other photos."""
    inner = unit(probes) @ unit(central).T
    same_person = (people[:, None] == people) & ~np.eye(len(people), dtype=bool)
    return (inner * same_person).sum(axis=1) / same_person.sum(axis=1)


def evaluate(folder, weights, cache, n_photos, n_seeds):
    photos = photos_of_people(folder, n_photos)
    pairs = neighbor_pairs(photos)
    names = [name for name, _ in photos]
    people = np.array([names[[p for _, p in photos].index(probe)] for _, probe in pairs])
    embedder = FaceEmbedder(weights, cache=cache, device="cpu")
    settings = {"margin": 0.0, "on_missing": "crop", "cache": cache, "device": "cpu"}
    results, central, most_faces = {}, None, None
    for choice in ("central", "largest", "match"):
        start = time.perf_counter()
        matcher = embedder if choice == "match" else None
        faces = FaceAligner(112, select=choice, matcher=matcher, **settings).align(pairs)
        embeddings = embed(embedder, faces.crops)
        probe = faces.column == 1
        if central is None:
            central, most_faces = embeddings[:, 1], faces.n_faces[probe] > 1
        cosine = wrong_faces(embeddings[:, 1], central, people)
        wrong = cosine < ANOTHER
        rows = PairDifference("squared").fit_transform(embeddings)
        thresholds = [
            float(
                ConformalDetector(MahalanobisDetector(), target_bpcer=0.02, random_state=seed)
                .fit(rows, groups=people)
                .offset_
            )
            for seed in range(n_seeds)
        ]
        results[choice] = {
            "n_wrong": int(wrong.sum()),
            "n_wrong_of_several": int((wrong & most_faces).sum()),
            "share_wrong": float(wrong.mean()),
            "median_cosine": float(np.median(cosine)),
            "threshold_mean": float(np.mean(thresholds)),
            "threshold_std": float(np.std(thresholds)),
            "seconds": round(time.perf_counter() - start, 1),
        }
        print(choice, results[choice], flush=True)
    return {
        "data": "LFW, people with three photographs or more, at most ten each",
        "n_photos": len(pairs),
        "n_with_several_faces": int(most_faces.sum()),
        "another_person_below_cosine": ANOTHER,
        "n_seeds": n_seeds,
        "choices": {name: results[name] for name in CHOICES},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="lfw, with a folder for each person")
    parser.add_argument("weights", help="mobilefacenet.onnx")
    parser.add_argument("--cache", default=None)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, default=None)
    options = parser.parse_args()
    figures = evaluate(
        options.folder, options.weights, options.cache, options.photos, options.seeds
    )
    text = json.dumps(figures, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
