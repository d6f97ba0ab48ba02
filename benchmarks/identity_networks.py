"""How well identity networks tell face swaps of people they never saw: one table of all of them.

Crops of the DFDC are judged by the cosine of the probe and the mean of its references, one or
three, with and without the labels of `suspect_labels.txt`. Beside it: pairs of LFW people held out
of the training, and pictures of one person that keep the identity, against references from photos.

    python benchmarks/identity_networks.py PACKS DATA TEACHERS --students OUTPUT \\
        -o results/identity_networks.json

PACKS holds lfw.npz, dfdc_crops.npz and identity_kept.npz of training/prepare_identity.py, DATA the
folder dfdc_crops, TEACHERS what training/convert_teachers.py wrote, OUTPUT what
training/train_identity.py did. Embeddings are kept in PACKS.
"""

import argparse
import hashlib
import json
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from real_pairs import METRICS
from training._identity_networks import WIDTH, students, teachers, weights
from training.train_identity import held_out, read_faces, verification

from sklearn_diffake.metrics import bootstrap_interval
from sklearn_diffake.pairs import make_reference_pairs

BATCH = 32
REFERENCES = (1, 3)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def embed(network, faces, cache):
    """Return the outputs for faces and for their mirror images, shape (n, 2, width)."""
    if cache.exists():
        return np.load(cache)
    parts, start = [], time.perf_counter()
    with torch.inference_mode():
        for part in faces.split(BATCH):
            both = torch.cat([part, part.flip(3)]).float()
            parts.append(network(both).unflatten(0, (2, -1)).transpose(0, 1).numpy())
    vectors = np.concatenate(parts)
    print(cache.name, f"{time.perf_counter() - start:.0f} s", flush=True)
    np.save(cache, vectors)
    return vectors


def networks_of(options):
    """Return the networks by name, each with a key that changes with its weights."""
    files = [options.teachers / f"{name}.safetensors" for name in ("dlib", "mobilefacenet")]
    networks = dict(zip(("dlib", "MobileFaceNet"), teachers(options.teachers), strict=True))
    for name, network in students().items() if options.students else ():
        file = options.students / f"{name}.safetensors"
        if file.exists():
            network.network.load_state_dict(weights(file), strict=False)
            networks[f"student: {name}"] = network.eval()
            files.append(file)
    keys = [hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in files]
    return networks, dict(zip(networks, keys, strict=True))


def systems(outputs, center):
    """Return the embeddings of all systems, of length 1, from the outputs of all networks.

    `center` holds the mean outputs of the teachers on LFW people that the students learned from.
    """
    result = {}
    halves = {}
    for name, vectors in outputs.items():
        if name.startswith("student"):
            result[name] = unit(vectors[:, 0])
            result[f"{name}, mirrored"] = unit(vectors.sum(1))
        else:
            vectors = unit(vectors) if name == "MobileFaceNet" else vectors
            result[name] = unit(vectors[:, 0])
            result[f"{name}, mirrored"] = unit(vectors.mean(1))
            halves[name] = unit(vectors.mean(1) - center[name])
            result[f"{name}, mirrored, centered"] = halves[name]
    both = [result["dlib, mirrored"], result["MobileFaceNet, mirrored"]]
    result["both, mirrored"] = np.concatenate(both, 1) / 2**0.5
    result["both, mirrored, centered"] = np.concatenate(list(halves.values()), 1) / 2**0.5
    return result


def template_cosines(vectors, index):
    """Return the cosine of each probe and the mean of its references; `index` is (n, k, 2)."""
    return (unit(vectors[index[:, :, 0]].mean(1)) * vectors[index[:, 0, 1]]).sum(1)


def judge(scores, y, groups=None):
    """Return the figures of scores; with groups, an interval of the EER over them besides."""
    row = {metric: round(float(function(y, scores)), 4) for metric, function in METRICS.items()}
    if groups is not None:
        interval = bootstrap_interval(METRICS["EER"], y, scores, groups=groups, random_state=0)
        row["EER, interval"] = [round(float(limit), 4) for limit in interval[1:]]
    return row


