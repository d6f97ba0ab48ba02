"""How well identity networks tell face swaps of people they never saw: one table of all of them.

Crops of the DFDC are judged by the cosine of the probe and the mean of its references, one or
three, with and without the labels of `suspect_labels.txt`. Beside it: pairs of LFW people held out
of the training, and pictures of one person that keep the identity, against references from photos.
A face and its mirror image are averaged in two ways: as they are, and each of length 1. Two scales
average them with a tighter crop and its mirror image, too.

    python benchmarks/quality/identity_networks.py DATA MOBILEFACENET.onnx CACHE \\
        --students OUTPUT -o benchmarks/results/identity_networks.json

DATA holds the folders lfw, dfdc_crops and identity_kept, OUTPUT what training/train_identity.py
wrote. Aligned faces and embeddings are kept in CACHE.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.quality.real_pairs import METRICS, in_validation_part, read_manifest
from benchmarks.training._identity_networks import (
    DLIB,
    IMAGENET,
    FaceNetwork,
    arcface_crop,
    dlib_crop,
    students,
    weights,
)
from benchmarks.training.convert_teachers import mobilefacenet
from benchmarks.training.prepare_identity import LFW_SETTINGS, align
from benchmarks.training.train_identity import held_out, verification
from sklearn_diffake.embedding.backbones._lookup import find_backbone
from sklearn_diffake.embedding.backbones._views import views_of
from sklearn_diffake.embedding.backbones.networks._dlib_resnet import (
    DlibResNet,
    dlib_resnet_file,
    read_dlib_resnet,
)
from sklearn_diffake.metrics import bootstrap_interval
from sklearn_diffake.pairs import make_reference_pairs

BATCH = 32
SCALES = (1.0, 0.9)  # of the default, see FaceEmbedder
REFERENCES = (1, 3)
PATTERNS = {"lfw": "*/*.jpg", "dfdc_crops": "*/*/*.jpg", "identity_kept": "*/*.jpg"}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def embed(network, faces, cache):
    """Return the outputs for views of faces, shape (n, 4, width).

    The views are the face, its mirror image, a tighter crop, and the mirror image of that.
    """
    if cache.exists():
        return np.load(cache)
    outputs, start = [], time.perf_counter()
    with torch.inference_mode():
        for face_batch in faces.split(BATCH):
            views = list(
                views_of(face_batch.permute(0, 2, 3, 1).numpy(), mirror=True, scales=SCALES)
            )
            batch = torch.from_numpy(np.concatenate(views)).permute(0, 3, 1, 2).float()
            outputs.append(network(batch).unflatten(0, (len(views), -1)).transpose(0, 1).numpy())
    vectors = np.concatenate(outputs)
    print(cache.name, f"{time.perf_counter() - start:.0f} s", flush=True)
    np.save(cache, vectors)
    return vectors


def networks_of(options):
    """Return the networks by name, each with a key that changes with its weights."""
    dlib, lite0 = DlibResNet(), find_backbone("difffake-lite0-identity")
    dlib.load_state_dict(read_dlib_resnet(dlib_resnet_file()))
    mobile = mobilefacenet(options.mobilefacenet)
    networks = {
        "dlib-resnet": FaceNetwork(dlib_crop(), DLIB, dlib),
        "MobileFaceNet": FaceNetwork(arcface_crop(), IMAGENET, mobile),
        lite0.name: FaceNetwork(torch.nn.Identity(), (lite0.mean, lite0.std), lite0.module),
    }
    keys = {
        "dlib-resnet": digest_of(dlib_resnet_file()),
        "MobileFaceNet": digest_of(options.mobilefacenet),
        lite0.name: lite0.fingerprint[:12],
    }
    for name, network in students().items() if options.students else ():
        file = options.students / f"{name}.safetensors"
        if file.exists():
            network.network.load_state_dict(weights(file), strict=False)
            networks[f"student: {name}"], keys[f"student: {name}"] = network, digest_of(file)
    return {name: network.eval() for name, network in networks.items()}, keys


def digest_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def read_data(data, options):
    """Return aligned faces of a data set, uint8 of shape (n, 3, 160, 160), and their paths.

    Of LFW only the people held out are read.
    """
    folder = options.data / data
    files = sorted(folder.glob(PATTERNS[data]))
    settings = {}
    if data == "lfw":
        in_held_out = held_out([file.parent.name for file in files])
        files = [file for file, is_kept in zip(files, in_held_out, strict=True) if is_kept]
        settings = LFW_SETTINGS
    crops, counts = align(files, str(options.cache / data), **settings)
    print(data, counts, flush=True)
    faces = torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous()
    return faces, [str(file.relative_to(folder)) for file in files]


def systems(outputs):
    """Return the embeddings of all systems, of length 1, from the outputs of all networks."""
    result = {}
    for name, vectors in outputs.items():
        result[name] = unit(vectors[:, 0])
        result[f"{name}, mirrored"] = unit(vectors[:, :2].mean(1))
        result[f"{name}, mirrored, of length 1 each"] = unit(unit(vectors[:, :2]).mean(1))
        result[f"{name}, mirrored, two scales"] = unit(vectors.mean(1))
    for views in ("mirrored", "mirrored, two scales"):
        two_networks = [result[f"{name}, {views}"] for name in ("dlib-resnet", "MobileFaceNet")]
        result[f"dlib-resnet and MobileFaceNet, {views}"] = np.concatenate(two_networks, 1) / 2**0.5
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
    table = read_manifest(folder, cleaned=cleaned)
    position = pd.Series(np.arange(len(paths)), paths)
    rows = position.loc[table["path"]].to_numpy()
    for k in REFERENCES:
        pairs = make_reference_pairs(table, k=k, exclude="original", random_state=0)
        index, y = rows[pairs.index].reshape(-1, k, 2), pairs.target[::k]
        groups = table["group"].to_numpy()[pairs.index[::k, 1]]
        validation = in_validation_part(groups)
        all_rows = np.ones(len(y), bool)
        for part, in_part in (("all", all_rows), ("validation", validation), ("test", ~validation)):
            for name, vectors in vectors_of.items():
                scores = template_cosines(vectors, index[in_part])
                yield {
                    "data": "dfdc_crops" if cleaned else "dfdc_crops, suspect labels kept",
                    "part": part,
                    "references": k,
                    "system": name,
                    "pairs": len(scores),
                    **judge(scores, y[in_part], groups[in_part] if part == "test" else None),
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
    parser.add_argument("data", type=Path)
    parser.add_argument("mobilefacenet", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--students", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    networks, keys = networks_of(options)
    vectors_of, paths = {}, {}
    for data in PATTERNS:
        faces, paths[data] = read_data(data, options)
        outputs = {
            name: embed(network, faces, options.cache / f"{data}-{keys[name]}.npy")
            for name, network in networks.items()
        }
        vectors_of[data] = systems(outputs)
    names = [Path(path).parts[0] for path in paths["lfw"]]
    rows = []
    for name, vectors in vectors_of["lfw"].items():
        figures = verification(*[torch.from_numpy(vectors)] * 2, names)
        rows.append({"data": "LFW, people held out", "system": name, **figures})
    for cleaned in (True, False):
        rows += dfdc_rows(
            vectors_of["dfdc_crops"],
            paths["dfdc_crops"],
            options.data / "dfdc_crops",
            cleaned=cleaned,
        )
    rows += kept_rows(vectors_of["identity_kept"], paths["identity_kept"])
    for row in rows:
        print(json.dumps(row), flush=True)
    if options.output:
        facts = {"weights": keys, "rows": rows}
        options.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