def dfdc_rows(vectors_of, paths, folder, *, cleaned):
    """Judge every system on DFDC crops, by whole groups: validation part, test part, all."""
    table = pd.read_csv(folder / "manifest.csv")
    if cleaned:
        suspects = (folder / "suspect_labels.txt").read_text().split()
        table = table[~table["path"].isin(suspects)].reset_index(drop=True)
    place = pd.Series(np.arange(len(paths)), paths)
    rows = place.loc[table["path"]].to_numpy()
    for k in REFERENCES:
        pairs = make_reference_pairs(table, k=k, exclude="original", random_state=0)
        index, y = rows[pairs.index].reshape(-1, k, 2), pairs.target[::k]
        groups = table["group"].to_numpy()[pairs.index[::k, 1]]
        validation = np.array([zlib.crc32(str(group).encode()) % 2 == 0 for group in groups])
        every = np.ones(len(y), bool)
        for part, kept in (("all", every), ("validation", validation), ("test", ~validation)):
            for name, vectors in vectors_of.items():
                scores = template_cosines(vectors, index[kept])
                yield {
                    "data": "dfdc_crops" if cleaned else "dfdc_crops, suspect labels kept",
                    "part": part,
                    "references": k,
                    "system": name,
                    "pairs": len(scores),
                    **judge(scores, y[kept], groups[kept] if part == "test" else None),
                }


def kept_rows(vectors_of, paths):
    """Judge frames and fakes of one person against templates of three photos."""
    paths = np.array(paths)
    photos = np.flatnonzero([path.startswith("real/photo") for path in paths])
    probes = np.flatnonzero([not path.startswith("real/photo") for path in paths])
    y = np.where([path.startswith("real/") for path in paths[probes]], 1, -1)
    rng = np.random.default_rng(0)
    for k in REFERENCES:
        references = np.stack([rng.choice(photos, k, replace=False) for _ in probes])
        index = np.stack([references, np.repeat(probes[:, None], k, 1)], axis=2)
        for name, vectors in vectors_of.items():
            scores = template_cosines(vectors, index)
            yield {
                "data": "identity_kept",
                "references": k,
                "system": name,
                "pairs": len(scores),
                **judge(scores, y),
            }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("packs", type=Path)
    parser.add_argument("dfdc", type=Path)
    parser.add_argument("teachers", type=Path)
    parser.add_argument("--students", type=Path)
    parser.add_argument("--n-center", type=int, default=2000, help="LFW photographs for centers")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    networks, keys = networks_of(options)
    faces, names, paths = {}, {}, {}
    for data in ("lfw", "dfdc_crops", "identity_kept"):
        file = options.packs / f"{data}.npz"
        faces[data], names[data] = read_faces(file)
        with np.load(file) as pack:
            paths[data] = pack["path"].tolist()
    judged = held_out(names["lfw"])
    rng = np.random.default_rng(0)
    learned = rng.permutation(np.flatnonzero(~judged))[: options.n_center]
    faces["center"], faces["lfw"] = faces["lfw"][learned], faces["lfw"][judged]
    outputs = {
        data: {
            name: embed(network, faces[data], options.packs / f"{data}-{keys[name]}.npy")
            for name, network in networks.items()
            if data != "center" or not name.startswith("student")
        }
        for data in faces
    }
    center = {
        name: (unit(vectors) if name == "MobileFaceNet" else vectors).mean((0, 1))
        for name, vectors in outputs["center"].items()
    }
    vectors_of = {data: systems(outputs[data], center) for data in faces if data != "center"}
    rows = []
    for name, vectors in vectors_of["lfw"].items():
        figures = verification(*[torch.from_numpy(vectors)] * 2, names["lfw"][judged])
        rows.append({"data": "LFW, people held out", "system": name, **figures})
    rows += dfdc_rows(vectors_of["dfdc_crops"], paths["dfdc_crops"], options.dfdc, cleaned=True)
    rows += dfdc_rows(vectors_of["dfdc_crops"], paths["dfdc_crops"], options.dfdc, cleaned=False)
    rows += kept_rows(vectors_of["identity_kept"], paths["identity_kept"])
    for row in rows:
        print(json.dumps(row), flush=True)
    if options.output:
        facts = {"width of a half": WIDTH, "weights": keys, "rows": rows}
        options.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
